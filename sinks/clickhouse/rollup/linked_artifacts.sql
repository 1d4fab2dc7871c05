-- The next {most} rows behind {after}, in the order of the ids, of artifacts that got a receipt, a completion or a stage start
-- since {since_ms}: how many there are, and the last id.
SELECT count(), max(artifactId)
FROM (
    SELECT artifactId
    FROM artifact_state
    WHERE artifactId > {after:String} AND last_link_stored >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    ORDER BY artifactId
    LIMIT {most:UInt32}
)

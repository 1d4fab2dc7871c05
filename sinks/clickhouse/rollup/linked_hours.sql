-- Hours in which artifacts ended something that got a receipt, a completion or a stage start since {since_ms}, and when they last
-- got one, in milliseconds; of the artifacts behind {after} up to {last}. The two may stand in different rows of an artifact.
SELECT toUnixTimestamp(arrayJoin(hours)) AS hour_s, toUnixTimestamp64Milli(max(link_stored))
FROM (
    SELECT groupUniqArrayArray(end_hours) AS hours, max(last_link_stored) AS link_stored
    FROM artifact_state
    WHERE artifactId > {after:String} AND artifactId <= {last:String}
      AND artifactId IN (
        SELECT artifactId
        FROM artifact_state
        WHERE artifactId > {after:String} AND artifactId <= {last:String}
          AND last_link_stored >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    )
    GROUP BY artifactId
)
GROUP BY hour_s

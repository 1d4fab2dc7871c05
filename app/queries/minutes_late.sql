-- Minutes with an event of an artifact that got another event late since {since_ms}, in epoch seconds, and when it did, in
-- milliseconds. Of the artifacts in one of {slices} slices, which bounds the memory.
SELECT toUnixTimestamp(toStartOfMinute(ts)) AS minute_s, toUnixTimestamp64Milli(max(touched.stored_at))
FROM events AS e
INNER JOIN (
    SELECT artifactId, max(stored_at) AS stored_at
    FROM late_artifacts AS each
    WHERE each.stored_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
      AND cityHash64(artifactId) % {slices:UInt32} = {slice:UInt32}
    GROUP BY artifactId
) AS touched ON touched.artifactId = e.artifactId
WHERE ts >= toDateTime({from_s:UInt32}, 'UTC')
  AND toStartOfHour(ts) IN (
    SELECT arrayJoin(hours)
    FROM artifact_marks
    WHERE artifactId IN (
        SELECT artifactId
        FROM late_artifacts
        WHERE stored_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
          AND cityHash64(artifactId) % {slices:UInt32} = {slice:UInt32}))
GROUP BY minute_s

-- Minutes with an event of an artifact that got another event late since {since_ms}, and when it did.
SELECT toStartOfMinute(ts) AS minute, max(touched.stored_at) AS stored
FROM events AS e
INNER JOIN (
    SELECT artifactId, max(stored_at) AS stored_at
    FROM late_artifacts AS each
    WHERE each.stored_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    GROUP BY artifactId
) AS touched ON touched.artifactId = e.artifactId
WHERE ts >= toDateTime({from_s:UInt32}, 'UTC')
  AND toStartOfHour(ts) IN (
    SELECT arrayJoin(hours)
    FROM artifact_marks
    WHERE artifactId IN (
        SELECT artifactId FROM late_artifacts WHERE stored_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')))
GROUP BY minute

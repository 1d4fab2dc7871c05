-- Receipts, completions and failures of a range by the channel of their artifact: that of its latest event with one.
SELECT
    channel,
    uniqExactIf(eventId, eventType = 'artifact_received') AS received,
    uniqExactIf(eventId, eventType = 'artifact_completed') AS completed,
    uniqExactIf(eventId, eventType = 'artifact_failed') AS failed
FROM (
    SELECT eventId, eventType, if(e.artifactId = '', ifNull(metadata.sourceChannel, ''), known.channel) AS channel
    FROM event_copies_at(now_ms = {now_ms:Int64}) AS e
    LEFT JOIN (
        SELECT artifactId, argMax(assumeNotNull(metadata.sourceChannel), (timestamp, toString(eventId))) AS channel
        FROM event_copies_at(now_ms = {now_ms:Int64})
        WHERE metadata.sourceChannel IS NOT NULL AND artifactId != ''
        GROUP BY artifactId
    ) AS known ON known.artifactId = e.artifactId
    WHERE ts >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
      AND eventType IN ('artifact_received', 'artifact_completed', 'artifact_failed')
)
GROUP BY channel
ORDER BY received DESC, completed DESC, failed DESC, channel

-- What finished and what was spent in [{start_ms}, {end_ms}), of one organisation or of all ('').
SELECT
    countIf(eventType = 'artifact_completed') AS artifactsCompleted,
    countIf(eventType = 'artifact_failed') AS artifactsFailed,
    sum(least(ifNull(cost, 0), 1e38)) AS totalAICost
FROM (
    SELECT eventType, metadata.aiCost AS cost
    FROM events
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
      AND (eventType IN ('artifact_completed', 'artifact_failed') OR metadata.aiCost > 0)
    ORDER BY log_order DESC
    LIMIT 1 BY eventId
)

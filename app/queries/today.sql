-- What finished and what was spent in [{start_ms}, {end_ms}), of one organisation or of all ('').
SELECT
    countIf(eventType IN {{ kinds_of("artifactsCompleted") }}) AS artifactsCompleted,
    countIf(eventType IN {{ kinds_of("artifactsFailed") }}) AS artifactsFailed,
    sum(cost) AS totalAICost
FROM (
    SELECT eventType, {{ cost }} AS cost
    FROM events
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
      AND (eventType IN ('artifact_completed', 'artifact_failed') OR metadata.aiCost > 0)
    ORDER BY log_order DESC
    LIMIT 1 BY eventId
)

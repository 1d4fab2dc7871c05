-- Distinct artifacts with an event of each stage, by the stage of the event's type ({types}).
SELECT pipelineStage AS stage, uniqExact(artifactId) AS artifacts
FROM event_copies_at(now_ms = {now_ms:Int64})
WHERE ts >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
  AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
  AND eventType IN {types:Array(String)} AND artifactId != ''
GROUP BY stage

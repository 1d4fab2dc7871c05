-- Failures ({types}) that name a stage, by message and code, the most frequent first.
SELECT errorMessage, errorCode, uniqExact(eventId) AS count, toUnixTimestamp64Milli(max(ts)) AS lastAt
FROM error_events
WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
  AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
  AND eventType IN {types:Array(String)} AND pipelineStage = {stage:String}
GROUP BY errorMessage, errorCode
ORDER BY count DESC, lastAt DESC, errorMessage, errorCode
LIMIT {limit:UInt32}

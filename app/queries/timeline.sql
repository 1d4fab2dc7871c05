-- Events of one artifact, oldest first, each once. Where they are is known: one or two hours, as a rule one organisation.
SELECT
    {{ event_columns }}
FROM events
WHERE artifactId = {artifact_id:String}
  AND ts >= fromUnixTimestamp64Milli({now_ms:Int64} - (SELECT events FROM visible_hours) * 3600000, 'UTC')
  AND toStartOfHour(ts) IN (SELECT arrayJoin(hours) FROM artifact_marks WHERE artifactId = {artifact_id:String})
  AND organizationId IN (SELECT arrayJoin(organizations) FROM artifact_marks WHERE artifactId = {artifact_id:String})
  AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
  AND (empty({types:Array(String)}) OR eventType IN {types:Array(String)})
ORDER BY timestamp, id, log_order DESC
LIMIT 1 BY id
LIMIT {most:UInt32} + 1

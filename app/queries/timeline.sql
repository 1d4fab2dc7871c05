-- Events of one artifact, oldest first, each once.
SELECT
    {{ event_columns }}
FROM event_copies_at(now_ms = {now_ms:Int64})
WHERE artifactId = {artifact_id:String}
  AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
  AND (empty({types:Array(String)}) OR eventType IN {types:Array(String)})
ORDER BY timestamp, id, log_order DESC
LIMIT 1 BY id

-- Events of [{from_ms}, {to_ms}] behind a place in the order, newest first. An empty filter lets everything pass.
-- The keys come first: the wide columns are read only for the rows of the answer.
SELECT page.*, multiIf(organizationId = '', '', known.name = '', 'Unknown', known.name) AS orgName
FROM (
  SELECT
      {{ event_columns }}
  FROM event_copies_at(now_ms = {now_ms:Int64})
  WHERE ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND (organizationId, eventType, ts, eventId, log_order) IN (
      SELECT organizationId, eventType, ts, eventId, log_order
      FROM event_copies_at(now_ms = {now_ms:Int64})
      WHERE ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND (empty({types:Array(String)}) OR eventType IN {types:Array(String)})
        AND ({stage:String} = '' OR pipelineStage = {stage:String})
        AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
        AND ({artifact_id:String} = '' OR artifactId = {artifact_id:String})
        AND (timestamp, toString(eventId)) < ({before_ms:Int64}, {before_id:String})
      ORDER BY timestamp DESC, toString(eventId) DESC, log_order DESC
      LIMIT 1 BY eventId
      LIMIT {limit:UInt32}
    )
  ORDER BY timestamp DESC, id DESC, log_order DESC
  LIMIT 1 BY id
) AS page
LEFT JOIN (SELECT organizationId AS known_id, name FROM organization_names FINAL) AS known ON known_id = organizationId
ORDER BY timestamp DESC, id DESC

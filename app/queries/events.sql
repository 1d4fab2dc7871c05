-- The newest events of [{from_ms}, {to_ms}], newest first, copies among them. In one pass: what an event carries is read only
-- for the rows of the answer.
SELECT page.* EXCEPT (log_order), multiIf(organizationId = '', '', known.name = '', 'Unknown', known.name) AS orgName
FROM (
    SELECT
        {{ event_columns }},
        log_order
    FROM events
    {{ prewhere }}
    WHERE ts >= fromUnixTimestamp64Milli(
            greatest({from_ms:Int64}, {now_ms:Int64} - (SELECT events FROM visible_hours) * 3600000), 'UTC')
      AND ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
      AND {{ filters }}
    ORDER BY timestamp DESC, toString(eventId) DESC, log_order DESC
    LIMIT {limit:UInt32}
) AS page
LEFT JOIN (SELECT organizationId AS known_id, name FROM organization_names FINAL) AS known ON known_id = organizationId
ORDER BY timestamp DESC, id DESC, log_order DESC

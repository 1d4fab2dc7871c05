-- Events of [{from_ms}, {to_ms}] behind a place in the order, newest first, of each the copy first in the log. Times come
-- first, then keys, and the wide columns only for the rows of the answer. Of very many copies there may be more events
-- than these before `cut_ms`: that is so if `cut_rows` is {most}.
WITH
greatest({from_ms:Int64}, {now_ms:Int64} - (SELECT events FROM visible_hours) * 3600000) AS first_ms,
(
    SELECT (if(count() = 0, {to_ms:Int64}, min(timestamp)), count())
    FROM (
        SELECT timestamp
        FROM events
        WHERE ts >= fromUnixTimestamp64Milli(first_ms, 'UTC') AND ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
          AND timestamp < {before_ms:Int64} AND {{ filters }}
        ORDER BY timestamp DESC
        LIMIT {most:UInt32}
    )
) AS cut
SELECT page.*, cut.1 AS cut_ms, cut.2 AS cut_rows, multiIf(organizationId = '', '', known.name = '', 'Unknown', known.name) AS orgName
FROM (
    SELECT
        {{ event_columns }}
    FROM events
    WHERE ts >= fromUnixTimestamp64Milli(cut.1, 'UTC') AND ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
      AND (organizationId, eventType, ts, eventId, log_order) IN (
        SELECT organizationId, eventType, ts, eventId, log_order
        FROM events
        WHERE ts >= fromUnixTimestamp64Milli(cut.1, 'UTC') AND ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
          AND {{ filters }}
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

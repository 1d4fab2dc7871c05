-- Events for lists: none older than the retention, but repeats are still in it. FINAL would merge whole partitions for
-- fifty rows, so readers take LIMIT 1 BY eventId, ordered by log_order.
CREATE OR REPLACE VIEW {{ database }}.event_copies_at AS
SELECT *, ts, timeWindow, log_order
FROM {{ database }}.events
WHERE ts >= fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR;

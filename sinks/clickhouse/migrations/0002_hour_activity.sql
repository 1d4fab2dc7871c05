-- When each hour last got rows: the dirty mark of the roll-up.
-- A maximum, because a repeated insert must not change what the view has written.
CREATE TABLE IF NOT EXISTS {{ database }}.hour_activity
(
    hour DateTime('UTC'),
    last_stored SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY hour
TTL greatest(toDateTime64(hour, 3, 'UTC'), last_stored) + INTERVAL {{ ttl_hours.hour_activity }} HOUR
SETTINGS merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.hour_activity_mv TO {{ database }}.hour_activity AS
SELECT toStartOfHour(ts) AS hour, max(stored_at) AS last_stored
FROM {{ database }}.events
GROUP BY hour;

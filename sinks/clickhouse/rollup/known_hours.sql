-- What is known of each hour of [{from_s}, {to_s}), in epoch seconds, as milliseconds, 0 for never: the latest stored_at of its
-- rows, when it was computed last and up to which stored_at, when what readers see was computed, and what time it is.
-- Times come from hour_activity, never from FINAL, which keeps the stored_at of one copy only.
WITH
changes AS (
    SELECT hour, max(last_stored) AS stored
    FROM hour_activity
    WHERE hour >= {from_s:UInt32} AND hour < {to_s:UInt32}
    GROUP BY hour
),
computed AS (
    SELECT periodStart, max(computed_at) AS at, argMax(input_max_stored, computed_at) AS input
    FROM snapshots_hourly
    WHERE scope = 'platform' AND periodStart >= {from_s:UInt32} AND periodStart < {to_s:UInt32}
    GROUP BY periodStart
),
-- What readers see of it: another table, filled out of the snapshots, and not if that failed.
shown AS (
    SELECT periodStart, max(createdAt) AS at
    FROM hourly_figures
    WHERE scope = 'platform' AND periodStart >= {from_s:UInt32} AND periodStart < {to_s:UInt32}
    GROUP BY periodStart
)
SELECT
    toUnixTimestamp(wanted.hour) AS hour_s,
    toUnixTimestamp64Milli(changes.stored),
    toUnixTimestamp64Milli(computed.at),
    toUnixTimestamp64Milli(computed.input),
    toUnixTimestamp64Milli(shown.at),
    toUnixTimestamp64Milli(now64(3, 'UTC'))
FROM (SELECT toDateTime(arrayJoin(range({from_s:UInt32}, {to_s:UInt32}, 3600)), 'UTC') AS hour) AS wanted
LEFT JOIN changes ON changes.hour = wanted.hour
LEFT JOIN computed ON computed.periodStart = wanted.hour
LEFT JOIN shown ON shown.periodStart = wanted.hour
ORDER BY hour_s

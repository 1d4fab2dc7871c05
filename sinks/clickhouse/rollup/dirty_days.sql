-- Days of [{from_s}, {to_s}) to compute, in epoch seconds, whose hours from {first_hour_s} on all have snapshots.
WITH
hours AS (
    SELECT toStartOfDay(periodStart) AS day, uniqExact(periodStart) AS known, max(computed_at) AS changed
    FROM snapshots_hourly
    WHERE scope = 'platform' AND periodStart >= greatest({from_s:UInt32}, {first_hour_s:UInt32}) AND periodStart < {to_s:UInt32}
    GROUP BY day
),
computed AS (
    SELECT periodStart, max(computed_at) AS at, argMax(input_max_stored, computed_at) AS input
    FROM snapshots_daily
    WHERE scope = 'platform' AND periodStart >= {from_s:UInt32} AND periodStart < {to_s:UInt32}
    GROUP BY periodStart
),
shown AS (
    SELECT periodStart, max(createdAt) AS at
    FROM daily_figures
    WHERE scope = 'platform' AND periodStart >= {from_s:UInt32} AND periodStart < {to_s:UInt32}
    GROUP BY periodStart
)
SELECT toUnixTimestamp(hours.day) AS day_s
FROM hours
LEFT JOIN computed ON computed.periodStart = hours.day
LEFT JOIN shown ON shown.periodStart = hours.day
WHERE known >= intDiv(day_s + 86400 - greatest(day_s, {first_hour_s:UInt32}), 3600)
  AND ({everything:Bool}
       OR computed.at = 0
       OR shown.at < computed.at
       OR hours.changed > computed.input
       -- As with hours: another worker's row may have become visible after the day was computed.
       OR (computed.at < hours.changed + toIntervalMillisecond({settle_ms:UInt64})
           AND now64(3, 'UTC') >= hours.changed + toIntervalMillisecond({settle_ms:UInt64})))
ORDER BY day_s

-- Minutes of [{from_s}, {to_s}) (epoch seconds) whose figures are not kept, or not as the events are now, with the time of their
-- latest row in milliseconds. Both that row and the late events of their artifacts must be {settle_ms} old: a block becomes
-- visible after its stored_at was taken.
SELECT toUnixTimestamp(active.minute) AS minute_s, toUnixTimestamp64Milli(active.stored) AS stored_ms
FROM (
    SELECT minute, max(last_stored) AS stored
    FROM minute_activity
    WHERE minute >= {from_s:UInt32} AND minute < {to_s:UInt32}
    GROUP BY minute
) AS active
LEFT JOIN (
    SELECT minute, max(computed_at) AS at, argMax(input_max_stored, computed_at) AS input,
        argMax(has_times, computed_at) AS is_whole
    FROM minute_figures
    WHERE scope = 'platform' AND minute >= {from_s:UInt32} AND minute < {to_s:UInt32}
    GROUP BY minute
) AS kept ON kept.minute = active.minute
LEFT JOIN (
{{ late_minutes }}
) AS late ON late.minute = active.minute
WHERE now64(3, 'UTC') >= greatest(active.stored, late.stored) + toIntervalMillisecond({settle_ms:UInt64})
  AND (kept.at = 0
       OR NOT kept.is_whole
       OR active.stored > kept.input
       OR kept.at < late.stored + toIntervalMillisecond({settle_ms:UInt64}))
ORDER BY minute_s

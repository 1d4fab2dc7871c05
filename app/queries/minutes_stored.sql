-- Minutes of [{from_s}, {to_s}) (epoch seconds) with events, as milliseconds: when their latest row was stored, when they were worked
-- out last, 0 for never, and up to which stored_at; whether what is kept of them is whole, and what time it is. Unless {all} are
-- asked for, without those that only an event of another minute can make due.
SELECT
    toUnixTimestamp(active.minute) AS minute_s,
    toUnixTimestamp64Milli(active.stored),
    toUnixTimestamp64Milli(kept.at),
    toUnixTimestamp64Milli(kept.input),
    kept.is_whole,
    toUnixTimestamp64Milli(now64(3, 'UTC'))
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
WHERE {all:Bool} OR NOT kept.is_whole OR active.stored > kept.input

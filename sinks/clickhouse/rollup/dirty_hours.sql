-- Hours of [{from_s}, {to_s}) to compute, in epoch seconds, with the latest stored_at known of what they depend on:
-- their own rows, and the receipts, completions and stage starts of artifacts that ended something in them.
-- Times come from hour_activity and artifact_state, never from FINAL, which keeps the stored_at of one copy only.
WITH
changes AS (
    SELECT hour, max(last_stored) AS stored
    FROM hour_activity
    WHERE hour >= {from_s:UInt32} AND hour < {to_s:UInt32}
    GROUP BY hour
    UNION ALL
    SELECT arrayJoin(hours) AS hour, max(link_stored) AS stored
    FROM (
        SELECT groupUniqArrayArray(end_hours) AS hours, max(last_link_stored) AS link_stored
        FROM artifact_state
        WHERE artifactId IN (
            -- What was stored before the first of these hours had begun cannot have changed one after its computation,
            -- and what was stored before {links_since_ms} has been looked at.
            SELECT artifactId
            FROM artifact_state
            WHERE last_link_stored >= fromUnixTimestamp64Milli(greatest(toInt64({from_s:UInt32}) * 1000, {links_since_ms:Int64}), 'UTC')
        )
        GROUP BY artifactId
    )
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
SELECT toUnixTimestamp(wanted.hour) AS hour_s, toUnixTimestamp64Milli(known.stored) AS stored_ms
FROM (SELECT toDateTime(arrayJoin(range({from_s:UInt32}, {to_s:UInt32}, 3600)), 'UTC') AS hour) AS wanted
LEFT JOIN (SELECT hour, max(stored) AS stored FROM changes GROUP BY hour) AS known ON known.hour = wanted.hour
LEFT JOIN computed ON computed.periodStart = wanted.hour
LEFT JOIN shown ON shown.periodStart = wanted.hour
WHERE {everything:Bool}
   OR computed.at = 0
   OR shown.at < computed.at
   OR known.stored > computed.input
   -- Computed too soon after its last row: a block becomes visible after its stored_at was taken.
   OR (computed.at < known.stored + toIntervalMillisecond({settle_ms:UInt64})
       AND now64(3, 'UTC') >= known.stored + toIntervalMillisecond({settle_ms:UInt64}))
ORDER BY hour_s

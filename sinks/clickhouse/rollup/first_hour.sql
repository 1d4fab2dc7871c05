-- Epoch seconds of the first hour that can have figures, that of the first known row, else of the installation; and those
-- of the first period that may be computed although events are kept for longer by now.
SELECT
    toUnixTimestamp(least(
        toStartOfHour((SELECT min(at) FROM schema_migrations)),
        (SELECT if(count() = 0, toDateTime('2106-01-01 00:00:00', 'UTC'), min(hour)) FROM hour_activity))) AS first_hour_s,
    toUnixTimestamp((SELECT max(frozen_until) FROM rollup_progress)) AS frozen_until_s

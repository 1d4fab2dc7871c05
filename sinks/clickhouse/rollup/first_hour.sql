-- Epoch seconds of the first hour that can have figures: that of the first known row, else of the installation.
SELECT toUnixTimestamp(least(
    toStartOfHour((SELECT min(at) FROM schema_migrations)),
    (SELECT if(count() = 0, toDateTime('2106-01-01 00:00:00', 'UTC'), min(hour)) FROM hour_activity)))

-- Epoch milliseconds of the oldest event on disk, or 0; seconds since the whole of a part should have been deleted.
SELECT
    (SELECT if(count() = 0, 0, min(timestamp)) FROM events) AS oldest_ms,
    (SELECT greatest(0, max(if(toUnixTimestamp(delete_ttl_info_max) = 0, 0, toUnixTimestamp(now()) - toUnixTimestamp(delete_ttl_info_max))))
     FROM system.parts WHERE database = currentDatabase() AND active) AS lag_seconds

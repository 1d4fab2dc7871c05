SELECT toDateTime(0, 'UTC') AS minute, toDateTime64(0, 3, 'UTC') AS stored WHERE 0

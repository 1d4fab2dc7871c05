-- Epoch milliseconds by the store's clock, which gives rows their stored_at.
SELECT toUnixTimestamp64Milli(now64(3, 'UTC'))

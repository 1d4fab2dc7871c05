-- Epoch milliseconds of the end of the last hour up to which the whole log is stored; 0 before the first.
SELECT toUnixTimestamp(max(closed_until)) * 1000
FROM rollup_progress

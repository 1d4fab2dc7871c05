-- Says that every event before {closed_s} (epoch seconds) is stored; once for each hour.
INSERT INTO rollup_progress (closed_until)
SELECT toDateTime({closed_s:UInt32}, 'UTC') AS until
WHERE until > (SELECT max(closed_until) FROM rollup_progress)

-- How many visible rows the hours in {starts} (epoch seconds) have.
SELECT count() FROM snapshots_hourly_figures WHERE toUnixTimestamp(periodStart) IN {starts:Array(UInt32)}

-- How many visible rows the days in {starts} (epoch seconds) have.
SELECT count() FROM snapshots_daily_figures WHERE toUnixTimestamp(periodStart) IN {starts:Array(UInt32)}

* EXCEPT (periodStart, periodEnd, scope, organizationId, createdAt),
toUnixTimestamp(periodStart) * 1000 AS period_start_ms,
toUnixTimestamp(periodEnd) * 1000 AS period_end_ms,
toUnixTimestamp64Milli(createdAt) AS created_at_ms,
CAST(periodEnd <= (SELECT max(closed_until) FROM rollup_progress), 'Bool') AS complete

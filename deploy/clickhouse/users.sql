-- The monitor's two users in SQL, for a server whose users are not in its configuration. Run it as a user that may
-- manage access, after `voicemon migrate` or before, with passwords of your own in place of the two below.
-- deploy/clickhouse/users.d/voicemon.xml makes the same users by configuration.
CREATE SETTINGS PROFILE IF NOT EXISTS voicemon_writer SETTINGS
    async_insert = 0,
    distributed_product_mode = 'local';

-- readonly = 2 and not 1: Grafana's driver sends max_execution_time with every query. For ClickHouse 0 means no limit,
-- so each limit has a least value too.
CREATE SETTINGS PROFILE IF NOT EXISTS voicemon_reader SETTINGS
    readonly = 2,
    distributed_product_mode = 'local',
    max_execution_time = 30 MIN 1 MAX 300,
    max_memory_usage = 1000000000 MIN 1 MAX 1000000000,
    max_rows_to_read = 1000000000 MIN 1 MAX 1000000000,
    max_result_rows = 1000000 MIN 1 MAX 1000000,
    max_concurrent_queries_for_user = 50 READONLY,
    compile_expressions = 0,
    compile_aggregate_expressions = 0,
    compile_sort_description = 0;

CREATE USER IF NOT EXISTS voicemon_writer IDENTIFIED WITH sha256_password BY 'change-me' SETTINGS PROFILE 'voicemon_writer';
CREATE USER IF NOT EXISTS voicemon_reader IDENTIFIED WITH sha256_password BY 'change-me' SETTINGS PROFILE 'voicemon_reader';

GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, OPTIMIZE ON voicemon.* TO voicemon_writer;
GRANT SELECT ON system.* TO voicemon_writer;
GRANT SET DEFINER ON voicemon_writer TO voicemon_writer;
-- Only needed with VOICEMON_CLICKHOUSE_CLUSTER.
GRANT CLUSTER, REMOTE ON *.* TO voicemon_writer;

-- Views run with the rights of the user that made them, so the reader needs none on tables.
GRANT SELECT ON voicemon.events_live TO voicemon_reader;
GRANT SELECT ON voicemon.snapshots_hourly_live TO voicemon_reader;
GRANT SELECT ON voicemon.snapshots_daily_live TO voicemon_reader;
GRANT SELECT ON voicemon.artifacts_live TO voicemon_reader;
GRANT SELECT ON voicemon.organizations_live TO voicemon_reader;
GRANT SELECT ON voicemon.artifact_totals_live TO voicemon_reader;
GRANT SELECT ON voicemon.artifacts_waiting_live TO voicemon_reader;
GRANT SELECT ON voicemon.artifacts_failed_live TO voicemon_reader;
GRANT SELECT ON voicemon.artifact_versions_live TO voicemon_reader;
GRANT SELECT ON voicemon.artifact_costs_live TO voicemon_reader;
GRANT SELECT ON voicemon.minute_channels_live TO voicemon_reader;
GRANT SELECT ON voicemon.snapshots_live TO voicemon_reader;
GRANT SELECT ON voicemon.event_copies_live TO voicemon_reader;
GRANT SELECT ON voicemon.costs_live TO voicemon_reader;
GRANT SELECT ON voicemon.minute_counts_live TO voicemon_reader;
GRANT SELECT ON voicemon.minute_stages_live TO voicemon_reader;
GRANT SELECT ON voicemon.minute_costs_live TO voicemon_reader;
GRANT SELECT ON voicemon.minute_ways_live TO voicemon_reader;
GRANT SELECT ON voicemon.failures_live TO voicemon_reader;
GRANT SELECT ON voicemon.monitor_live TO voicemon_reader;
GRANT SELECT ON voicemon.tables_live TO voicemon_reader;

{%- set moments = {"createdAt": "createdTime", "updatedAt": "updatedTime", "stageEnteredAt": "stageEnteredTime",
                   "completedAt": "completedTime", "failedAt": "failedTime", "waitingSince": "waitingTime"} -%}
{%- set shown -%}
(status IN ('received', 'transcribing', 'transcribed', 'processing')
   OR updatedAt >= toUnixTimestamp64Milli(now64(3, 'UTC')) - {{ visible_hours.artifacts }} * 3600000)
{%- endset -%}
-- What Grafana reads besides events and snapshots. Every view may be read by voicemon_reader.

-- The state of each artifact. An artifact's way ended at its earliest completion: its receipt and endToEndMs later.
CREATE OR REPLACE VIEW {{ database }}.artifacts_live AS
SELECT
    * EXCEPT (version),
{%- for column, time in moments.items() %}
    fromUnixTimestamp64Milli({{ column }}, 'UTC') AS {{ time }},
{%- endfor %}
    fromUnixTimestamp64Milli(createdAt + endToEndMs, 'UTC') AS endToEndTime
FROM {{ database }}.artifact_rows FINAL
WHERE {{ shown }};

-- How many artifacts are under way, and how many names wait for a person.
CREATE OR REPLACE VIEW {{ database }}.artifact_totals_live AS
SELECT organizationId, stage, active, open
FROM {{ database }}.artifact_totals FINAL;

-- Artifacts that wait, those that have failed, and what they cost: FINAL would merge all artifacts. Superseded rows are still
-- in these, so readers take those with the artifact's greatest version, or look it up in artifacts_live.
CREATE OR REPLACE VIEW {{ database }}.artifacts_waiting_live AS
SELECT artifactId, version, status, stage, organizationId, fromUnixTimestamp64Milli(waitingSince, 'UTC') AS waitingTime
FROM {{ database }}.artifacts_by_creation
WHERE waitingSince > 0 AND {{ shown }};

CREATE OR REPLACE VIEW {{ database }}.artifacts_failed_live AS
SELECT artifactId, version, status, stage, organizationId, fromUnixTimestamp64Milli(place, 'UTC') AS failedTime
FROM {{ database }}.artifacts_by_failure
WHERE {{ shown }};

CREATE OR REPLACE VIEW {{ database }}.artifact_versions_live AS
SELECT artifactId, version
FROM {{ database }}.artifact_rows;

CREATE OR REPLACE VIEW {{ database }}.artifact_costs_live AS
SELECT artifactId, organizationId, fromUnixTimestamp64Milli(createdAt, 'UTC') AS createdTime, aiCost
FROM {{ database }}.artifact_rows
WHERE aiCost > 0;

CREATE OR REPLACE VIEW {{ database }}.organizations_live AS
SELECT organizationId, name
FROM {{ database }}.organization_names FINAL;

-- Hours and days in one, told apart by periodType.
CREATE OR REPLACE VIEW {{ database }}.snapshots_live AS
SELECT 'hourly' AS periodType, *
FROM {{ database }}.snapshots_hourly_live
UNION ALL
SELECT 'daily' AS periodType, *
FROM {{ database }}.snapshots_daily_live;

-- Events for lists, and for figures that a repeat does not change: FINAL would merge whole partitions. Repeats are still
-- in it, so lists take LIMIT 1 BY eventId, ordered by log_order.
CREATE OR REPLACE VIEW {{ database }}.event_copies_live AS
SELECT
    * REPLACE (if(durationMs BETWEEN 0 AND {{ longest_duration_ms }}, durationMs, NULL) AS durationMs),
    ts,
    timeWindow,
    log_order
FROM {{ database }}.events
WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR;

-- Failures, each once, in a table of their own.
CREATE OR REPLACE VIEW {{ database }}.failures_live AS
SELECT ts, eventType, pipelineStage, organizationId, artifactId, errorCode, errorMessage
FROM {{ database }}.error_events FINAL
WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR;

-- Events that cost something. Only this view opens the metadata for it.
CREATE OR REPLACE VIEW {{ database }}.costs_live AS
SELECT ts, organizationId, artifactId, eventType, pipelineStage, ifNull(metadata.aiModel, '') AS aiModel,
       {{ cost }} AS aiCost
FROM {{ database }}.events FINAL
WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR AND metadata.aiCost > 0;

-- The monitor itself, one row: when it was installed, when something was stored last, up to which time everything is.
CREATE OR REPLACE VIEW {{ database }}.monitor_live AS
SELECT
    (SELECT toDateTime64(min(at), 3, 'UTC') FROM {{ database }}.schema_migrations) AS installedTime,
    (SELECT max(last_stored) FROM {{ database }}.hour_activity) AS storedTime,
    (SELECT max(closed_until) FROM {{ database }}.rollup_progress) AS closedUntil,
    (SELECT max(version) FROM {{ database }}.schema_migrations WHERE kind = 'migration') AS schemaVersion;

-- What the tables take on this server, and how long rows lie there beyond their time to live.
CREATE OR REPLACE VIEW {{ database }}.tables_live AS
SELECT
    table,
    sum(rows) AS storedRows,
    sum(bytes_on_disk) AS storedBytes,
    count() AS parts,
    max(if(toUnixTimestamp(delete_ttl_info_max) = 0, 0,
           greatest(0, toUnixTimestamp(now()) - toUnixTimestamp(delete_ttl_info_max)))) AS overdueSeconds
FROM system.parts
WHERE database = '{{ database }}' AND active
GROUP BY table;

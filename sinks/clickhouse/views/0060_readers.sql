{%- set moments = {"createdAt": "createdTime", "updatedAt": "updatedTime", "stageEnteredAt": "stageEnteredTime",
                   "completedAt": "completedTime", "failedAt": "failedTime", "waitingSince": "waitingTime"} -%}
-- What Grafana reads besides events and snapshots. Every view may be read by voicemon_reader.

-- The state of each artifact. An artifact's way ended at its earliest completion: its receipt and endToEndMs later.
CREATE OR REPLACE VIEW {{ database }}.artifacts_live AS
SELECT
    * EXCEPT (version),
{%- for column, time in moments.items() %}
    fromUnixTimestamp64Milli({{ column }}, 'UTC') AS {{ time }},
{%- endfor %}
    fromUnixTimestamp64Milli(createdAt + endToEndMs, 'UTC') AS endToEndTime
FROM {{ database }}.artifacts FINAL
WHERE status IN ('received', 'transcribing', 'transcribed', 'processing')
   OR updatedAt >= toUnixTimestamp64Milli(now64(3, 'UTC')) - {{ visible_hours.artifacts }} * 3600000;

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

-- Good and bad ends of stages. The duration is the event's own, else the time since the latest start of the stage;
-- names that a person settled end no stage.
CREATE OR REPLACE VIEW {{ database }}.stage_ends_live AS
WITH
ends AS (
    SELECT
        ts, organizationId, artifactId, pipelineStage, eventType, timestamp, stageStartedAt, stageCompletedAt, durationMs
    FROM {{ database }}.events FINAL
    WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR
      AND eventType IN ('transcription_completed', 'claims_extracted', 'entity_resolution_completed',
                        'entity_needs_disambiguation', 'drafts_generated', 'transcription_failed',
                        'claims_extraction_failed', 'entity_resolution_failed', 'draft_generation_failed')
      AND NOT (eventType = 'entity_resolution_completed' AND previousStatus = 'needs_disambiguation')
),
-- (timestamp, event id, start of the stage, stage) of each stage start of the artifacts that need one.
starts AS (
    SELECT artifactId, groupUniqArrayArray(starts) AS started
    FROM {{ database }}.artifact_links
    WHERE artifactId IN (
        SELECT artifactId
        FROM {{ database }}.events
        WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR
          AND durationMs IS NULL AND (stageStartedAt IS NULL OR stageCompletedAt IS NULL) AND artifactId != ''
          AND eventType IN ('transcription_completed', 'claims_extracted', 'entity_resolution_completed',
                            'entity_needs_disambiguation', 'drafts_generated'))
    GROUP BY artifactId
)
SELECT
    ts,
    organizationId,
    artifactId,
    pipelineStage AS stage,
    endsWith(eventType, '_failed') AS failed,
    arrayFilter(start -> start.4 = pipelineStage AND start.1 <= timestamp, started) AS before,
    multiIf(
        failed, NULL,
        stageStartedAt IS NOT NULL AND stageCompletedAt IS NOT NULL, stageCompletedAt - stageStartedAt,
        durationMs IS NOT NULL, durationMs,
        notEmpty(before), ifNull(stageCompletedAt, timestamp) - arrayMax(before).3,
        NULL) AS duration,
    if(duration BETWEEN 0 AND {{ longest_duration_ms }}, duration, NULL) AS latencyMs
FROM ends
LEFT JOIN starts ON starts.artifactId = ends.artifactId;

-- Events that cost something. Only this view opens the metadata for it.
CREATE OR REPLACE VIEW {{ database }}.costs_live AS
SELECT ts, organizationId, artifactId, eventType, pipelineStage, ifNull(metadata.aiModel, '') AS aiModel,
       least(assumeNotNull(metadata.aiCost), 1e38) AS aiCost
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

{%- set tuple -%}
Tuple(
        append_time_ms Int64,
        source_partition UInt32,
        source_offset UInt64,
        timestamp Int64,
        eventType String,
        pipelineStage String,
        organizationId String,
        coachUserId String,
        voiceNoteId String,
        stageStartedAt Nullable(Int64),
        stageCompletedAt Nullable(Int64),
        durationMs Nullable(Int64),
        previousStatus String,
        newStatus String,
        errorMessage String,
        errorCode String,
        sourceChannel Nullable(String),
        claimCount Nullable(UInt32),
        entityCount Nullable(UInt32),
        disambiguationCount Nullable(UInt32),
        draftCount Nullable(UInt32),
        aiCost Nullable(Float64)
    )
{%- endset -%}
-- All events of an artifact by event id. The smallest tuple is the copy first in the log, so repeats change nothing.
-- end_hours: hours whose figures depend on other events of the artifact, through a completion (end to end) or
-- through the end of a stage without a duration of its own (paired with its start).
-- last_link_stored: when the artifact last got a receipt, a completion or a stage start.
-- No TTL: a row of one part knows only some events of its artifact, so it cannot tell whether that is finished.
CREATE TABLE IF NOT EXISTS {{ database }}.artifact_state
(
    artifactId String,
    events SimpleAggregateFunction(minMap, Map(UUID, {{ tuple }})),
    end_hours SimpleAggregateFunction(groupUniqArrayArray, Array(DateTime('UTC'))),
    last_event SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    last_stored SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    last_link_stored SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    INDEX link last_link_stored TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY artifactId
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.artifact_state_mv TO {{ database }}.artifact_state AS
SELECT
    artifactId,
    minMap(map(eventId, CAST((
        append_time_ms, source_partition, source_offset, timestamp, eventType, pipelineStage, organizationId,
        coachUserId, voiceNoteId, stageStartedAt, stageCompletedAt, durationMs, previousStatus, newStatus,
        errorMessage, errorCode, metadata.sourceChannel, metadata.claimCount, metadata.entityCount,
        metadata.disambiguationCount, metadata.draftCount, metadata.aiCost
    ), '{{ tuple }}'))) AS events,
    groupUniqArrayIf(toStartOfHour(ts), eventType = 'artifact_completed'
        OR (eventType IN ('transcription_completed', 'claims_extracted', 'entity_resolution_completed',
                          'entity_needs_disambiguation', 'drafts_generated')
            AND durationMs IS NULL AND (stageStartedAt IS NULL OR stageCompletedAt IS NULL))) AS end_hours,
    max(ts) AS last_event,
    max(stored_at) AS last_stored,
    maxIf(stored_at, eventType IN ('artifact_received', 'artifact_completed') OR endsWith(eventType, '_started'))
        AS last_link_stored
FROM {{ database }}.events
WHERE artifactId != ''
GROUP BY artifactId;

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
{%- set start = "Tuple(timestamp Int64, eventId String, began Int64, stage String)" -%}
{%- macro moment(text) -%}
concat(leftPad(toString(timestamp), 20, '0'), toString(eventId), {{ text }})
{%- endmacro -%}
-- Ids with more events than an artifact can have: a publisher's mistake, such as the text "undefined" on every event.
-- What is known of an artifact is one row, so such a row would grow until no merge and no question could read it.
-- Found by the worker that keeps the artifacts; from then on their events are stored, counted and listed, no more.
CREATE TABLE IF NOT EXISTS {{ database }}.overgrown_artifacts
(
    artifactId String,
    found DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY artifactId;

ALTER TABLE {{ database }}.artifact_state_mv MODIFY QUERY
SELECT
    artifactId,
    CAST((groupArray(eventId), groupArray((
        append_time_ms, source_partition, source_offset, timestamp, eventType, pipelineStage, organizationId,
        coachUserId, voiceNoteId, stageStartedAt, stageCompletedAt, durationMs, previousStatus, newStatus,
        errorMessage, errorCode, metadata.sourceChannel, metadata.claimCount, metadata.entityCount,
        metadata.disambiguationCount, metadata.draftCount, metadata.aiCost
    ))), 'Map(UUID, {{ tuple }})') AS events,
    groupUniqArrayIf(toStartOfHour(ts), eventType = 'artifact_completed'
        OR (eventType IN ('transcription_completed', 'claims_extracted', 'entity_resolution_completed',
                          'entity_needs_disambiguation', 'drafts_generated')
            AND durationMs IS NULL AND (stageStartedAt IS NULL OR stageCompletedAt IS NULL))) AS end_hours,
    max(ts) AS last_event,
    max(stored_at) AS last_stored,
    maxIf(stored_at, eventType IN ('artifact_received', 'artifact_completed') OR endsWith(eventType, '_started'))
        AS last_link_stored
FROM {{ database }}.events
WHERE artifactId != '' AND artifactId NOT IN (SELECT artifactId FROM {{ database }}.overgrown_artifacts)
GROUP BY artifactId;

ALTER TABLE {{ database }}.artifact_marks_mv MODIFY QUERY
SELECT
    artifactId,
    min(if(eventType = 'artifact_received', {{ moment("organizationId") }}, '~')) AS receipt,
    min(if(eventType = 'artifact_completed', {{ moment("organizationId") }}, '~')) AS completion,
    arrayDistinct(groupArrayIf(
        CAST((timestamp, toString(eventId), ifNull(stageStartedAt, timestamp), pipelineStage), '{{ start }}'),
        endsWith(eventType, '_started'))) AS starts,
    max(if(metadata.sourceChannel IS NULL, '', {{ moment("assumeNotNull(metadata.sourceChannel)") }})) AS channel,
    arrayDistinct(groupArray(toStartOfHour(ts))) AS hours,
    arrayDistinct(groupArray(toString(organizationId))) AS organizations
FROM {{ database }}.events
WHERE artifactId != '' AND artifactId NOT IN (SELECT artifactId FROM {{ database }}.overgrown_artifacts)
GROUP BY artifactId;

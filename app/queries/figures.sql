-- Sums over buckets of {size_ms} within [{start_ms}, {end_ms}), as a snapshot would have them, of one organisation or
-- of all (''). A bucket without anything has no row. Of an event's copies the first in the log counts.
WITH
('transcription_completed', 'claims_extracted', 'entity_resolution_completed', 'entity_needs_disambiguation',
 'drafts_generated') AS stage_ends,
-- (timestamp, event id, start of the stage, stage) of each stage start of the artifacts that need one.
starts AS (
    SELECT artifactId, groupUniqArrayArray(starts) AS started
    FROM artifact_marks
    WHERE artifactId IN (
        SELECT artifactId
        FROM events
        WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
          AND {{ events_within }}
          AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
          AND artifactId != '' AND eventType IN stage_ends
          AND durationMs IS NULL AND (stageStartedAt IS NULL OR stageCompletedAt IS NULL))
    GROUP BY artifactId
),
found AS (
    SELECT
        eventType, timestamp, artifactId, organizationId, pipelineStage, previousStatus, stageStartedAt, stageCompletedAt, durationMs,
        metadata.aiCost AS cost
    FROM events
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
    ORDER BY log_order DESC
    LIMIT 1 BY eventId
),
-- kind is the event's type, apart from names settled by a person, and end_to_end for an artifact's way.
kinds AS (
    SELECT
        intDiv(timestamp - {start_ms:Int64}, {size_ms:Int64}) AS bucket,
        if(eventType = 'entity_resolution_completed' AND previousStatus = 'needs_disambiguation',
           'names_settled', toString(eventType)) AS kind,
        arrayFilter(start -> start.4 = pipelineStage AND start.1 <= timestamp, started) AS before,
        multiIf(
            kind NOT IN stage_ends, NULL,
            stageStartedAt IS NOT NULL AND stageCompletedAt IS NOT NULL, stageCompletedAt - stageStartedAt,
            durationMs IS NOT NULL, durationMs,
            notEmpty(before), ifNull(stageCompletedAt, timestamp) - arrayMax(before).3,
            NULL) AS duration,
        least(ifNull(cost, 0), 1e38) AS cost,
        toString(organizationId) AS organization
    FROM found AS e
    LEFT JOIN starts ON starts.artifactId = e.artifactId
    UNION ALL
    SELECT intDiv(completed_ms - {start_ms:Int64}, {size_ms:Int64}), 'end_to_end', [], completed_ms - received_ms, 0,
        organization
    FROM (
{{ end_to_end_samples }}
    )
)
SELECT
    {start_ms:Int64} + bucket * {size_ms:Int64} AS periodStart,
    {{ scope }},
    countIf(kind = 'artifact_received') AS artifactsReceived,
    countIf(kind = 'artifact_completed') AS artifactsCompleted,
    countIf(kind = 'artifact_failed') AS artifactsFailed,
    countIf(kind = 'transcription_completed') AS transcriptionSuccesses,
    countIf(kind = 'transcription_failed') AS transcriptionFailures,
    sumIf(length, is_usable AND kind = 'transcription_completed') AS transcriptionLatencySum,
    countIf(is_usable AND kind = 'transcription_completed') AS transcriptionLatencySamples,
    countIf(kind = 'claims_extracted') AS claimsExtractionSuccesses,
    countIf(kind = 'claims_extraction_failed') AS claimsExtractionFailures,
    sumIf(length, is_usable AND kind = 'claims_extracted') AS claimsExtractionLatencySum,
    countIf(is_usable AND kind = 'claims_extracted') AS claimsExtractionLatencySamples,
    countIf(kind IN ('entity_resolution_completed', 'entity_needs_disambiguation')) AS entityResolutionSuccesses,
    countIf(kind = 'entity_resolution_failed') AS entityResolutionFailures,
    sumIf(length, is_usable AND kind IN ('entity_resolution_completed', 'entity_needs_disambiguation')) AS entityResolutionLatencySum,
    countIf(is_usable AND kind IN ('entity_resolution_completed', 'entity_needs_disambiguation')) AS entityResolutionLatencySamples,
    countIf(kind = 'drafts_generated') AS draftGenerationSuccesses,
    countIf(kind = 'draft_generation_failed') AS draftGenerationFailures,
    sumIf(length, is_usable AND kind = 'drafts_generated') AS draftGenerationLatencySum,
    countIf(is_usable AND kind = 'drafts_generated') AS draftGenerationLatencySamples,
    countIf(kind = 'entity_needs_disambiguation') AS entityResolutionsAmbiguous,
    sumIf(length, kind = 'end_to_end') AS endToEndSum,
    countIf(kind = 'end_to_end') AS endToEndSamples,
    quantileExactIf(0.95)(length, kind = 'end_to_end') AS p95EndToEndLatency,
    sum(cost) AS totalAICost{{ times }}
FROM (
    SELECT
        bucket, organization, kind, cost, ifNull(duration, 0) AS length,
        kind = 'end_to_end' OR ifNull(duration BETWEEN 0 AND 172800000, 0) AS is_usable
    FROM kinds
)
GROUP BY {{ groups }}
ORDER BY bucket

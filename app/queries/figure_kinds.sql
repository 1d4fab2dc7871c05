-- What figures sum up in [{start_ms}, {end_ms}), of one organisation or of all (''): a row for each event and for the way of each
-- artifact, with its bucket of {size_ms}. Of an event's copies the first in the log counts.
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
    bucket, organization, kind, cost, ifNull(duration, 0) AS length,
    kind = 'end_to_end' OR ifNull(duration BETWEEN 0 AND 172800000, 0) AS is_usable
FROM kinds

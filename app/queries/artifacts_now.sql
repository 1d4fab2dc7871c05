-- Artifacts with a visible event, by stage: how many are active, and how many names wait for a person.
-- Order of an artifact's events: timestamp, rank of the type, event id. Copies of an event change no maximum.
-- Once completed, only a reset (a retry, a changed status) leads on; once failed, only that, a start or a completion.
WITH
('received', 'transcribing', 'transcribed', 'processing', 'completed', 'failed') AS statuses,
events AS (
    SELECT
        artifactId, organizationId, eventType,
        (timestamp,
         multiIf(eventType = 'artifact_received', 0, eventType IN ('retry_initiated', 'artifact_status_changed'), 1,
                 endsWith(eventType, '_started'), 2, 3),
         toString(eventId)) AS place,
        eventType = 'retry_initiated' OR (eventType = 'artifact_status_changed' AND newStatus IN statuses) AS is_reset,
        multiIf(
            eventType = 'artifact_received', 'received',
            eventType = 'transcription_started', 'transcribing',
            eventType = 'transcription_completed', 'transcribed',
            endsWith(eventType, '_started'), 'processing',
            eventType = 'artifact_completed', 'completed',
            eventType != 'retry_failed' AND endsWith(eventType, '_failed'), 'failed',
            eventType = 'artifact_status_changed' AND newStatus IN statuses, newStatus,
            eventType != 'retry_initiated', '',
            pipelineStage IN ('', 'ingestion'), 'received',
            pipelineStage = 'transcription', 'transcribing',
            pipelineStage = 'claims_extraction', 'transcribed',
            'processing') AS status,
        is_reset OR endsWith(eventType, '_started') OR status = 'failed' AS is_firm,
        multiIf(
            eventType = 'retry_initiated', if(pipelineStage = '', 'ingestion', pipelineStage),
            eventType IN ('artifact_status_changed', 'artifact_completed', 'artifact_failed', 'retry_succeeded', 'retry_failed'), '',
            eventType = 'entity_resolution_completed' AND previousStatus = 'needs_disambiguation', '',
            pipelineStage) AS stage,
        if(eventType = 'entity_needs_disambiguation', ifNull(metadata.disambiguationCount, 1), 0) AS open
    FROM event_copies_at(now_ms = {now_ms:Int64})
    WHERE artifactId != ''
),
artifacts AS (
    SELECT
        argMaxIf(organizationId, place, organizationId != '') AS organization,
        argMaxIf(stage, place, stage != '') AS stage_now,
        argMaxIf(open, place, eventType IN (
            'entity_resolution_completed', 'entity_needs_disambiguation', 'entity_resolution_failed')) AS open_now,
        maxIf(place, is_reset) AS reset,
        maxIf(place, status = 'completed') AS completed,
        multiIf(
            tupleElement(completed, 1) > 0 AND completed >= reset, 'completed',
            argMaxIf(status, place, is_firm) = 'failed', 'failed',
            argMaxIf(status, place, status != '')) AS status_now
    FROM events
    GROUP BY artifactId
)
SELECT
    stage_now,
    countIf(status_now IN ('received', 'transcribing', 'transcribed', 'processing')) AS active,
    toUInt64(sum(open_now)) AS open
FROM artifacts
WHERE {organization_id:String} = '' OR organization = {organization_id:String}
GROUP BY stage_now

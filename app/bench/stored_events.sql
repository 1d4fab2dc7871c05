-- {events} events from number {first} on: ten of each artifact, all within its hour; hours follow each other from {from_ms}
-- on, {per_hour} events each. Every tenth artifact leaves out the stage times, so that its stages are paired.
INSERT INTO events
(
    eventId, eventType, timestamp, artifactId, organizationId, coachUserId, pipelineStage,
    stageStartedAt, stageCompletedAt, durationMs, metadata, source_partition, source_offset, append_time_ms
)
WITH
    number % 10 AS step,
    intDiv(number, 10) AS artifact,
    intDiv(number, {per_hour:UInt64}) AS hour,
    artifact % 10 = 0 AS is_paired,
    step IN (2, 4, 6, 8) AS is_end,
    2000 + artifact % 1777 AS took,
    toInt64({from_ms:Int64} + hour * 3600000
        + intDiv((number % {per_hour:UInt64} - step) * 3500000, {per_hour:UInt64}) + step * took) AS at
SELECT
    reinterpretAsUUID(sipHash128(number, {from_ms:Int64})),
    ['artifact_received', 'transcription_started', 'transcription_completed', 'claims_extraction_started',
     'claims_extracted', 'entity_resolution_started', 'entity_resolution_completed', 'draft_generation_started',
     'drafts_generated', 'artifact_completed'][step + 1],
    at,
    concat('art_', toString(artifact)),
    concat('org_', leftPad(toString(artifact % {organizations:UInt64}), 3, '0')),
    concat('user_', toString(artifact % 1000)),
    ['ingestion', 'transcription', 'transcription', 'claims_extraction', 'claims_extraction', 'entity_resolution',
     'entity_resolution', 'draft_generation', 'draft_generation', ''][step + 1],
    if(is_paired OR NOT is_end, NULL, at - took),
    if(is_paired OR NOT is_end, NULL, at),
    if(is_paired OR NOT is_end, NULL, took),
    (NULL, NULL, NULL, if(step IN (2, 4), 0.5 + artifact % 50 / 100, NULL), if(step = 4, artifact % 7, NULL),
     if(step = 6, 3, NULL), if(step = 8, 2, NULL), NULL, NULL, NULL, if(is_end, 0.0042, NULL), NULL),
    0,
    number,
    at + 100
FROM numbers({first:UInt64}, {events:UInt64})

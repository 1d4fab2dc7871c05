-- Events of {artifacts} artifacts from number {first} of {total} on, received between {from_ms} and {from_ms} + {span_ms}, by day
-- more than by night, none of them later than {until_ms}. Most run through all stages, some fail, are tried again or stop.
-- {is_short} leaves only what typed notes have. {repeat}: once more what a publisher sent twice, every hundredth artifact.
INSERT INTO events
(
    eventId, eventType, timestamp, artifactId, voiceNoteId, organizationId, coachUserId, pipelineStage,
    stageStartedAt, stageCompletedAt, previousStatus, newStatus, errorMessage, errorCode, metadata,
    source_partition, source_offset, append_time_ms, stored_at
)
WITH
    (number + 0.5) / {total:UInt64} AS share,
    toInt64({from_ms:Int64} + {span_ms:Int64} * (share + 0.05 * sin(4 * pi() * share))) AS received,
    sipHash64(number, {from_ms:Int64}) AS chance,
    chance % 1000 AS luck,
    0.5 + intDiv(chance, 1000) % 1000 / 500 AS pace,
    ['artifact_received', 'artifact_status_changed', 'transcription_started', 'transcription_completed',
     'artifact_status_changed', 'claims_extraction_started', 'artifact_status_changed', 'claims_extracted',
     'entity_resolution_started', if(chance % 7 = 0, 'entity_needs_disambiguation', 'entity_resolution_completed'),
     'draft_generation_started', 'drafts_generated', 'artifact_completed'] AS whole,
    arrayMap((type, step) -> (type, [0, 20, 1500, 9000, 9020, 10500, 10520, 19000, 20500, 24000, 25500, 33000, 33020][step]),
        whole, arrayEnumerate(whole)) AS good,
    [('transcription_failed', 8000), ('artifact_failed', 8020)] AS bad_transcription,
    arrayMap(one -> (one.1, one.2 + 60000), arraySlice(good, 3)) AS again,
    arrayConcat(
        multiIf(
            {is_short:Bool}, arrayFilter(one -> one.1 IN ('artifact_received', 'transcription_completed', 'claims_extracted',
                                                          'drafts_generated', 'artifact_completed'), good),
            luck < 30, arrayConcat(arraySlice(good, 1, 3), bad_transcription),
            luck < 50, arrayConcat(arraySlice(good, 1, 7), [('claims_extraction_failed', 15000), ('artifact_failed', 15020)]),
            luck < 60, arrayConcat(arraySlice(good, 1, 3), bad_transcription, [('retry_initiated', 60000)], again,
                                   [('retry_succeeded', 93030)]),
            luck < 63, arraySlice(good, 1, 3 + chance % 8),
            good),
        if(luck >= 300 AND luck < 500 AND NOT {is_short:Bool}, [('draft_confirmed', 240000), ('draft_rejected', 300000)], [])
    ) AS steps
SELECT
    reinterpretAsUUID(sipHash128(number, place, {from_ms:Int64})),
    type,
    at,
    lower(hex(sipHash128(number, {from_ms:Int64}))),
    '',
    concat('org_', leftPad(toString(toUInt32({organizations:UInt64} * pow(intDiv(chance, 7) % 10000 / 10000, 2))), 3, '0')),
    concat('user_', toString(chance % 1000)),
    multiIf(
        type = 'artifact_received', 'ingestion',
        type LIKE 'transcription_%' OR type LIKE 'retry_%', 'transcription',
        type LIKE 'claims_%', 'claims_extraction',
        type LIKE 'entity_%', 'entity_resolution',
        type LIKE 'draft_generation_%' OR type = 'drafts_generated', 'draft_generation',
        type IN ('draft_confirmed', 'draft_rejected'), 'confirmation',
        ''),
    if(is_timed, at - took, NULL),
    if(is_timed, at, NULL),
    '',
    multiIf(type != 'artifact_status_changed', '', place = 2, 'transcribing', place = 5, 'transcribed', 'processing'),
    if(is_failure, concat('model answered ', toString(400 + chance % 20)), ''),
    if(is_failure, 'MODEL_ERROR', ''),
    (
        if(type = 'artifact_received', ['whatsapp_audio', 'whatsapp_text', 'app_recorded', 'app_typed', 'voicemail'][1 + chance % 5], NULL),
        if(type = 'transcription_completed', 20 + chance % 100, NULL),
        if(type = 'transcription_completed', 50 + chance % 200, NULL),
        if(type IN ('transcription_completed', 'claims_extracted', 'drafts_generated'), 0.4 + chance % 600 / 1000, NULL),
        if(type = 'claims_extracted', 1 + chance % 6, NULL),
        if(type LIKE 'entity_%' AND is_end, 3, NULL),
        if(type = 'drafts_generated', 2, NULL),
        if(type LIKE 'entity_%' AND is_end, 2, NULL),
        if(type LIKE 'entity_%' AND is_end, toUInt32(type = 'entity_needs_disambiguation'), NULL),
        NULL,
        if(is_end, 0.001 + chance % 90 / 10000, NULL),
        if(type LIKE 'retry_%', 1, NULL)
    ),
    number % 4,
    number * 20 + place + if({repeat:Bool}, 4000000000, 0),
    at + 150 + if({repeat:Bool}, 5000, 0) AS appended,
    fromUnixTimestamp64Milli(appended + 850, 'UTC')
FROM (
    SELECT
        number, chance, place, step.1 AS type, received + toInt64(step.2 * pace) AS at, toInt64(pace * 4000) AS took,
        type LIKE '%_failed' AS is_failure,
        type IN ('transcription_completed', 'claims_extracted', 'entity_needs_disambiguation', 'entity_resolution_completed',
                 'drafts_generated') AS is_end,
        is_end AND chance % 10 != 0 AS is_timed
    FROM numbers({first:UInt64}, {artifacts:UInt64})
    ARRAY JOIN steps AS step, arrayEnumerate(steps) AS place
    WHERE number % 100 = 0 OR NOT {repeat:Bool}
)
WHERE at <= {until_ms:Int64}

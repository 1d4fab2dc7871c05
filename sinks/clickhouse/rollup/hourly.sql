{%- set stages = {
    "transcription": ("transcription_completed",),
    "claimsExtraction": ("claims_extracted",),
    "entityResolution": ("entity_resolution_completed", "entity_needs_disambiguation"),
    "draftGeneration": ("drafts_generated",)} -%}
{%- set failures = {
    "transcription": "transcription_failed",
    "claimsExtraction": "claims_extraction_failed",
    "entityResolution": "entity_resolution_failed",
    "draftGeneration": "draft_generation_failed"} -%}
{%- macro any_of(kinds) -%}
kind IN ({% for kind in kinds %}'{{ kind }}'{{ ", " if not loop.last }}{% endfor %})
{%- endmacro -%}
{%- macro ends_stage(type) -%}
{{ type }} IN ('transcription_completed', 'claims_extracted', 'entity_resolution_completed',
                   'entity_needs_disambiguation', 'drafts_generated')
{%- endmacro -%}
{%- set in_wanted_hours -%}
ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
          AND toStartOfHour(ts) IN (SELECT hour FROM wanted)
{%- endset -%}
-- Snapshots of the hours in {hours}: epoch seconds, all within [{from_ms}, {to_ms}).
-- {stored_ms} says, in the same order, up to which stored_at each hour's rows are taken into account.
INSERT INTO snapshots_hourly
(
    periodStart, scope, organizationId, events, artifactsReceived, artifactsCompleted, artifactsFailed,
{%- for stage in stages %}
    {{ stage }}Successes, {{ stage }}Failures, {{ stage }}LatencySum, {{ stage }}LatencySamples, {{ stage }}LatencyQuantiles,
{%- endfor %}
    entityResolutionsAmbiguous, endToEndSum, endToEndSamples, endToEndQuantiles,
    transcriptConfidenceSum, transcriptConfidenceSamples, claimConfidenceSum, claimConfidenceSamples,
    totalClaimsExtracted, totalEntitiesResolved, totalDraftsGenerated, totalAICost, draftsConfirmed, draftsRejected,
    input_max_stored, computed_at
)
WITH
wanted AS (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC') AS hour),
-- (timestamp, event id as text, start of the stage, stage) of each stage start of the artifacts that need one.
starts AS (
    SELECT
        artifactId,
        minMap(events) AS history,
        arrayFilter((start, event) -> endsWith(event.eventType, '_started'), arrayMap(
            (id, event) -> (event.timestamp, toString(id), ifNull(event.stageStartedAt, event.timestamp), event.pipelineStage),
            mapKeys(history), mapValues(history)), mapValues(history)) AS started
    FROM artifact_state
    WHERE artifactId IN (
        SELECT artifactId
        FROM events
        WHERE {{ in_wanted_hours }} AND artifactId != '' AND {{ ends_stage("eventType") }}
          AND durationMs IS NULL AND (stageStartedAt IS NULL OR stageCompletedAt IS NULL))
    GROUP BY artifactId
),
-- (timestamp, event id as text, organisation) of the earliest receipt and of the earliest completion.
links AS (
    SELECT
        minMap(events) AS history,
        arrayMap((id, event) -> (event.timestamp, toString(id), event.organizationId), mapKeys(history), mapValues(history))
            AS all_links,
        arrayFilter((link, event) -> event.eventType = 'artifact_received', all_links, mapValues(history)) AS receipts,
        arrayFilter((link, event) -> event.eventType = 'artifact_completed', all_links, mapValues(history)) AS completions,
        arrayMin(receipts) AS receipt,
        arrayMin(completions) AS completion
    FROM artifact_state
    WHERE artifactId IN (
        SELECT artifactId
        FROM events
        WHERE {{ in_wanted_hours }} AND artifactId != '' AND eventType = 'artifact_completed')
    GROUP BY artifactId
    HAVING notEmpty(receipts) AND notEmpty(completions)
),
-- The copy first in the log of each event; kind is its type, apart from names settled by a person.
accepted AS (
    SELECT
        toStartOfHour(ts) AS hour,
        organizationId,
        if(eventType = 'entity_resolution_completed' AND previousStatus = 'needs_disambiguation',
           'names_settled', toString(eventType)) AS kind,
        arrayFilter(start -> start.4 = pipelineStage AND start.1 <= timestamp, started) AS before,
        multiIf(
            stageStartedAt IS NOT NULL AND stageCompletedAt IS NOT NULL, stageCompletedAt - stageStartedAt,
            durationMs IS NOT NULL, durationMs,
            notEmpty(before), ifNull(stageCompletedAt, timestamp) - arrayMax(before).3,
            NULL) AS duration,
        metadata.confidenceScore AS confidence,
        toUInt64(ifNull(multiIf(
            kind = 'claims_extracted', metadata.claimCount,
            kind IN ('entity_resolution_completed', 'names_settled'), metadata.entityCount,
            kind = 'entity_needs_disambiguation', metadata.autoResolvedCount,
            kind = 'drafts_generated', metadata.draftCount,
            NULL), 0)) AS items,
        metadata.aiCost AS cost
    FROM (SELECT *, ts FROM events FINAL WHERE {{ in_wanted_hours }}) AS e
    LEFT JOIN starts ON starts.artifactId = e.artifactId AND {{ ends_stage("e.eventType") }}
),
-- One row per event, one per end-to-end sample, and one per hour, so that an hour without events gets its zeros.
contributions AS (
    SELECT hour, organizationId, kind, duration, confidence, items, cost, NULL AS end_to_end
    FROM accepted
    UNION ALL
    SELECT
        toStartOfHour(fromUnixTimestamp64Milli(completion.1, 'UTC')) AS hour,
        if(completion.3 = '', receipt.3, completion.3),
        'end_to_end', NULL, NULL, 0, NULL, completion.1 - receipt.1
    FROM links
    WHERE completion.1 >= receipt.1 AND hour IN (SELECT hour FROM wanted)
    UNION ALL
    SELECT hour, '', '', NULL, NULL, 0, NULL, NULL
    FROM wanted
)
SELECT
    hour,
    if(grouping(organizationId) = 0, 'org', 'platform') AS row_scope,
    organizationId,
    countIf(kind NOT IN ('', 'end_to_end')),
    countIf(kind = 'artifact_received'),
    countIf(kind = 'artifact_completed'),
    countIf(kind = 'artifact_failed'),
{%- for stage, kinds in stages.items() %}
    countIf({{ any_of(kinds) }}),
    countIf(kind = '{{ failures[stage] }}'),
    sumIf(assumeNotNull(duration), {{ any_of(kinds) }} AND is_usable),
    countIf({{ any_of(kinds) }} AND is_usable),
    quantileExactStateIf(0.95)(assumeNotNull(duration), {{ any_of(kinds) }} AND is_usable),
{%- endfor %}
    countIf(kind = 'entity_needs_disambiguation'),
    sumIf(assumeNotNull(end_to_end), kind = 'end_to_end'),
    countIf(kind = 'end_to_end'),
    quantileExactStateIf(0.95)(assumeNotNull(end_to_end), kind = 'end_to_end'),
{%- for kind in ["transcription_completed", "claims_extracted"] %}
    sumIf(toDecimal128(toString(assumeNotNull(confidence)), 24), kind = '{{ kind }}' AND confidence IS NOT NULL),
    countIf(kind = '{{ kind }}' AND confidence IS NOT NULL),
{%- endfor %}
    sumIf(items, kind = 'claims_extracted'),
    sumIf(items, {{ any_of(["entity_resolution_completed", "names_settled", "entity_needs_disambiguation"]) }}),
    sumIf(items, kind = 'drafts_generated'),
    -- Through text, as a cast of the double may be off in the last digit; the bound keeps the sum within the decimal.
    sum(toDecimal256(toString(least(ifNull(cost, 0), 1e38)), 24)),
    countIf(kind = 'draft_confirmed'),
    countIf(kind = 'draft_rejected'),
    fromUnixTimestamp64Milli(transform(toUnixTimestamp(hour), {hours:Array(UInt32)}, {stored_ms:Array(Int64)}, toInt64(0)), 'UTC'),
    now64(3, 'UTC')
FROM (
    SELECT *, ifNull(duration BETWEEN 0 AND {{ longest_duration_ms }}, 0) AS is_usable
    FROM contributions
)
GROUP BY GROUPING SETS ((hour, organizationId), (hour))
HAVING row_scope = 'platform' OR organizationId != ''

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
-- (timestamp, event id, start of the stage, stage) of each stage start of the artifacts that need one.
starts AS (
    SELECT artifactId, groupUniqArrayArray(starts) AS started
    FROM artifact_marks
    WHERE artifactId IN (
        SELECT artifactId
        FROM events
        WHERE {{ in_wanted_hours }} AND artifactId != '' AND {{ ends_stage("eventType") }}
          AND durationMs IS NULL AND (stageStartedAt IS NULL OR stageCompletedAt IS NULL))
    GROUP BY artifactId
),
-- Artifacts whose earliest completion lies in one of the hours. Receipts and completions sort by time.
links AS (
    SELECT
        toInt64(substring(min(receipt) AS received, 1, 20)) AS received_ms,
        toInt64(substring(min(completion) AS completed, 1, 20)) AS completed_ms,
        toStartOfHour(fromUnixTimestamp64Milli(completed_ms, 'UTC')) AS hour,
        substring(if(length(completed) > 56, completed, received), 57) AS organizationId
    FROM artifact_marks
    WHERE artifactId IN (
        SELECT artifactId
        FROM artifact_marks
        WHERE completion >= leftPad(toString({from_ms:Int64}), 20, '0')
          AND completion < leftPad(toString({to_ms:Int64}), 20, '0'))
    GROUP BY artifactId
    HAVING received != '~' AND completed_ms >= received_ms AND hour IN (SELECT hour FROM wanted)
),
-- The copy first in the log of each event; kind is its type, apart from names settled by a person.
accepted AS (
    SELECT
        toStartOfHour(ts) AS hour,
        organizationId,
        if(eventType = 'entity_resolution_completed' AND previousStatus = 'needs_disambiguation',
           'names_settled', eventType) AS kind,
        arrayFilter(start -> start.4 = pipelineStage AND start.1 <= timestamp, started) AS before,
        multiIf(
            stageStartedAt IS NOT NULL AND stageCompletedAt IS NOT NULL, stageCompletedAt - stageStartedAt,
            durationMs IS NOT NULL, durationMs,
            notEmpty(before), ifNull(stageCompletedAt, timestamp) - arrayMax(before).3,
            NULL) AS duration,
        metadata.confidenceScore AS confidence,
        toUInt64(ifNull(multiIf(
            eventType = 'claims_extracted', metadata.claimCount,
            eventType = 'entity_resolution_completed', metadata.entityCount,
            eventType = 'entity_needs_disambiguation', metadata.autoResolvedCount,
            eventType = 'drafts_generated', metadata.draftCount,
            NULL), 0)) AS items,
        metadata.aiCost AS cost
    FROM (SELECT *, ts FROM events FINAL WHERE {{ in_wanted_hours }}) AS e
    LEFT JOIN starts ON starts.artifactId = e.artifactId AND {{ ends_stage("e.eventType") }}
),
-- Sums of each kind of event, end-to-end samples being a kind of their own, and one row per hour, so that an hour
-- without events gets its zeros. A million events become some thousand rows before anything else is worked out.
-- Decimals go through text, as a cast of the double may be off in the last digit; the bound keeps a cost within them.
kinds AS (
    SELECT
        hour,
        organizationId,
        toString(kind) AS kind,
        count() AS number,
        sum(if(is_usable, assumeNotNull(duration), 0)) AS length,
        countIf(is_usable) AS lengths,
        quantileExactStateIf(0.95)(assumeNotNull(duration), is_usable) AS quantiles,
        sum(if(confidence IS NULL, toDecimal128(0, 24), toDecimal128(toString(assumeNotNull(confidence)), 24))) AS confidence,
        count(accepted.confidence) AS confidences,
        sum(items) AS items,
        sum(if(ifNull(cost, 0) = 0, toDecimal256(0, 24), toDecimal256(toString(least(assumeNotNull(cost), 1e38)), 24))) AS cost
    FROM (SELECT *, ifNull(duration BETWEEN 0 AND {{ longest_duration_ms }}, 0) AS is_usable FROM accepted) AS accepted
    GROUP BY hour, organizationId, kind
    UNION ALL
    SELECT
        hour,
        organizationId,
        'end_to_end',
        count(),
        sum(completed_ms - received_ms),
        0,
        quantileExactStateIf(0.95)(completed_ms - received_ms, 1),
        toDecimal128(0, 24), 0, 0, toDecimal256(0, 24)
    FROM links
    GROUP BY hour, organizationId
    UNION ALL
    SELECT hour, '', '', 0, 0, 0, quantileExactStateIf(0.95)(toInt64(0), 0), toDecimal128(0, 24), 0, 0, toDecimal256(0, 24)
    FROM wanted
    GROUP BY hour
)
SELECT
    hour,
    if(grouping(organizationId) = 0, 'org', 'platform') AS row_scope,
    organizationId,
    sumIf(number, kind != 'end_to_end'),
    sumIf(number, kind = 'artifact_received'),
    sumIf(number, kind = 'artifact_completed'),
    sumIf(number, kind = 'artifact_failed'),
{%- for stage, kinds in stages.items() %}
    sumIf(number, {{ any_of(kinds) }}),
    sumIf(number, kind = '{{ failures[stage] }}'),
    sumIf(length, {{ any_of(kinds) }}),
    sumIf(lengths, {{ any_of(kinds) }}),
    quantileExactMergeStateIf(0.95)(quantiles, {{ any_of(kinds) }}),
{%- endfor %}
    sumIf(number, kind = 'entity_needs_disambiguation'),
    sumIf(length, kind = 'end_to_end'),
    sumIf(number, kind = 'end_to_end'),
    quantileExactMergeStateIf(0.95)(quantiles, kind = 'end_to_end'),
{%- for kind in ["transcription_completed", "claims_extracted"] %}
    sumIf(confidence, kind = '{{ kind }}'),
    sumIf(confidences, kind = '{{ kind }}'),
{%- endfor %}
    sumIf(items, kind = 'claims_extracted'),
    sumIf(items, {{ any_of(["entity_resolution_completed", "names_settled", "entity_needs_disambiguation"]) }}),
    sumIf(items, kind = 'drafts_generated'),
    sum(cost),
    sumIf(number, kind = 'draft_confirmed'),
    sumIf(number, kind = 'draft_rejected'),
    fromUnixTimestamp64Milli(transform(toUnixTimestamp(hour), {hours:Array(UInt32)}, {stored_ms:Array(Int64)}, toInt64(0)), 'UTC'),
    now64(3, 'UTC')
FROM kinds
GROUP BY GROUPING SETS ((hour, organizationId), (hour))
HAVING row_scope = 'platform' OR organizationId != ''
-- The platform's rows last: a period without one is missing, so a statement that ends half way leaves none without the
-- rows of its organisations.
ORDER BY row_scope

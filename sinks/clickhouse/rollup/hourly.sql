{%- set in_wanted_hours -%}
ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
          AND toStartOfHour(ts) IN (SELECT hour FROM wanted)
{%- endset -%}
-- Snapshots of the hours in {hours}: epoch seconds, all within [{from_ms}, {to_ms}).
-- {stored_ms} says, in the same order, up to which stored_at each hour's rows are taken into account.
INSERT INTO snapshots_hourly
(
    periodStart, scope, organizationId, events, {{ counts | join(", ") }},
{%- for name in lengths %}
    {{ name }}Sum, {{ name }}Samples, {{ name }}Quantiles,
{%- endfor %}
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
        WHERE {{ in_wanted_hours }} AND {{ is_unpaired }})
    GROUP BY artifactId
),
-- Artifacts whose earliest completion lies in one of the hours. Receipts and completions sort by time.
links AS (
    SELECT
        {{ way }},
        toStartOfHour(fromUnixTimestamp64Milli(completed_ms, 'UTC')) AS hour
    FROM artifact_marks
    WHERE artifactId IN (
        SELECT artifactId
        FROM artifact_marks
        WHERE completion >= leftPad(toString({from_ms:Int64}), 20, '0')
          AND completion < leftPad(toString({to_ms:Int64}), 20, '0'))
    GROUP BY artifactId
    HAVING {{ has_way }} AND hour IN (SELECT hour FROM wanted)
),
-- The copy first in the log of each event.
accepted AS (
    SELECT
        toStartOfHour(ts) AS hour,
        organizationId,
        {{ kind }} AS kind,
        {{ starts_before }} AS before,
        {{ duration }} AS duration,
        {{ is_length }} AS is_usable,
        metadata.confidenceScore AS confidence,
        toUInt64(ifNull(multiIf(
            eventType = 'claims_extracted', metadata.claimCount,
            eventType = 'entity_resolution_completed', metadata.entityCount,
            eventType = 'entity_needs_disambiguation', metadata.autoResolvedCount,
            eventType = 'drafts_generated', metadata.draftCount,
            NULL), 0)) AS items,
        {{ cost }} AS cost
    FROM (SELECT *, ts FROM events FINAL WHERE {{ in_wanted_hours }}) AS e
    LEFT JOIN starts ON starts.artifactId = e.artifactId AND e.eventType IN {{ stage_ends }}
),
-- Sums of each kind of event, end-to-end samples being a kind of their own, and one row per hour, so that an hour
-- without events gets its zeros. A million events become some thousand rows before anything else is worked out.
-- Decimals go through text, as a cast of the double may be off in the last digit.
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
        sum(if(cost = 0, toDecimal256(0, 24), toDecimal256(toString(accepted.cost), 24))) AS cost
    FROM accepted
    GROUP BY hour, organizationId, kind
    UNION ALL
    SELECT
        hour,
        organization,
        'end_to_end',
        count(),
        sum(completed_ms - received_ms),
        count(),
        quantileExactStateIf(0.95)(completed_ms - received_ms, 1),
        toDecimal128(0, 24), 0, 0, toDecimal256(0, 24)
    FROM links
    GROUP BY hour, organization
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
{%- for figure in counts %}
    sumIf(number, kind IN {{ kinds_of(figure) }}),
{%- endfor %}
{%- for name in lengths %}
    sumIf(length, kind IN {{ kinds_of(name) }}),
    sumIf(lengths, kind IN {{ kinds_of(name) }}),
    quantileExactMergeStateIf(0.95)(quantiles, kind IN {{ kinds_of(name) }}),
{%- endfor %}
{%- for type in ["transcription_completed", "claims_extracted"] %}
    sumIf(confidence, kind = '{{ type }}'),
    sumIf(confidences, kind = '{{ type }}'),
{%- endfor %}
    sumIf(items, kind = 'claims_extracted'),
    sumIf(items, kind IN ('entity_resolution_completed', 'names_settled', 'entity_needs_disambiguation')),
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

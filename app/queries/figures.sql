-- Sums over buckets of {size_ms} within [{start_ms}, {end_ms}), as a snapshot would have them, and every single length. A bucket
-- without anything has no row.
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
    sum(cost) AS totalAICost,
    groupArrayIf(toUInt32(length), is_usable AND kind = 'transcription_completed') AS transcriptionTimes,
    groupArrayIf(toUInt32(length), is_usable AND kind = 'claims_extracted') AS claimsExtractionTimes,
    groupArrayIf(toUInt32(length), is_usable AND kind IN ('entity_resolution_completed', 'entity_needs_disambiguation')) AS entityResolutionTimes,
    groupArrayIf(toUInt32(length), is_usable AND kind = 'drafts_generated') AS draftGenerationTimes,
    groupArrayIf(length, kind = 'end_to_end') AS endToEndTimes
FROM (
{{ figure_kinds }}
)
GROUP BY {{ groups }}
ORDER BY bucket

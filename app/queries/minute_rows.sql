-- Keeps the figures of the minutes in {minutes} (epoch seconds, all within [{start_ms}, {end_ms})) for later questions.
-- {stored_ms} says, in the same order, up to which stored_at each minute's rows are taken into account.
INSERT INTO minute_figures
(
    minute, scope, organizationId,
    artifactsReceived, artifactsCompleted, artifactsFailed, transcriptionSuccesses, transcriptionFailures,
    transcriptionLatencySum, transcriptionLatencySamples, claimsExtractionSuccesses, claimsExtractionFailures,
    claimsExtractionLatencySum, claimsExtractionLatencySamples, entityResolutionSuccesses, entityResolutionFailures,
    entityResolutionLatencySum, entityResolutionLatencySamples, draftGenerationSuccesses, draftGenerationFailures,
    draftGenerationLatencySum, draftGenerationLatencySamples, entityResolutionsAmbiguous, endToEndSum,
    endToEndSamples, p95EndToEndLatency, totalAICost,
    confidences, channels, transcriptionTimes, claimsExtractionTimes, entityResolutionTimes, draftGenerationTimes,
    endToEndTimes, costs, has_times, input_max_stored, computed_at
)
SELECT
    fromUnixTimestamp64Milli(f.periodStart, 'UTC') AS minute, if(f.is_platform, 'platform', 'org'), f.organization,
    f.artifactsReceived, f.artifactsCompleted, f.artifactsFailed, f.transcriptionSuccesses, f.transcriptionFailures,
    f.transcriptionLatencySum, f.transcriptionLatencySamples, f.claimsExtractionSuccesses,
    f.claimsExtractionFailures, f.claimsExtractionLatencySum, f.claimsExtractionLatencySamples,
    f.entityResolutionSuccesses, f.entityResolutionFailures, f.entityResolutionLatencySum,
    f.entityResolutionLatencySamples, f.draftGenerationSuccesses, f.draftGenerationFailures,
    f.draftGenerationLatencySum, f.draftGenerationLatencySamples, f.entityResolutionsAmbiguous, f.endToEndSum,
    f.endToEndSamples, f.p95EndToEndLatency, f.totalAICost,
    known_confidences.found, known_channels.found, f.transcriptionTimes, f.claimsExtractionTimes, f.entityResolutionTimes,
    f.draftGenerationTimes, f.endToEndTimes, known_costs.found, true,
    fromUnixTimestamp64Milli(
        transform(toUnixTimestamp(minute), {minutes:Array(UInt32)}, {stored_ms:Array(Int64)}, toInt64(0)), 'UTC'),
    now64(3, 'UTC')
FROM (
{{ figures }}
) AS f
{{ lists }}
WHERE toUnixTimestamp(minute) IN {minutes:Array(UInt32)}
  AND (f.is_platform OR f.organization != '')

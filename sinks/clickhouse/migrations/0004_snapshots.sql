-- One row per closed period and scope: sums, sample counts and quantile states, never averages, so that a day is
-- the exact sum of its hours. Costs and confidences are decimals: their sums do not depend on the order of rows.
-- input_max_stored: the latest stored_at that the row takes into account.
{%- for table, partition, ttl in [
    ("snapshots_hourly", "toDate(periodStart)", ttl_hours.snapshots_hourly),
    ("snapshots_daily", "toYYYYMM(periodStart)", ttl_hours.snapshots_daily)] %}
CREATE TABLE IF NOT EXISTS {{ database }}.{{ table }}
(
    periodStart DateTime('UTC'),
    scope Enum8('platform' = 0, 'org' = 1),
    organizationId LowCardinality(String),
    events UInt64,
    artifactsReceived UInt64,
    artifactsCompleted UInt64,
    artifactsFailed UInt64,
{%- for stage in ["transcription", "claimsExtraction", "entityResolution", "draftGeneration"] %}
    {{ stage }}Successes UInt64,
    {{ stage }}Failures UInt64,
    {{ stage }}LatencySum Int64,
    {{ stage }}LatencySamples UInt64,
    {{ stage }}LatencyQuantiles AggregateFunction(quantileExact(0.95), Int64),
{%- endfor %}
    entityResolutionsAmbiguous UInt64,
    endToEndSum Int64,
    endToEndSamples UInt64,
    endToEndQuantiles AggregateFunction(quantileExact(0.95), Int64),
    transcriptConfidenceSum Decimal(38, 24),
    transcriptConfidenceSamples UInt64,
    claimConfidenceSum Decimal(38, 24),
    claimConfidenceSamples UInt64,
    totalClaimsExtracted UInt64,
    totalEntitiesResolved UInt64,
    totalDraftsGenerated UInt64,
    totalAICost Decimal(76, 24),
    draftsConfirmed UInt64,
    draftsRejected UInt64,
    input_max_stored DateTime64(3, 'UTC'),
    computed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY {{ partition }}
ORDER BY (periodStart, scope, organizationId)
TTL greatest(toDateTime64(toStartOfDay(periodStart), 3, 'UTC') + INTERVAL 1 DAY, computed_at) + INTERVAL {{ ttl }} HOUR
SETTINGS merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;
{% endfor %}

-- When each minute last got rows. A maximum: repeated rows change nothing.
CREATE TABLE IF NOT EXISTS {{ database }}.minute_activity
(
    minute DateTime('UTC'),
    last_stored SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY minute
TTL greatest(toDateTime64(minute, 3, 'UTC'), last_stored) + INTERVAL {{ ttl_hours.minute_activity }} HOUR
SETTINGS merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.minute_activity_mv TO {{ database }}.minute_activity AS
SELECT toStartOfMinute(ts) AS minute, max(stored_at) AS last_stored
FROM {{ database }}.events
GROUP BY minute;

INSERT INTO {{ database }}.minute_activity
SELECT toStartOfMinute(ts) AS minute, max(stored_at) AS last_stored
FROM {{ database }}.events
GROUP BY minute;

-- Artifacts that got an event some time after it had happened: it may change figures of minutes that hold others of their
-- events, through the end to end time, the duration of a stage or the channel.
CREATE TABLE IF NOT EXISTS {{ database }}.late_artifacts
(
    stored_at DateTime64(3, 'UTC'),
    artifactId String
)
ENGINE = ReplacingMergeTree
ORDER BY (stored_at, artifactId)
TTL toDateTime(stored_at) + INTERVAL 1 DAY
SETTINGS merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.late_artifacts_mv TO {{ database }}.late_artifacts AS
SELECT max(e.stored_at) AS stored_at, artifactId
FROM {{ database }}.events AS e
WHERE artifactId != '' AND e.stored_at > ts + INTERVAL 10 SECOND
GROUP BY artifactId;

-- Figures of single minutes, of the whole platform and of each organisation with something in it: sums and counts, arrays by tenths of the confidence and by channel.
-- input_max_stored: the latest stored_at that the row takes into account.
CREATE TABLE IF NOT EXISTS {{ database }}.minute_figures
(
    minute DateTime('UTC'),
    scope Enum8('platform' = 0, 'org' = 1),
    organizationId LowCardinality(String),
    artifactsReceived UInt64,
    artifactsCompleted UInt64,
    artifactsFailed UInt64,
{%- for stage in ["transcription", "claimsExtraction", "entityResolution", "draftGeneration"] %}
    {{ stage }}Successes UInt64,
    {{ stage }}Failures UInt64,
    {{ stage }}LatencySum Int64,
    {{ stage }}LatencySamples UInt64,
{%- endfor %}
    entityResolutionsAmbiguous UInt64,
    endToEndSum Int64,
    endToEndSamples UInt64,
    p95EndToEndLatency Int64,
    totalAICost Float64,
    confidences Array(Tuple(bin Int64, transcription UInt64, claims UInt64)),
    channels Array(Tuple(channel String, received UInt64, completed UInt64, failed UInt64)),
    input_max_stored DateTime64(3, 'UTC'),
    computed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toDate(minute)
ORDER BY (scope, organizationId, minute)
TTL greatest(toDateTime64(minute, 3, 'UTC'), computed_at) + INTERVAL {{ ttl_hours.minute_figures }} HOUR
SETTINGS index_granularity = 256, merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;

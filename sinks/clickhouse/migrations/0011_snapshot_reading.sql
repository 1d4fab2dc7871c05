-- Readers need not open the quantile states, which hold every sample.
{%- for table in ["snapshots_hourly", "snapshots_daily"] %}
ALTER TABLE {{ database }}.{{ table }} ADD COLUMN IF NOT EXISTS p95EndToEnd Int64 MATERIALIZED finalizeAggregation(endToEndQuantiles);
{% endfor %}
-- Up to which time a run of the roll-up found the log stored in full: periods that ended before it are complete.
CREATE TABLE IF NOT EXISTS {{ database }}.rollup_progress
(
    closed_until DateTime('UTC'),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY closed_until
SETTINGS non_replicated_deduplication_window = 10000;

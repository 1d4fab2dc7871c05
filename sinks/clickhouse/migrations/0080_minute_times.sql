-- What boards need of a minute beyond its sums: the duration of every stage that ended well within it, the way of every artifact
-- that was completed within it, and what was paid to which model in which stage. `has_times` is false in rows that were worked
-- out before these columns existed; workers work such minutes out again.
{%- for stage in ["transcription", "claimsExtraction", "entityResolution", "draftGeneration"] %}
ALTER TABLE {{ database }}.minute_figures ADD COLUMN IF NOT EXISTS {{ stage }}Times Array(UInt32) CODEC(ZSTD(1));
{% endfor %}
ALTER TABLE {{ database }}.minute_figures ADD COLUMN IF NOT EXISTS endToEndTimes Array(Int64) CODEC(ZSTD(1));

ALTER TABLE {{ database }}.minute_figures ADD COLUMN IF NOT EXISTS costs Array(Tuple(stage LowCardinality(String), model LowCardinality(String), cost Float64));

ALTER TABLE {{ database }}.minute_figures ADD COLUMN IF NOT EXISTS has_times Bool;

-- Copies of events that are being removed, because another partition brought the event before: found in the log's order, and
-- deleted from here when nothing can be left of them. So a worker that dies in between leaves the rest to the next one.
CREATE TABLE IF NOT EXISTS {{ database }}.later_copies
(
    source_partition UInt32,
    source_offset UInt64,
    append_time_ms Int64,
    eventId UUID,
    timestamp Int64,
    eventType LowCardinality(String),
    organizationId String,
    artifactId String,
    found DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(found)
ORDER BY (source_partition, source_offset)
SETTINGS non_replicated_deduplication_window = 10000;

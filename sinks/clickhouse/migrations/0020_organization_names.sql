-- Names of organisations, followed from the topic voice-organizations; a tombstone there deletes the name.
-- Offsets compare because all records of a key are in one partition.
CREATE TABLE IF NOT EXISTS {{ database }}.organization_names
(
    organizationId String,
    name String,
    source_offset UInt64,
    is_deleted UInt8
)
ENGINE = ReplacingMergeTree(source_offset, is_deleted)
ORDER BY organizationId

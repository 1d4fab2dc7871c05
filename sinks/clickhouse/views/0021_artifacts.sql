-- Artifacts that are under way, and those whose last event is no older than the retention. Superseded rows are still
-- in it: readers take those with the artifact's greatest version.
CREATE OR REPLACE VIEW {{ database }}.artifacts_at AS
SELECT *
FROM {{ database }}.artifacts
WHERE status IN ('received', 'transcribing', 'transcribed', 'processing')
   OR updatedAt >= {now_ms:Int64} - {{ visible_hours.artifacts }} * 3600000;

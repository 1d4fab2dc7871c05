{%- macro shown() -%}
status IN ('received', 'transcribing', 'transcribed', 'processing')
   OR updatedAt >= {now_ms:Int64} - {{ visible_hours.artifacts }} * 3600000
{%- endmacro -%}
-- Artifacts that are under way, and those whose last event is no older than the retention. Superseded rows are still
-- in it: readers take those with the artifact's greatest version.
CREATE OR REPLACE VIEW {{ database }}.artifacts_at AS
SELECT *
FROM {{ database }}.artifact_rows
WHERE {{ shown() }};

-- The one artifact with an id.
CREATE OR REPLACE VIEW {{ database }}.artifact_at AS
SELECT *
FROM (
    SELECT * FROM {{ database }}.artifact_rows WHERE artifactId = {artifact_id:String} ORDER BY version DESC LIMIT 1
)
WHERE {{ shown() }};

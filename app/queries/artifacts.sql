-- Rows behind a place in a list, superseded ones among them. The list decides the order: `place` descends, then the id.
WITH candidates AS (
    SELECT
        *,
        multiIf({list:String} = 'failed', ifNull(failedAt, 0), {list:String} = 'stuck', -ifNull(stageEnteredAt, 0),
                createdAt) AS place
    FROM artifacts_at(now_ms = {now_ms:Int64})
    WHERE (empty({statuses:Array(String)}) OR status IN {statuses:Array(String)})
      AND ({stage:String} = '' OR stage = {stage:String})
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
      AND ({channel:String} = '' OR sourceChannel = {channel:String})
      AND ({search:String} = '' OR position(artifactId, {search:String}) > 0)
      AND createdAt >= {from_ms:Int64} AND createdAt <= {to_ms:Int64}
      AND ({failed_since_ms:Int64} = 0 OR failedAt >= {failed_since_ms:Int64})
      AND ({list:String} != 'stuck' OR (waitingSince < {waiting_before_ms:Int64} AND status != 'failed'))
      AND (place, artifactId) < ({before:Int64}, {before_id:String})
    ORDER BY place DESC, artifactId DESC, version DESC
    LIMIT {limit:UInt32}
)
SELECT
    * EXCEPT (version),
    (artifactId, version) IN (
        SELECT artifactId, max(version) FROM artifacts
        WHERE artifactId IN (SELECT artifactId FROM candidates)
        GROUP BY artifactId
    ) AS is_latest
FROM candidates
ORDER BY place DESC, artifactId DESC

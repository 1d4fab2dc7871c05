-- Artifacts behind a place in a list, in its order: `place` descends, then the id. Those that have another row by now are
-- among them. Places are looked up first, ids only from the last of them on. No view: the times that its text is worked
-- out would take longer than to read the rows.
WITH
{now_ms:Int64} - (SELECT artifacts FROM visible_hours) * 3600000 AS oldest_ms,
(
    SELECT ifNull(minOrNull(next_place), {before:Int64})
    FROM (
        SELECT {{ place }} AS next_place
        FROM {{ table }}
        WHERE {{ filters }} AND {{ place }} < {before:Int64}
        ORDER BY next_place DESC
        LIMIT {limit:UInt32}
    )
) AS last_place
SELECT {{ place }} AS list_place, artifactId, version
FROM {{ table }}
WHERE {{ filters }} AND {{ place }} >= last_place
  AND ({{ place }} < {before:Int64} OR ({{ place }} = {before:Int64} AND artifactId < {before_id:String}))
ORDER BY {{ place }} DESC, artifactId DESC, version DESC
LIMIT {limit:UInt32}

-- Distinct artifacts of [{start_ms}, {end_ms}) with an event of each stage, in the order of the stages: whole hours from the table
-- of artifacts by hour, what is left of the first and the last hour from the events. Of the artifacts in one of {slices} slices, which
-- bounds the memory.
WITH
greatest({start_ms:Int64}, {now_ms:Int64} - (SELECT events FROM visible_hours) * 3600000) AS from_ms,
fromUnixTimestamp64Milli(intDiv(from_ms + 3599999, 3600000) * 3600000, 'UTC') AS first_hour,
fromUnixTimestamp64Milli(intDiv({end_ms:Int64}, 3600000) * 3600000, 'UTC') AS last_hour
SELECT {{ reached }}
FROM (
    SELECT groupBitOr(stages) AS reached
    FROM (
        SELECT reinterpretAsUInt128(artifact) AS artifact_number, stages
        FROM artifact_hours
        WHERE hour >= first_hour AND hour < last_hour
          AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
        UNION ALL
        SELECT reinterpretAsUInt128(sipHash128(artifactId)), toUInt8({{ stage_bit }})
        FROM events
        WHERE ts >= fromUnixTimestamp64Milli(from_ms, 'UTC') AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
          AND (ts < first_hour OR ts >= last_hour)
          AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
          AND artifactId != ''
    )
    WHERE toUInt64(artifact_number) % {slices:UInt32} = {slice:UInt32}
    GROUP BY artifact_number
)

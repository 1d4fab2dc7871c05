-- What the events of [{start_ms}, {end_ms}) cost, in buckets of {size_ms}, by the stage they are of and the model they name.
SELECT
    bucket,
    {{ scope }},
    stage,
    model,
    sum(cost) AS paid
FROM (
    SELECT
        intDiv(timestamp - {start_ms:Int64}, {size_ms:Int64}) AS bucket,
        toString(organizationId) AS organization,
        toString(pipelineStage) AS stage,
        ifNull(metadata.aiModel, '') AS model,
        {{ cost }} AS cost
    FROM events
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
      AND metadata.aiCost > 0
    ORDER BY log_order DESC
    LIMIT 1 BY eventId
)
GROUP BY {{ groups }}

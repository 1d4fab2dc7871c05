LEFT JOIN (
    SELECT minute, computed_at, {{ columns }}
    FROM minute_figures FINAL
    WHERE scope = 'org' AND organizationId = {organization_id:String} AND {{ minutes_asked }}
) AS own ON own.minute = active.minute AND own.computed_at = kept.computed_at

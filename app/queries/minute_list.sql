LEFT JOIN (
    SELECT {start_ms:Int64} + bucket * {size_ms:Int64} AS at, organization, is_platform,
        groupArray(({{ columns }})) AS found
    FROM (
{{ sums }}
    )
    GROUP BY at, organization, is_platform
) AS known_{{ column }}
    ON known_{{ column }}.at = f.periodStart AND known_{{ column }}.organization = f.organization AND known_{{ column }}.is_platform = f.is_platform

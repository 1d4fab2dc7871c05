{%- macro figures_of(figures, condition) %}
SELECT
    *,
    CAST(periodEnd <= (SELECT max(closed_until) FROM {{ database }}.rollup_progress), 'Bool') AS complete
FROM {{ database }}.{{ figures }} FINAL
WHERE {{ condition }}
  AND (periodStart, createdAt) IN (
    SELECT periodStart, max(createdAt) FROM {{ database }}.{{ figures }} WHERE scope = 'platform' GROUP BY periodStart
)
{%- endmacro -%}
-- Finished figures of the snapshots. An organisation's row counts only if it was written together with the newest
-- platform row of its period: a recomputation may find that the organisation has nothing there any more.
-- A row is complete if the whole log up to the period's end was stored when the roll-up last looked.
-- No view is made of another: each level costs the readers some milliseconds.
{%- for snapshots, figures in [("snapshots_hourly", "hourly_figures"), ("snapshots_daily", "daily_figures")] %}
CREATE OR REPLACE VIEW {{ database }}.{{ snapshots }}_figures AS
{{- figures_of(figures, "1") }};

CREATE OR REPLACE VIEW {{ database }}.{{ snapshots }}_at AS
{{- figures_of(figures,
    "periodStart >= fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC') - INTERVAL " ~ visible_hours[snapshots] ~ " HOUR") }};

CREATE OR REPLACE VIEW {{ database }}.{{ snapshots }}_live AS
{{- figures_of(figures, "periodStart >= now64(3, 'UTC') - INTERVAL " ~ visible_hours[snapshots] ~ " HOUR") }};
{% endfor %}

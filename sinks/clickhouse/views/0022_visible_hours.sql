-- How many hours readers look back, for statements that would lose time by going through a view.
CREATE OR REPLACE VIEW {{ database }}.visible_hours AS
SELECT
    {{ visible_hours.events }} AS events,
    {{ visible_hours.artifacts }} AS artifacts,
    {{ visible_hours.snapshots_hourly }} AS hourly_figures,
    {{ visible_hours.snapshots_daily }} AS daily_figures;

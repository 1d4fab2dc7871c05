-- What readers see of the events: each once, none older than the retention. One view takes the time as a parameter,
-- the other uses the server's clock. A supplied duration that is out of range is none.
CREATE OR REPLACE VIEW {{ database }}.events_at AS
SELECT
    * REPLACE (if(durationMs BETWEEN 0 AND {{ longest_duration_ms }}, durationMs, NULL) AS durationMs),
    ts,
    timeWindow
FROM {{ database }}.events FINAL
WHERE ts >= fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR;

CREATE OR REPLACE VIEW {{ database }}.events_live AS
SELECT
    * REPLACE (if(durationMs BETWEEN 0 AND {{ longest_duration_ms }}, durationMs, NULL) AS durationMs),
    ts,
    timeWindow
FROM {{ database }}.events FINAL
WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR;

{%- set select %}
SELECT
    toString(e.organizationId) AS organizationId,
    toStartOfHour(ts) AS hour,
    max((timestamp, toString(eventId), log_order,
         multiIf(newStatus IN ('open', 'half_open', 'closed'), newStatus, eventType = 'circuit_breaker_opened', 'open', 'closed'))) AS latest
FROM {{ database }}.events AS e
WHERE eventType IN ('circuit_breaker_opened', 'circuit_breaker_closed')
GROUP BY organizationId, hour
{%- endset -%}
-- The latest event of the circuit breaker in each hour, in place of the latest of all: if that one turns out to be a later
-- copy of another event, the one before it has to be known, and events are not kept for long. Few rows: hours in which an
-- organisation had such an event. Maxima: repeated rows change nothing.
CREATE TABLE IF NOT EXISTS {{ database }}.breaker_hours
(
    organizationId String,
    hour DateTime('UTC'),
    latest SimpleAggregateFunction(max, Tuple(timestamp Int64, eventId String, log_order UInt128, state String))
)
ENGINE = AggregatingMergeTree
ORDER BY (organizationId, hour)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.breaker_hours_mv TO {{ database }}.breaker_hours AS
{{- select }};

-- What was stored before this table existed, and what is known of times whose events are gone.
INSERT INTO {{ database }}.breaker_hours
{{- select }};

INSERT INTO {{ database }}.breaker_hours
SELECT organizationId, toStartOfHour(fromUnixTimestamp64Milli(b.latest.timestamp, 'UTC')) AS hour, b.latest AS latest
FROM {{ database }}.breaker_state AS b;

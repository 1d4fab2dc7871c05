{%- set latest -%}
max((timestamp, toString(eventId), log_order,
         multiIf(newStatus IN ('open', 'half_open', 'closed'), newStatus, eventType = 'circuit_breaker_opened', 'open', 'closed')))
{%- endset -%}
{%- set breakers -%}
eventType IN ('circuit_breaker_opened', 'circuit_breaker_closed')
{%- endset -%}
-- The latest event of the circuit breaker, which is needed for longer than events are kept: its time, its id, of its copies
-- the first in the log, and the state that it tells. A maximum: repeated rows change nothing.
CREATE TABLE IF NOT EXISTS {{ database }}.breaker_state
(
    organizationId String,
    latest SimpleAggregateFunction(max, Tuple(timestamp Int64, eventId String, log_order UInt128, state String))
)
ENGINE = AggregatingMergeTree
ORDER BY organizationId
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.breaker_state_mv TO {{ database }}.breaker_state AS
SELECT toString(e.organizationId) AS organizationId, {{ latest }} AS latest
FROM {{ database }}.events AS e
WHERE {{ breakers }}
GROUP BY organizationId;

-- What was stored before this table existed.
INSERT INTO {{ database }}.breaker_state
SELECT toString(e.organizationId) AS organizationId, {{ latest }} AS latest
FROM {{ database }}.events AS e
WHERE {{ breakers }}
GROUP BY organizationId;

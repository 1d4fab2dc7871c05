-- breaker_hours stands in its place. Gone rather than empty: an older program that still runs gets an error instead of a
-- wrong state.
DROP VIEW IF EXISTS {{ database }}.breaker_state_mv;

DROP TABLE IF EXISTS {{ database }}.breaker_state;

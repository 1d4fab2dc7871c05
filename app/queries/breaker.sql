-- The latest event of the circuit breaker, of all organisations together.
SELECT
    multiIf(newStatus IN ('open', 'half_open', 'closed'), newStatus, eventType = 'circuit_breaker_opened', 'open', 'closed')
        AS state,
    timestamp AS since
FROM event_copies_at(now_ms = {now_ms:Int64})
WHERE eventType IN ('circuit_breaker_opened', 'circuit_breaker_closed')
ORDER BY timestamp DESC, toString(eventId) DESC, log_order DESC
LIMIT 1

-- The latest event of the circuit breaker, of all organisations together, however old it is.
SELECT latest.state AS state, latest.timestamp AS since
FROM (SELECT max(latest) AS latest, count() AS known FROM breaker_hours)
WHERE known > 0

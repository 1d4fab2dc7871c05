-- Periods before this time are never computed again, whatever the settings are now: events that were deleted while they
-- were kept for a shorter time do not come back with a longer one.
ALTER TABLE {{ database }}.rollup_progress ADD COLUMN IF NOT EXISTS frozen_until DateTime('UTC');

-- Epoch seconds of the first period that may be computed, as far as it was noted when events began to be kept for longer.
SELECT toUnixTimestamp(max(frozen_until)) FROM rollup_progress

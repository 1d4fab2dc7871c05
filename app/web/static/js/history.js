// A range's periods from what the worker has: snapshots of closed hours and days, minutes for what is still open.

import { combined, periodsOf, RANGES } from "./figures.js";
import { units } from "./format.js";
import * as ask from "./queries.js";

const { MINUTE, HOUR, DAY } = units;

const closed = async (periodType, organizationId, startTime, endTime, signal) =>
  (await ask.history({ periodType, startTime, endTime, organizationId }, signal)).snapshots;

async function minutesOf(organizationId, startTime, endTime, signal) {
  const answer = await ask.minutes({ organizationId, startTime, endTime }, signal);
  return answer.minutes.map((row) => ({ ...row, periodStart: row.minuteStart ?? row.periodStart }));
}

/** Periods of a range with their rows, the last one still open; see `periodsOf`. */
export async function historyOf(range, organizationId, now, signal) {
  const { length, size } = RANGES[range];
  const hour = now - (now % HOUR);
  if (size === MINUTE) return periodsOf(range, await minutesOf(organizationId, now - length, now, signal), now);
  const latest = minutesOf(organizationId, hour, now, signal);
  if (size === HOUR) {
    const [rows, minutes] = await Promise.all([closed("hourly", organizationId, hour - length, hour - HOUR, signal), latest]);
    return periodsOf(range, [...rows, { periodStart: hour, ...combined(minutes) }], now);
  }
  const day = now - (now % DAY);
  const [rows, hours, minutes] = await Promise.all([
    closed("daily", organizationId, day - length, day - DAY, signal),
    closed("hourly", organizationId, day, hour - HOUR, signal), latest,
  ]);
  return periodsOf(range, [...rows, { periodStart: day, ...combined([...hours, ...minutes]) }], now);
}

// Scales, ticks and labels of charts over time.

import { dayMonth, hourMinute, units } from "../format.js";

const DURATION_STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500,
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * units.SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * units.MINUTE),
  ...[1, 2, 6, 12, 24, 48, 120].map((hours) => hours * units.HOUR),
];

function decimalStep(rough, isWhole) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  return isWhole ? Math.max(1, Math.round(step)) : step;
}

/** Ticks from 0 to the first one at or above `max`; `measure` is "count", "duration" or "decimal". */
export function ticks(max, measure, wanted = 4) {
  const least = { count: 4, duration: 100, decimal: 0.0001, fraction: 0.05 }[measure];
  const rough = Math.max(max, least) / wanted;
  const step = measure === "duration"
    ? (DURATION_STEPS.find((candidate) => candidate >= rough) ?? rough)
    : decimalStep(rough, measure === "count");
  const count = Math.ceil(Math.max(max, least) / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, number) => number * step);
}

/** What stands below a period, by its length. */
export function periodLabel(period) {
  const size = period.end - period.start;
  return size >= units.DAY ? dayMonth(period.start) : hourMinute(period.start);
}

/** A period in words. */
export function periodText(period) {
  const size = period.end - period.start;
  const open = period.isOpen ? ", so far" : "";
  if (size >= units.DAY) return dayMonth(period.start) + open;
  const until = hourMinute(period.end);
  return `${dayMonth(period.start)} ${hourMinute(period.start)}${size > units.MINUTE ? `–${until}` : ""}${open}`;
}

/** Positions and texts of labels below the periods, so few that they do not touch. */
export function labels(periods, width) {
  if (!periods.length) return [];
  const size = periods[0].end - periods[0].start;
  const isLong = size === units.HOUR && periods.length > 48;
  const most = Math.max(2, Math.floor(width / 62));
  const steps = isLong ? [24, 48, 72] : size < units.HOUR ? [5, 10, 15, 20, 30, 60] : [1, 2, 3, 4, 6, 8, 12, 24];
  const step = steps.find((candidate) => periods.length / candidate <= most) ?? steps.at(-1);
  const number = (period) => Math.floor(period.start / size);
  return periods
    .map((period, index) => ({ index, text: isLong ? dayMonth(period.start) : periodLabel(period), at: number(period) }))
    .filter(({ at }) => at % step === 0);
}

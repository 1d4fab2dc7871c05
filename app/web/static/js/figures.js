// Arithmetic on snapshots: periods of a range, sums, and means weighted by their samples, never means of means.

import { units } from "./format.js";

const { MINUTE, HOUR, DAY } = units;

/** Ranges of the metrics view: length, length of a period, and what they and their closed hours or days are called. */
export const RANGES = {
  "1H": { length: HOUR, size: MINUTE, text: "last 60 min", each: "minute", closed: "The last closed hour" },
  "6H": { length: 6 * HOUR, size: HOUR, text: "last 6 h and the hour so far", each: "hour", closed: "Closed hours of the last 6 h" },
  "24H": { length: 24 * HOUR, size: HOUR, text: "last 24 h and the hour so far", each: "hour", closed: "Closed hours of the last 24 h" },
  "7D": { length: 7 * DAY, size: HOUR, text: "last 7 days and the hour so far", each: "hour", closed: "Closed hours of the last 7 days" },
  "30D": { length: 30 * DAY, size: DAY, text: "last 30 days and the day so far", each: "day", closed: "Closed days of the last 30 days" },
};

/** The range taken if none is given. */
export const DEFAULT_RANGE = "24H";

/** The four stages with latency: what their fields begin with, and their stage. */
export const MEASURED = {
  transcription: "transcription",
  claimsExtraction: "claims_extraction",
  entityResolution: "entity_resolution",
  draftGeneration: "draft_generation",
};

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const latencyField = (stage) => `avg${capital(stage)}Latency`;

const SUMS = [
  "artifactsReceived", "artifactsCompleted", "artifactsFailed", "totalAICost", "entityResolutionSuccesses",
  "entityResolutionsAmbiguous", ...Object.keys(MEASURED).flatMap((stage) => [`${stage}Successes`, `${stage}Failures`]),
];
const MEANS = [
  ["avgEndToEndLatency", "endToEndSamples"],
  ...Object.keys(MEASURED).map((stage) => [latencyField(stage), `${stage}LatencySamples`]),
];

/** a / b, or `otherwise` if b is not above 0. */
export const div = (a, b, otherwise = 0) => (b > 0 ? a / b : otherwise);

/** One row for all rows: sums, and means weighted by samples. Percentiles cannot be put together and are left out. */
export function combined(rows) {
  const found = {};
  for (const name of SUMS) found[name] = rows.reduce((sum, row) => sum + (row[name] ?? 0), 0);
  for (const [mean, samples] of MEANS) {
    found[samples] = rows.reduce((sum, row) => sum + (row[samples] ?? 0), 0);
    found[mean] = div(rows.reduce((sum, row) => sum + (row[mean] ?? 0) * (row[samples] ?? 0), 0), found[samples]);
  }
  return found;
}

/** Where the closed hours or days of a range begin, and where the open one does. */
export function closedSpan(range, now) {
  const { length, size } = RANGES[range];
  const open = now - (now % Math.max(size, HOUR));
  return { periodType: size === DAY ? "daily" : "hourly", startTime: open - length, endTime: open };
}

/** Every period of a range up to now, oldest first, with its row or null; the last one is still open. */
export function periodsOf(range, rows, now) {
  const { length, size } = RANGES[range];
  const open = now - (now % size);
  const first = size === MINUTE ? open - length + size : open - length;
  const byStart = new Map(rows.map((row) => [row.periodStart, row]));
  return Array.from({ length: Math.round((open - first) / size) + 1 }, (_, number) => {
    const start = first + number * size;
    return { start, end: start + size, isOpen: start === open, row: byStart.get(start) ?? null };
  });
}

/** Values of a field over periods: 0 where nothing came, for sums. */
export const sums = (periods, name) => periods.map(({ row }) => row?.[name] ?? 0);

/** Means of a stage over periods, null where there was no sample. */
export function latencies(periods, stage) {
  return periods.map(({ row }) => (row?.[`${stage}LatencySamples`] ? row[latencyField(stage)] : null));
}

/** End-to-end figures over periods, null where there was no sample. */
export function endToEnd(periods, name) {
  return periods.map(({ row }) => (row?.endToEndSamples ? (row[name] ?? null) : null));
}

/** failed / (completed + failed) over periods, null where nothing was finished. */
export function failureRates(periods) {
  return periods.map(({ row }) =>
    row ? div(row.artifactsFailed, row.artifactsCompleted + row.artifactsFailed, null) : null);
}

/** Share of resolutions without an open name; null if there was none. */
export function autoResolution(row) {
  return div(row.entityResolutionSuccesses - row.entityResolutionsAmbiguous, row.entityResolutionSuccesses, null);
}

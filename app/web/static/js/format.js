// Figures, durations, money and times as people read them. Times are UTC, as the counters' windows are.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** 12,345 */
export const count = (value) => whole.format(value);

/** 12.3K, for axes. */
export const compact = (value) => short.format(value);

/** 850 ms, 4.2 s, 2 min 5 s, 1 h 4 min, 3 d 2 h */
export function duration(ms) {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(2)} s`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < HOUR) return pair(ms, MINUTE, "min", SECOND, "s");
  return ms < DAY ? pair(ms, HOUR, "h", MINUTE, "min") : pair(ms, DAY, "d", HOUR, "h");
}

function pair(ms, large, largeName, small, smallName) {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** 500 ms, 30 s, 1.5 min, 2 h, for axes. */
export function shortDuration(ms) {
  const [size, name] = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [SECOND, "s"], [1, "ms"]].find(([each]) => ms >= each) ?? [SECOND, "s"];
  return `${Number((ms / size).toFixed(2))} ${name}`;
}

/** $12.34; amounts below a dollar with four decimals. */
export function money(usd) {
  const digits = usd !== 0 && Math.abs(usd) < 1 ? 4 : 2;
  return `$${usd.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** 12.3%, of a fraction; what would be rounded to nothing is told from nothing. */
export function percent(fraction) {
  const value = fraction * 100;
  if (value > 0 && value < 0.05) return "<0.1%";
  return `${value === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)}%`;
}

/** "Just now", "5m ago", "3h ago", "2d ago" */
export function ago(at, now) {
  const age = now - at;
  if (age < MINUTE) return "Just now";
  if (age < HOUR) return `${Math.floor(age / MINUTE)}m ago`;
  return age < DAY ? `${Math.floor(age / HOUR)}h ago` : `${Math.floor(age / DAY)}d ago`;
}

/** An age to the second: "4 s", "3 min 20 s" */
export const age = (ms) => (ms < MINUTE ? `${Math.max(0, Math.floor(ms / SECOND))} s` : duration(ms));

const two = (value) => String(value).padStart(2, "0");

/** 14:03:05 */
export function clock(at) {
  const time = new Date(at);
  return `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`;
}

/** 14:03 */
export const hourMinute = (at) => clock(at).slice(0, 5);

/** 2026-02-15 */
export const date = (at) => new Date(at).toISOString().slice(0, 10);

/** 15 Feb */
export const dayMonth = (at) =>
  new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** 2026-02-15 14:03:05 */
export const dateTime = (at) => `${date(at)} ${clock(at)}`;

/** The start of the UTC day. */
export const dayStart = (at) => at - (at % DAY);

/** Today, Yesterday, This week, Earlier (UTC days). */
export function dayGroup(at, now) {
  const today = dayStart(now);
  if (at >= today) return "Today";
  if (at >= today - DAY) return "Yesterday";
  return at >= today - 6 * DAY ? "This week" : "Earlier";
}

export const units = { SECOND, MINUTE, HOUR, DAY };

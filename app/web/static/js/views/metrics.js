// Metrics: figures and charts over a range, and the organisations side by side.

import { go } from "../address.js";
import { now } from "../clock.js";
import { h } from "../dom.js";
import { DEFAULT_RANGE, RANGES, combined } from "../figures.js";
import { Panel } from "../panel.js";
import * as ask from "../queries.js";
import { historyOf } from "../history.js";
import { charts, rangeCards } from "./metrics-charts.js";
import { organizationTable } from "./organization-table.js";
import { namedBars } from "../charts/bars.js";
import { channelText } from "../events.js";

const REFRESH_MS = 20_000;

function rangeButtons(chosen) {
  return h("div", { class: "group", role: "group", "aria-label": "Range" }, Object.keys(RANGES).map((range) =>
    h("button", {
      type: "button", class: "button", "data-focus": `range-${range}`, "aria-pressed": String(range === chosen),
      on: { click: () => go("metrics", { range }) },
    }, range)));
}

function confidencePanel(parameters, about) {
  return new Panel({
    label: "Confidence", everyMs: REFRESH_MS, skeleton: 5,
    load: (signal) => ask.confidence(parameters(), signal),
    isEmpty: ({ bins }) => !bins.some(({ count }) => count),
    empty: "No event with a confidence in this range.",
    render: ({ bins }) => namedBars({
      key: "confidence", title: "Confidence", note: `Events by confidence score · ${about}`, color: 2,
      head: ["Confidence", "Share of the most frequent", "Events", "Share of all"],
      rows: bins.map(({ from, to, count }) => ({ name: `${from.toFixed(1)} – ${to.toFixed(1)}`, value: count })),
    }),
  });
}

function channelPanel(parameters, about) {
  return new Panel({
    label: "Channels", everyMs: REFRESH_MS, skeleton: 5,
    load: (signal) => ask.channels(parameters(), signal),
    isEmpty: ({ channels }) => !channels.length,
    empty: "No note received in this range.",
    render: ({ channels }) => namedBars({
      key: "channels", title: "Source channels", note: `Notes received by channel · ${about}`, color: 1,
      head: ["Channel", "Share of the most frequent", "Notes", "Share of all"],
      rows: channels.map(({ sourceChannel, count }) => ({ name: channelText(sourceChannel ?? "unknown"), value: count })),
    }),
  });
}

/** The view; {element, dispose}. */
export function metrics({ scope, query }) {
  const range = query.get("range") in RANGES ? query.get("range") : DEFAULT_RANGE;
  const { organizationId } = scope;
  const { length, text, each } = RANGES[range];
  const about = `${text} · ${scope.text}`;
  const span = () => ({ organizationId, startTime: now() - length, endTime: now() });
  const kept = () => ({ ...span(), startTime: Math.max(now() - length, now() - 48 * 3_600_000) });
  const aboutEvents = length > 48 * 3_600_000 ? `last 48 h (events are kept no longer) · ${scope.text}` : `${RANGES[range].text} · ${scope.text}`;
  const main = new Panel({
    title: "Metrics", note: `${about} · one bar or point per ${each}, UTC`, tools: rangeButtons(range), everyMs: REFRESH_MS,
    skeleton: 10,
    load: async (signal) => {
      const [periods, state] = await Promise.all([
        historyOf(range, organizationId, now(), signal), ask.overview({ organizationId }, signal),
      ]);
      return { periods, backlog: state.openDisambiguations };
    },
    render: ({ periods, backlog }) => {
      const rows = periods.map(({ row }) => row).filter(Boolean);
      return [rangeCards(combined(rows), backlog, about), charts(periods, about, each)];
    },
  });
  const panels = [main, confidencePanel(kept, aboutEvents), channelPanel(kept, aboutEvents)];
  if (!organizationId) panels.push(organizationTable(range));
  return {
    element: h("div", { class: "stack" }, main.element,
      h("div", { class: "columns" }, panels.slice(1, 3).map(({ element }) => element)), panels[3]?.element),
    dispose: () => panels.forEach((panel) => panel.dispose()),
  };
}


// Overview: what flows, what fails, what it costs, and the last 20 events.

import { href } from "../address.js";
import { h } from "../dom.js";
import { count, duration, money, percent } from "../format.js";
import { Panel } from "../panel.js";
import * as ask from "../queries.js";
import { cards } from "./cards.js";
import { feed } from "./feed.js";
import { counted, flowGraph, onlyCounters, overviewOr } from "./flow-graph.js";

const FEED_LENGTH = 20;
const HIGH_FAILURE_RATE = 0.1;
const REFRESH_MS = 10_000;

const BREAKERS = {
  closed: ["Closed", "good", "calls to the AI service are allowed"],
  half_open: ["Half-open", "slow", "calls to the AI service are tried again"],
  open: ["Open", "bad", "calls to the AI service are blocked"],
};

function overviewCards(figures) {
  const [breaker, breakerTone, breakerText] = BREAKERS[figures.breakerState] ?? BREAKERS.closed;
  const isHigh = figures.failureRateToday > HIGH_FAILURE_RATE;
  const today = "today (UTC day so far)";
  return cards([
    { key: "active", name: "Active artifacts", value: count(figures.activeArtifacts), detail: "in the pipeline now" },
    { key: "completed", name: "Completed today", value: count(figures.completedToday), detail: `artifacts, ${today}` },
    {
      key: "failed", name: "Failed today", value: count(figures.failedToday), tone: isHigh ? "bad" : undefined,
      detail: `${percent(figures.failureRateToday)} of finished, ${today}`,
    },
    {
      key: "latency", name: "Avg latency", detail: "end to end, last 24 h",
      value: figures.avgEndToEndLatency ? duration(figures.avgEndToEndLatency) : "–",
    },
    { key: "breaker", name: "AI service status", value: breaker, tone: breakerTone, detail: `${breakerText} (platform)` },
    { key: "cost", name: "Total cost today", value: money(figures.totalCostToday), detail: `US dollars, ${today}` },
  ]);
}

/** Newest first, each once, `FEED_LENGTH` at most. */
function merged(page, fresh) {
  const found = new Map([...fresh, ...page].map((event) => [event.eventId, event]));
  return [...found.values()]
    .sort((a, b) => b.timestamp - a.timestamp || (a.eventId < b.eventId ? 1 : -1))
    .slice(0, FEED_LENGTH);
}

/** The view; {element, dispose}. */
export function overview({ scope, live }) {
  const parameters = { organizationId: scope.organizationId };
  let fresh = [];
  const withCounts = (answer) => ({ ...answer, stages: counted(answer.stages, live.counters) });
  let figures;
  figures = new Panel({
    title: "Flow", note: `Events of each stage in the last 60 min · ${scope.text}`, everyMs: REFRESH_MS, skeleton: 5,
    class: "panel-flow",
    load: (signal) => overviewOr(live, figures?.answer, () => ask.overview(parameters, signal)),
    render: (answer) => [flowGraph(answer.stages), answer.failure ? onlyCounters(answer) : overviewCards(answer)],
  });
  const onCounters = () => figures.show(withCounts);
  const activity = new Panel({
    title: "Activity", note: `The last ${FEED_LENGTH} events · ${scope.text}`, everyMs: REFRESH_MS, skeleton: 8,
    tools: h("a", { class: "button", "data-view": "events", href: href("events") }, "All events"),
    load: async (signal) => merged((await ask.events({ ...parameters, limit: FEED_LENGTH }, signal)).page, fresh),
    isEmpty: (events) => !events.length,
    empty: "No events in the last 48 hours. They appear here as soon as the pipeline publishes one.",
    render: feed,
  });
  const onEvents = ({ detail }) => {
    fresh = merged(fresh, detail);
    activity.show((events) => merged(events, fresh));
    figures.soon();
  };
  const onRenewed = () => {
    activity.refresh();
    // Artifacts follow their events a moment later.
    figures.soon();
  };
  live.addEventListener("events", onEvents);
  live.addEventListener("counters", onCounters);
  live.addEventListener("renewed", onRenewed);
  return {
    element: h("div", { class: "stack" }, figures.element, activity.element),
    dispose() {
      live.removeEventListener("events", onEvents);
      live.removeEventListener("counters", onCounters);
      live.removeEventListener("renewed", onRenewed);
      figures.dispose();
      activity.dispose();
    },
  };
}


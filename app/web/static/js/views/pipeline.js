// Pipeline: the stages large, where notes get lost, and which ones are stuck, under way or failed.

import { h } from "../dom.js";
import { Paged } from "../paged.js";
import { now } from "../clock.js";
import { Panel } from "../panel.js";
import * as ask from "../queries.js";
import { counted, flowGraph, onlyCounters, overviewOr } from "./flow-graph.js";
import { funnelTable, stageTable } from "./pipeline-tables.js";
import { activeTiles, failedTable, stuckTable } from "./artifact-lists.js";

const REFRESH_MS = 10_000;
const DAY_MS = 86_400_000;

const artifactId = (row) => row.artifactId;
const byId = (a, b) => (a.artifactId < b.artifactId ? 1 : -1);

function stagesPanel(organizationId, scopeText) {
  return new Panel({
    title: "Stages", note: `Closed hours of the last 24 h · ${scopeText} · error rate is failures of all outcomes`, everyMs: 30_000,
    load: (signal) => ask.stages({ periodType: "hourly", startTime: now() - DAY_MS, endTime: now(), organizationId }, signal),
    isEmpty: ({ stages }) => !stages.length, empty: "No hour has been closed yet; the graph above shows the last 60 min.",
    render: ({ stages }) => stageTable(stages),
  });
}

function funnelPanel(organizationId, scopeText) {
  return new Panel({
    title: "Funnel", note: `Distinct artifacts with an event of the stage, last 24 h · ${scopeText}`, everyMs: 30_000,
    load: (signal) => ask.funnel({ startTime: now() - DAY_MS, endTime: now(), organizationId }, signal),
    isEmpty: ({ stages }) => !stages.some(({ artifacts }) => artifacts), empty: "No artifact in the last 24 hours.",
    render: ({ stages }) => funnelTable(stages),
  });
}

/** Lists of artifacts that are stuck, active and failed. */
function lists(organizationId, scopeText) {
  const base = { key: artifactId, everyMs: REFRESH_MS };
  return [
    new Paged({
      ...base, title: "Stuck", note: `Without the due next step for longer than 5 min, longest first · ${scopeText}`, limit: 25,
      ask: (cursor, limit, signal) => ask.stuck({ organizationId, cursor, limit }, signal),
      compare: (a, b) => a.stageEnteredAt - b.stageEnteredAt || byId(a, b), empty: "Nothing is stuck.", render: stuckTable,
    }),
    new Paged({
      ...base, title: "Active artifacts", note: `In the pipeline now, newest first · ${scopeText}`, limit: 24,
      ask: (cursor, limit, signal) => ask.active({ organizationId, cursor, limit }, signal),
      compare: (a, b) => b.createdAt - a.createdAt || byId(a, b), empty: "No artifact is in the pipeline.", render: activeTiles,
    }),
    new Paged({
      ...base, title: "Recent failures", note: `Failed artifacts, newest failure first · ${scopeText}`, limit: 10,
      ask: (cursor, limit, signal) => ask.failed({ organizationId, cursor, limit }, signal),
      compare: (a, b) => b.failedAt - a.failedAt || byId(a, b), empty: "No artifact has failed.", render: failedTable,
    }),
  ];
}

/** The view; {element, dispose}. */
export function pipeline({ scope, live }) {
  const { organizationId, text } = scope;
  const withCounts = (answer) => ({ ...answer, stages: counted(answer.stages, live.counters) });
  let graph;
  graph = new Panel({
    title: "Pipeline", note: `Events of each stage in the last 60 min; a stage opens with a click, Enter or Space · ${text}`,
    everyMs: REFRESH_MS, skeleton: 6, load: (signal) => overviewOr(live, graph?.answer, () => ask.overview({ organizationId }, signal)),
    render: (answer) => [flowGraph(answer.stages, { isLarge: true }), answer.failure ? onlyCounters(answer) : null],
  });
  const onCounters = () => graph.show(withCounts);
  const tables = [stagesPanel(organizationId, text), funnelPanel(organizationId, text)];
  const [stuck, active, failed] = lists(organizationId, text);
  const moving = [graph, stuck.panel, active.panel, failed.panel];
  const onEvents = () => moving.forEach((panel) => panel.soon());
  live.addEventListener("events", onEvents);
  live.addEventListener("renewed", onEvents);
  live.addEventListener("counters", onCounters);
  return {
    element: h("div", { class: "stack" }, graph.element,
      h("div", { class: "columns" }, tables.map(({ element }) => element)),
      stuck.element, active.element, failed.element),
    dispose() {
      live.removeEventListener("events", onEvents);
      live.removeEventListener("renewed", onEvents);
      live.removeEventListener("counters", onCounters);
      [...moving, ...tables].forEach((panel) => panel.dispose());
    },
  };
}


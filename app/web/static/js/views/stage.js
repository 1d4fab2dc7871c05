// One stage: its numbers, how its latency is spread, its errors by message, and the artifacts in it now.

import { href } from "../address.js";
import { namedBars } from "../charts/bars.js";
import { now } from "../clock.js";
import { h } from "../dom.js";
import { STAGES, stageText } from "../events.js";
import { count, duration, percent, shortDuration } from "../format.js";
import { Paged } from "../paged.js";
import { Panel, emptyState } from "../panel.js";
import * as ask from "../queries.js";
import { stageArtifacts } from "./artifact-lists.js";
import { cards } from "./cards.js";
import { moment } from "./feed.js";
import { stageState } from "./flow-graph.js";

const REFRESH_MS = 10_000;
const DAY_MS = 86_400_000;
const SAMPLE = 500;
const EDGES = [0, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 300_000];
const TONES = { bad: "bad", slow: "slow", good: "good" };

function numbers(stage, day) {
  const state = stageState(stage);
  return cards([
    { key: "count", name: "Events", value: count(stage.count), detail: "good ends in the last 60 min", tone: TONES[state] },
    { key: "failures", name: "Failures", value: count(stage.failures), detail: "in the last 60 min", tone: stage.failures ? "bad" : undefined },
    { key: "queue", name: "In queue", value: stage.queueDepth === undefined ? "–" : count(stage.queueDepth), detail: "artifacts in the stage now" },
    { key: "latency", name: "Mean latency", value: stage.avgLatency ? duration(stage.avgLatency) : "–",
      detail: stage.baselineLatency ? `last 60 min; baseline ${duration(stage.baselineLatency)}` : "last 60 min; no baseline yet" },
    { key: "day", name: "Outcomes", value: day ? count(day.count) : "–", detail: "closed hours of the last 24 h" },
    { key: "rate", name: "Error rate", value: day ? percent(day.failureRate) : "–", detail: "failures of outcomes, closed hours of the last 24 h" },
  ]);
}

function spread(events) {
  const taken = events.filter(({ durationMs }) => durationMs !== undefined);
  const rows = EDGES.map((from, index) => {
    const to = EDGES[index + 1] ?? Infinity;
    const value = taken.filter(({ durationMs }) => durationMs >= from && durationMs < to).length;
    return { name: to === Infinity ? `${shortDuration(from)} and more` : `${from ? shortDuration(from) : "0"} – ${shortDuration(to)}`, value };
  });
  return { taken, rows };
}

function errorTable(errors) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Errors by message, table" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Message"), h("th", { scope: "col" }, "Code"),
      h("th", { scope: "col", class: "number" }, "Events"), h("th", { scope: "col" }, "Last"))),
    h("tbody", {}, errors.map((error) => h("tr", {},
      h("th", { scope: "row", class: "wide" }, h("bdi", { class: "error-text" }, error.errorMessage || "without a message")),
      h("td", {}, error.errorCode ? h("code", {}, error.errorCode) : "–"),
      h("td", { class: "number" }, count(error.count)),
      h("td", { class: "nowrap" }, error.lastAt === undefined ? "–" : moment(error.lastAt)))))));
}

function panelsOf(stage, { organizationId, text }) {
  return [
    new Panel({
      title: "Now", note: text, everyMs: REFRESH_MS, skeleton: 4,
      load: async (signal) => {
        const day = { periodType: "hourly", startTime: now() - DAY_MS, endTime: now(), organizationId };
        const [state, breakdown] = await Promise.all([ask.overview({ organizationId }, signal), ask.stages(day, signal)]);
        const find = ({ stages }) => stages.find((each) => each.stage === stage);
        return { stage: find(state), day: find(breakdown) ?? null };
      },
      isEmpty: (answer) => !answer.stage, empty: "There are no live figures of this stage.",
      render: (answer) => numbers(answer.stage, answer.day),
    }),
    new Panel({
      label: "Latency distribution", everyMs: 30_000, skeleton: 5,
      load: async (signal) => spread((await ask.events({ pipelineStage: stage, organizationId, limit: SAMPLE }, signal)).page),
      isEmpty: ({ taken }) => !taken.length, empty: "No end of this stage with a duration in the last 48 hours.",
      render: ({ taken, rows }) => namedBars({
        key: "spread", title: "Latency distribution", head: ["Duration", "Share of the most frequent", "Runs", "Share of all"], rows, color: 2,
        note: `The last ${count(taken.length)} runs of the stage that have a duration · ${text}`,
      }),
    }),
    new Panel({
      title: "Errors by message", note: `Failures of the stage, last 48 h · ${text}`, everyMs: 30_000,
      load: (signal) => ask.stageErrors({ stage, organizationId }, signal),
      isEmpty: ({ errors }) => !errors.length, empty: "No failure of this stage.", render: ({ errors }) => errorTable(errors),
    }),
  ];
}

/** The view; {title, element, dispose}. */
export function stage({ scope, live, query }) {
  const name = query.get("stage");
  if (!(name in STAGES)) return { title: "Stage", element: emptyState("There is no such stage."), dispose() {} };
  const [state, latency, errors] = panelsOf(name, scope);
  const list = new Paged({
    title: "Artifacts in this stage now", note: `Newest first · ${scope.text}`, limit: 25, everyMs: REFRESH_MS, key: (row) => row.artifactId,
    ask: (cursor, limit, signal) => ask.active({ stage: name, organizationId: scope.organizationId, cursor, limit }, signal),
    compare: (a, b) => b.createdAt - a.createdAt || (a.artifactId < b.artifactId ? 1 : -1),
    empty: "No artifact is in this stage.", render: stageArtifacts,
  });
  const onRenewed = () => [state, errors, list.panel].forEach((panel) => panel.soon());
  const onEvents = ({ detail }) => detail.some(({ pipelineStage }) => pipelineStage === name) && onRenewed();
  live.addEventListener("events", onEvents);
  live.addEventListener("renewed", onRenewed);
  const back = h("p", {}, h("a", { "data-view": "pipeline", href: href("pipeline") }, "Whole pipeline"), " · ",
    h("a", { "data-view": "events", href: href("events", { stage: name }) }, "Events of this stage"));
  return {
    title: `Stage: ${stageText(name)}`,
    element: h("div", { class: "stack" }, back, state.element, h("div", { class: "columns" }, latency.element, errors.element), list.element),
    dispose() {
      live.removeEventListener("events", onEvents);
      live.removeEventListener("renewed", onRenewed);
      [state, latency, errors, list].forEach((panel) => panel.dispose());
    },
  };
}

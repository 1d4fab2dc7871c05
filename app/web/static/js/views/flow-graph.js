// The five stages as boxes joined by arrows; a box opens its stage.

import { go } from "../address.js";
import { h, spoken } from "../dom.js";
import { stageText } from "../events.js";
import { count, duration } from "../format.js";

const SLOW = 1.5; // times the baseline

const WORDS = { bad: "failures", slow: "slow", good: "active", idle: "idle", unknown: "unknown" };

/** bad (failures in the window), slow (latency above 1.5 × baseline), good (active), idle, or unknown. */
export function stageState(stage) {
  if (stage.failures === undefined) return "unknown";
  if (stage.failures > 0) return "bad";
  if (stage.avgLatency > 0 && stage.baselineLatency > 0 && stage.avgLatency > SLOW * stage.baselineLatency) return "slow";
  return stage.count > 0 || stage.queueDepth > 0 ? "good" : "idle";
}

function figures(stage) {
  return [
    ["In queue", stage.queueDepth === undefined ? "–" : count(stage.queueDepth)],
    ["Mean latency", stage.avgLatency ? duration(stage.avgLatency) : "–"],
    ["Failures", stage.failures === undefined ? "–" : count(stage.failures)],
  ];
}

function box(stage, isLarge) {
  const state = stageState(stage);
  const name = stageText(stage.stage);
  const rows = figures(stage);
  if (isLarge) rows.push(["Baseline", stage.baselineLatency ? duration(stage.baselineLatency) : "–"]);
  return h("li", {},
    h("button", {
      type: "button",
      class: `stage stage-${state}`,
      "data-focus": `stage-${stage.stage}`,
      "data-stage": stage.stage,
      "data-state": state,
      on: { click: () => go("stage", { stage: stage.stage }) },
    },
    h("span", { class: "stage-name" }, name, h("span", { class: "stage-state" }, WORDS[state])),
    h("span", { class: "stage-count" }, count(stage.count), h("span", { class: "unit" }, " /h")),
    h("span", { class: "stage-figures" }, rows.map(([label, value]) =>
      h("span", {}, h("span", { class: "label" }, label), spoken(": "), h("span", { class: "figure" }, value)))),
    spoken(". Open the stage")));
}

const COUNTERS = {
  ingestion: "artifactsReceived1h",
  transcription: "transcriptionsCompleted1h",
  claims_extraction: "claimsExtracted1h",
  entity_resolution: "entitiesResolved1h",
  draft_generation: "draftsGenerated1h",
};

/** Stages with the counts of the live counters, which are newer; as they are while there are none. */
export function counted(stages, counters) {
  const live = counters?.last60Minutes;
  return live ? stages.map((stage) => ({ ...stage, count: live[COUNTERS[stage.stage]] ?? stage.count })) : stages;
}

const UNASKED = Object.keys(COUNTERS).map((stage) => ({ stage, count: 0 }));

/** Ask for the overview; as long as the store has not answered once, the live counters alone, with the `failure`. */
export async function overviewOr(live, before, question) {
  try {
    const answer = await question();
    return { ...answer, stages: counted(answer.stages, live.counters) };
  } catch (failure) {
    const isFirst = before === undefined || before.failure !== undefined;
    if (failure.status === undefined || failure.isRecovering || !live.counters || !isFirst) throw failure;
    return { stages: counted(UNASKED, live.counters), failure: failure.message };
  }
}

/** What is missing where only live counters are shown. */
export function onlyCounters({ failure }) {
  return h("p", { class: "failure recovering", role: "status" }, `Live counters only: ${failure}. The page tries again by itself.`);
}

/** The graph for stages [{stage, count, failures, avgLatency, baselineLatency, queueDepth}] of the last 60 minutes. */
export function flowGraph(stages, { isLarge = false } = {}) {
  return h("div", { class: `flow ${isLarge ? "flow-large" : ""}` },
    h("ol", { "aria-label": "Stages of the pipeline in order of flow" }, stages.map((stage) => box(stage, isLarge))),
    h("ul", { class: "legend", "aria-label": "Colours" },
      h("li", { class: "key key-bad" }, "failures in the last 60 min"),
      h("li", { class: "key key-slow" }, "mean latency above 1.5 × baseline"),
      h("li", { class: "key key-good" }, "active"),
      h("li", { class: "key key-idle" }, "nothing")));
}

// The stages' figures and the funnel as tables.

import { href } from "../address.js";
import { h } from "../dom.js";
import { stageText } from "../events.js";
import { count, duration, percent } from "../format.js";

const HIGH_FAILURE_RATE = 0.1;

function stageLink(stage) {
  return h("a", { "data-view": "stage", "data-focus": `stage-row-${stage}`, href: href("stage", { stage }) }, stageText(stage));
}

/** A table of [{stage, count, avgLatency, failureRate}]. */
export function stageTable(stages) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Stages, table" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Stage"), ["Outcomes", "Mean latency", "Error rate"].map((text) =>
      h("th", { scope: "col", class: "number" }, text)))),
    h("tbody", {}, stages.map(({ stage, count: outcomes, avgLatency, failureRate }) => h("tr", {},
      h("th", { scope: "row" }, stageLink(stage)),
      h("td", { class: "number" }, count(outcomes)),
      h("td", { class: "number" }, avgLatency ? duration(avgLatency) : "–"),
      h("td", { class: "number" }, h("span", { class: `badge ${failureRate > HIGH_FAILURE_RATE ? "badge-bad" : ""}` }, percent(failureRate))))))));
}

/** A table of [{stage, artifacts}] with bars and the loss from each stage to the next. */
export function funnelTable(stages) {
  const most = Math.max(1, ...stages.map(({ artifacts }) => artifacts));
  const loss = (index) => {
    if (!index || !stages[index - 1].artifacts) return "";
    const kept = stages[index].artifacts / stages[index - 1].artifacts;
    if (Math.abs(kept - 1) < 0.0005) return "0%";
    return kept < 1 ? `−${percent(1 - kept)}` : `+${percent(kept - 1)}`;
  };
  return h("table", { class: "bars" },
    h("thead", { class: "spoken" }, h("tr", {}, ["Stage", "Share", "Artifacts", "Change from the stage before"].map((text) =>
      h("th", { scope: "col" }, text)))),
    h("tbody", {}, stages.map(({ stage, artifacts }, index) => h("tr", {},
      h("th", { scope: "row" }, stageText(stage)),
      h("td", { class: "track" }, artifacts ? h("span", { class: "fill fill-1", style: { width: `${(artifacts / most) * 100}%` } }) : null),
      h("td", { class: "number" }, count(artifacts)),
      h("td", { class: "number quiet" }, loss(index))))));
}

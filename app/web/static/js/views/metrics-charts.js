// Cards and charts of a range.

import { chart } from "../charts/chart.js";
import { h } from "../dom.js";
import { stageText } from "../events.js";
import { MEASURED, autoResolution, div, endToEnd, failureRates, latencies, sums } from "../figures.js";
import { compact, count, duration, money, percent, shortDuration } from "../format.js";
import { cards } from "./cards.js";

const HIGH_FAILURE_RATE = 0.1;

/** Cards of a range's sums and weighted means; `backlog` is of now. */
export function rangeCards(all, backlog, about) {
  const auto = autoResolution(all);
  const { artifactsReceived: received, artifactsCompleted: completed, endToEndSamples: samples } = all;
  return cards([
    { key: "received", name: "Total artifacts", value: count(received), detail: `received, ${about}` },
    { key: "completion", name: "Completion rate", value: received ? percent(div(completed, received)) : "–",
      detail: `${count(completed)} completed of ${count(received)} received` },
    { key: "latency", name: "Avg latency", value: samples ? duration(all.avgEndToEndLatency) : "–",
      detail: `end to end, ${count(samples)} artifacts` },
    { key: "cost", name: "Total cost", value: money(all.totalAICost),
      detail: `US dollars, ${received ? `$${div(all.totalAICost, received).toFixed(4)} per artifact` : "no artifacts"}` },
    { key: "auto", name: "Auto-resolution rate", value: auto === null ? "–" : percent(auto),
      detail: `of ${count(all.entityResolutionSuccesses)} entity resolutions` },
    { key: "backlog", name: "Disambiguation backlog", value: backlog === undefined ? "–" : count(backlog),
      detail: "names that wait for a human, now" },
  ]);
}

/** The charts of a range, as figures in two columns. */
export function charts(periods, about, each) {
  const base = { periods };
  const stages = Object.entries(MEASURED).map(([field, stage], index) =>
    ({ name: stageText(stage), color: index + 1, values: latencies(periods, field) }));
  const rates = failureRates(periods);
  const isHigh = rates.some((rate) => rate > HIGH_FAILURE_RATE);
  const figures = [
    chart({ ...base, key: "throughput", title: "Throughput", note: `Artifacts received per ${each} · ${about}`, kind: "bars",
      measure: "count", format: (value) => (value < 10_000 ? count(value) : compact(value)),
      series: [{ name: "Received", color: 1, values: sums(periods, "artifactsReceived") }] }),
    chart({ ...base, key: "latency", title: "Mean latency by stage", note: `Mean per ${each}, stacked · ${about}`, kind: "bars",
      measure: "duration", format: duration, axis: shortDuration, total: "All stages", series: stages }),
    chart({ ...base, key: "failures", title: "Failure rate", kind: "line", measure: "fraction", format: percent,
      note: `Failed of finished artifacts per ${each}${isHigh ? ", above 10% at times" : ""} · ${about}`,
      series: [{ name: "Failure rate", color: "bad", values: rates }] }),
    chart({ ...base, key: "cost", title: "AI cost", note: `US dollars per ${each} · ${about}`, kind: "area", measure: "decimal",
      format: money, axis: (usd) => `$${compact(usd)}`, series: [{ name: "Cost", color: 2, values: sums(periods, "totalAICost") }] }),
    chart({ ...base, key: "p95", title: "End-to-end latency", note: `95th percentile and mean per ${each} · ${about}`, kind: "line",
      measure: "duration", format: duration, axis: shortDuration, series: [
        { name: "p95", color: 4, values: endToEnd(periods, "p95EndToEndLatency") },
        { name: "Mean", color: 1, isDashed: true, values: endToEnd(periods, "avgEndToEndLatency") },
      ] }),
  ];
  return h("div", { class: "columns charts" }, figures.map((figure, index) =>
    index === figures.length - 1 ? h("div", { class: "whole" }, figure) : figure));
}

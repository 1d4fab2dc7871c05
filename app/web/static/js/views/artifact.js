// One artifact: its state, everything that happened to it, and its retries.

import { href } from "../address.js";
import { now } from "../clock.js";
import { h } from "../dom.js";
import { channelText, sentence, stageText, symbol, tone } from "../events.js";
import { count, dateTime, duration, percent } from "../format.js";
import { Panel, emptyState } from "../panel.js";
import * as ask from "../queries.js";
import { facts, orgText, statusBadge } from "./artifacts.js";
import { whole } from "./events.js";
import { badges, errorText, moment } from "./feed.js";

const REFRESH_MS = 15_000;

function header(row) {
  const isOver = row.status === "completed" || row.status === "failed";
  const end = row.status === "failed" ? row.failedAt : row.completedAt;
  const total = row.endToEndMs ?? (isOver && end ? end - row.createdAt : now() - row.createdAt);
  return facts([
    ["Status", statusBadge(row.status)],
    ["Stage", row.stage && stageText(row.stage)],
    ["Source", row.sourceChannel && channelText(row.sourceChannel)],
    ["Organisation", orgText(row)],
    ["Coach", row.coachUserId],
    ["Created (UTC)", row.createdAt && h("span", {}, dateTime(row.createdAt), " · ", moment(row.createdAt))],
    ["Updated (UTC)", row.updatedAt && h("span", {}, dateTime(row.updatedAt), " · ", moment(row.updatedAt))],
    [isOver ? "Total time" : "Elapsed", total >= 0 ? duration(total) : undefined],
    ["Claims", row.claimCount === undefined ? undefined : count(row.claimCount)],
    ["Entities", row.entityCount === undefined ? undefined : count(row.entityCount)],
    ["Names to disambiguate", row.openDisambiguations ? count(row.openDisambiguations) : undefined],
    ["Drafts", row.draftCount === undefined ? undefined : count(row.draftCount)],
    ["AI cost", row.aiCost === undefined ? undefined : `$${row.aiCost.toFixed(4)}`],
    ["Retries", count(row.retryCount ?? 0)],
    ["Failed in", row.status === "failed" && row.failedStage ? stageText(row.failedStage) : undefined],
    ["Last error", row.lastErrorMessage || row.lastErrorCode ? errorText({ errorMessage: row.lastErrorMessage, errorCode: row.lastErrorCode }) : undefined],
  ]);
}

function step(event, before) {
  const score = event.metadata?.confidenceScore;
  const since = before ? event.timestamp - before.timestamp : 0;
  return h("li", { "data-event": event.eventId },
    h("span", { class: `mark mark-${tone(event.eventType)}`, "aria-hidden": "true" }, symbol(event.eventType)),
    h("p", {}, h("span", { class: "sentence" }, h("bdi", {}, sentence(event))),
      event.pipelineStage ? h("span", { class: "quiet" }, stageText(event.pipelineStage)) : null),
    h("p", { class: "when" }, h("time", { datetime: new Date(event.timestamp).toISOString() }, dateTime(event.timestamp)),
      since > 0 ? ` · ${duration(since)} after the step before` : ""),
    h("div", { class: "entry-more" }, badges(event),
      score === undefined ? null : h("span", { class: "badge" }, `confidence ${percent(score)}`),
      event.metadata?.aiModel ? h("span", { class: "badge" }, event.metadata.aiModel) : null, errorText(event)),
    h("details", { class: "as-table", "data-keep": event.eventId }, h("summary", { "data-focus": `json-${event.eventId}` }, "Whole event"), whole(event)));
}

function steps({ events, truncated }) {
  const list = h("ol", { class: "timeline" }, events.map((event, index) => step(event, events[index - 1])));
  return truncated ? h("div", {}, list, cut(events.length)) : list;
}

function cut(shown) {
  return h("p", { class: "quiet" }, `Only the first ${count(shown)} are shown: so many do not belong to one artifact. “Its events” lists all.`);
}

function retryRow(retry) {
  const outcome = { retry_initiated: "initiated", retry_succeeded: "succeeded", retry_failed: "failed" }[retry.eventType];
  const mark = { initiated: "retry", succeeded: "good", failed: "bad" }[outcome];
  return h("tr", {},
    h("td", { class: "moment" }, dateTime(retry.timestamp)),
    h("td", { class: "number" }, retry.retryAttempt === undefined ? "–" : count(retry.retryAttempt)),
    h("td", {}, h("span", { class: `badge badge-${mark}` }, outcome),
      retry.errorMessage ? h("bdi", { class: "error-text" }, retry.errorMessage) : null));
}

function retryTable(retries) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Retry history, table" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time (UTC)"), h("th", { scope: "col", class: "number" }, "Attempt"),
      h("th", { scope: "col" }, "Outcome"))),
    h("tbody", {}, retries.map(retryRow))));
}

/** The view; {title, element, dispose}. */
export function artifact({ live, query }) {
  const name = query.get("id") ?? "";
  const title = h("bdi", {}, name ? `Artifact ${name.length > 120 ? `${name.slice(0, 120)}…` : name}` : "Artifact");
  if (!name) return { title, element: emptyState("No artifact is named in this address."), dispose() {} };
  const back = h("p", {}, h("a", { "data-view": "artifacts", href: href("artifacts") }, "All artifacts"), " · ",
    h("a", { "data-view": "events", href: href("events", { artifactId: name }) }, "Its events"));
  const state = new Panel({
    title: "State", everyMs: REFRESH_MS, load: (signal) => ask.artifact({ id: name }, signal), render: header, failures: { 404: "Nothing is known about this artifact." },
  });
  const timeline = new Panel({
    title: "Timeline", note: "All its events, oldest first; events are kept for 48 hours", everyMs: REFRESH_MS, skeleton: 8,
    load: (signal) => ask.timeline({ id: name }, signal), isEmpty: ({ events }) => !events.length,
    empty: "No event of this artifact in the last 48 hours.", render: steps,
  });
  const retries = new Panel({
    title: "Retry history", everyMs: REFRESH_MS, load: async (signal) => (await ask.retries({ id: name }, signal)).retries,
    isEmpty: (list) => !list.length, empty: "Never retried.", render: retryTable,
  });
  const panels = [state, timeline, retries];
  const onRenewed = () => panels.forEach((panel) => panel.soon());
  const onEvents = ({ detail }) => detail.some((event) => event.artifactId === name) && onRenewed();
  live.addEventListener("events", onEvents);
  live.addEventListener("renewed", onRenewed);
  return {
    title,
    element: h("div", { class: "stack" }, back, state.element,
      h("div", { class: "columns columns-wide" }, timeline.element, retries.element)),
    dispose() {
      live.removeEventListener("events", onEvents);
      live.removeEventListener("renewed", onRenewed);
      panels.forEach((panel) => panel.dispose());
    },
  };
}

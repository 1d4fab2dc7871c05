// Events as sentences, newest first, by day.

import { href } from "../address.js";
import { now } from "../clock.js";
import { h, id, spoken } from "../dom.js";
import { sentence, symbol, tone } from "../events.js";
import { organizationElement } from "../organizations.js";
import { ago, count, dateTime, dayGroup, duration, money } from "../format.js";

const COUNTS = { claimCount: "claim", entityCount: "entity", draftCount: "draft" };
const PLURALS = { entity: "entities" };

/** "4 claims" */
function counted(value, one) {
  return `${count(value)} ${value === 1 ? one : (PLURALS[one] ?? `${one}s`)}`;
}

/** What an event carries besides its type: claims, entities, drafts, cost, duration, attempt. */
export function badges(event) {
  const metadata = event.metadata ?? {};
  const found = Object.entries(COUNTS)
    .filter(([key]) => metadata[key] !== undefined)
    .map(([key, one]) => h("span", { class: "badge" }, counted(metadata[key], one)));
  if (metadata.disambiguationCount > 0) {
    found.push(h("span", { class: "badge badge-open" }, `${count(metadata.disambiguationCount)} to disambiguate`));
  }
  if (metadata.aiCost !== undefined) {
    found.push(h("span", { class: "badge" }, metadata.aiCost < 1 ? `$${metadata.aiCost.toFixed(4)}` : money(metadata.aiCost)));
  }
  if (metadata.retryAttempt !== undefined) {
    found.push(h("span", { class: "badge badge-retry" }, `attempt ${count(metadata.retryAttempt)}`));
  }
  if (event.durationMs !== undefined) found.push(h("span", { class: "badge" }, duration(event.durationMs)));
  return found;
}

/** A moment as "5m ago" that stays true, with the whole time for whoever asks. */
export function moment(at) {
  return h("time", { datetime: new Date(at).toISOString(), "data-ago": at, title: `${dateTime(at)} UTC` }, ago(at, now()));
}

/** The error of an event with its code, if it has one. */
export function errorText(event) {
  if (!event.errorMessage && !event.errorCode) return null;
  const code = event.errorCode ? h("code", {}, event.errorCode) : null;
  return h("span", { class: "error-text" }, event.errorMessage ? h("bdi", {}, event.errorMessage) : null, code);
}

function entry(event) {
  const mark = tone(event.eventType);
  const target = event.artifactId
    ? h("a", { "data-view": "artifact", "data-focus": `feed-${event.eventId}`,
      href: href("artifact", { id: event.artifactId }) }, id(event.artifactId))
    : null;
  return h("li", { class: "entry", "data-event": event.eventId },
    h("span", { class: `mark mark-${mark}`, "aria-hidden": "true" }, symbol(event.eventType)),
    h("div", { class: "entry-text" },
      h("p", {}, h("span", { class: "sentence" }, h("bdi", {}, sentence(event))), " ", target),
      h("p", { class: "entry-more" },
        event.organizationId ? organizationElement(event, "org") : null,
        badges(event), errorText(event))),
    moment(event.timestamp));
}

/** The feed of events that are ordered newest first. */
export function feed(events) {
  const groups = new Map();
  for (const event of events) {
    const name = dayGroup(event.timestamp, now());
    groups.set(name, [...(groups.get(name) ?? []), event]);
  }
  return h("div", { class: "feed" }, [...groups].map(([name, list]) =>
    h("section", {}, h("h3", {}, name, spoken(` (${list.length} events)`)), h("ol", {}, list.map(entry)))));
}

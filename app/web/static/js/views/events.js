// Events: every stored event, filtered, newest first, each one whole on demand.

import { href } from "../address.js";
import { h, id, spoken } from "../dom.js";
import { ERROR_TYPES, EVENT_TYPES, STAGES, stageText, tone, typeText } from "../events.js";
import { timeOf } from "../filters.js";
import { dateTime, duration } from "../format.js";
import { organizationElement, organizationName } from "../organizations.js";
import { openingTable } from "../paged.js";
import * as ask from "../queries.js";
import { badges, errorText } from "./feed.js";
import { filteredList } from "./filtered-list.js";

const LIMIT = 50;

const FIELDS = [
  { kind: "several", name: "type", text: "Event types", any: "All 27 types", options: EVENT_TYPES.map((type) => [type, typeText(type)]) },
  { kind: "choice", name: "stage", text: "Stage", any: "All stages", options: Object.entries(STAGES) },
  { kind: "datetime-local", name: "from", text: "From (UTC)" },
  { kind: "datetime-local", name: "to", text: "Until (UTC)" },
  { kind: "search", name: "artifactId", text: "Artifact id" },
  { kind: "check", name: "errors", text: "Errors only" },
];

function asked(query) {
  return {
    eventType: query.getAll("type"),
    pipelineStage: query.get("stage") ?? undefined,
    startTime: timeOf(query.get("from")),
    endTime: timeOf(query.get("to")),
    artifactId: query.get("artifactId") ?? undefined,
    errorsOnly: query.get("errors") === "1" || undefined,
  };
}

/** True if an event belongs to what is asked for. */
export function isAsked(event, { eventType, pipelineStage, startTime, endTime, artifactId, errorsOnly }) {
  return (!eventType.length || eventType.includes(event.eventType))
    && (!pipelineStage || event.pipelineStage === pipelineStage)
    && (startTime === undefined || event.timestamp >= startTime)
    && (endTime === undefined || event.timestamp <= endTime)
    && (!artifactId || event.artifactId === artifactId)
    && (!errorsOnly || ERROR_TYPES.includes(event.eventType));
}

const COLUMNS = [
  ["Timestamp", (event) => new Date(event.timestamp).toISOString()],
  ["Event", (event) => event.eventType],
  ["Stage", (event) => event.pipelineStage],
  ["Artifact", (event) => event.artifactId],
  ["Org", (event) => event.organizationId],
  ["Org name", (event) => event.organizationId && organizationName(event)],
  ["Duration ms", (event) => event.durationMs],
  ["Error", (event) => event.errorMessage],
  ["Error code", (event) => event.errorCode],
  ["Metadata", (event) => event.metadata],
  ["Event id", (event) => event.eventId],
];

const HEAD = [["Timestamp (UTC)"], ["Event"], ["Stage"], ["Artifact"], ["Org"], ["Duration", "number"], ["Details"]];

function cells(event) {
  const { artifactId } = event;
  return [
    h("td", { class: "moment" }, h("time", { datetime: new Date(event.timestamp).toISOString() }, dateTime(event.timestamp))),
    h("td", { class: "kind" }, h("span", { class: `badge badge-${tone(event.eventType)}`, title: event.eventType }, typeText(event.eventType))),
    h("td", { class: "nowrap" }, event.pipelineStage ? stageText(event.pipelineStage) : none()),
    h("td", {}, artifactId ? h("a", { "data-view": "artifact", href: href("artifact", { id: artifactId }) }, id(artifactId)) : none()),
    h("td", { class: "nowrap" }, event.organizationId ? organizationElement(event, "org clip") : none()),
    h("td", { class: "number" }, event.durationMs === undefined ? none() : duration(event.durationMs)),
    h("td", { class: "wide" }, h("div", { class: "entry-more" }, badges({ ...event, durationMs: undefined }), errorText(event))),
  ];
}

const none = () => h("span", { class: "quiet" }, "–", spoken("none"));

/** An event as JSON, whole. */
export function whole(event) {
  return h("pre", { class: "whole", tabindex: "0", "aria-label": "The whole event as JSON" }, JSON.stringify(event, null, 2));
}

const newestFirst = (a, b) => b.timestamp - a.timestamp || (a.eventId < b.eventId ? 1 : a.eventId > b.eventId ? -1 : 0);

/** The view; {element, update, dispose}. */
export function events({ scope, live, query }) {
  return filteredList({
    view: "events", live, query, fields: FIELDS, asked,
    onEvents(found, list, filters) {
      const fitting = found.filter((event) => isAsked(event, filters));
      if (fitting.length) list.add(fitting);
    },
    options: (filters) => ({
      title: "Events", note: `Newest first, the last 48 hours · ${scope.text}`, everyMs: 15_000, skeleton: 10, limit: LIMIT,
      ask: (cursor, limit, signal) => ask.events({ ...filters(), organizationId: scope.organizationId, cursor, limit }, signal),
      key: (event) => event.eventId,
      compare: newestFirst,
      empty: "No event in the last 48 hours fits these filters.",
      csv: { name: "events", columns: COLUMNS, limit: 500 },
      render: (rows, self) => openingTable({
        label: "Events", head: HEAD, rows, list: self, key: (event) => event.eventId, cells, details: whole,
        name: (event) => `${typeText(event.eventType)}, ${dateTime(event.timestamp)}`,
      }),
    }),
  });
}

// Artifacts: the notes with their state, filtered, newest first.

import { href } from "../address.js";
import { h, id, spoken } from "../dom.js";
import { KNOWN_CHANNELS, STATUSES, channelText, stageText, statusTone } from "../events.js";
import { timeOf } from "../filters.js";
import { count, dateTime, duration } from "../format.js";
import { organizationElement, organizationName } from "../organizations.js";
import { openingTable } from "../paged.js";
import * as ask from "../queries.js";
import { moment } from "./feed.js";
import { filteredList } from "./filtered-list.js";

const LIMIT = 25;

const FIELDS = [
  { kind: "choice", name: "status", text: "Status", any: "All statuses", options: STATUSES.map((status) => [status, status]) },
  { kind: "choice", name: "channel", text: "Source", any: "All channels", options: KNOWN_CHANNELS.map((channel) => [channel, channelText(channel)]) },
  { kind: "datetime-local", name: "from", text: "Created from (UTC)" },
  { kind: "datetime-local", name: "to", text: "Created until (UTC)" },
  { kind: "search", name: "search", text: "Artifact id" },
];

function asked(query) {
  return {
    status: query.get("status") ?? undefined,
    sourceChannel: query.get("channel") ?? undefined,
    startTime: timeOf(query.get("from")),
    endTime: timeOf(query.get("to")),
    search: query.get("search") ?? undefined,
  };
}

const COLUMNS = [
  ["ID", (row) => row.artifactId],
  ["Status", (row) => row.status],
  ["Source", (row) => row.sourceChannel],
  ["Coach", (row) => row.coachUserId],
  ["Org", (row) => row.organizationId && organizationName(row)],
  ["Claims", (row) => row.claimCount],
  ["Disambig.", (row) => row.openDisambiguations],
  ["Latency", (row) => row.endToEndMs],
  ["Cost", (row) => row.aiCost],
  ["Created", (row) => new Date(row.createdAt).toISOString()],
];

const HEAD = [["ID"], ["Status"], ["Source"], ["Coach"], ["Org"], ["Claims", "number"], ["Disambig.", "number"], ["Latency", "number"],
  ["Cost", "number"], ["Created"], ["Actions"]];

const none = () => h("span", { class: "quiet" }, "–", spoken("unknown"));
const known = (value, format) => (value === undefined ? none() : format(value));

/** An artifact's status as a badge. */
export function statusBadge(status) {
  return status ? h("span", { class: `badge badge-${statusTone(status)}` }, status) : none();
}

/** An organisation's name, else its id. */
export function orgText(row) {
  return row.organizationId ? organizationElement(row, "org clip") : none();
}

function cells(row) {
  const target = href("artifact", { id: row.artifactId });
  return [
    h("td", {}, h("a", { "data-view": "artifact", href: target }, id(row.artifactId))),
    h("td", {}, statusBadge(row.status)),
    h("td", { class: "nowrap" }, row.sourceChannel ? h("bdi", { class: "org clip" }, channelText(row.sourceChannel)) : none()),
    h("td", {}, row.coachUserId ? h("bdi", { class: "id short" }, row.coachUserId) : none()),
    h("td", { class: "nowrap" }, orgText(row)),
    h("td", { class: "number" }, known(row.claimCount, count)),
    h("td", { class: "number" }, count(row.openDisambiguations ?? 0)),
    h("td", { class: "number" }, known(row.endToEndMs, duration)),
    h("td", { class: "number" }, known(row.aiCost, (cost) => `$${cost.toFixed(4)}`)),
    h("td", { class: "nowrap" }, row.createdAt === undefined ? none() : moment(row.createdAt)),
    h("td", {}, h("a", { class: "button small", "data-view": "artifact", href: target, "aria-label": `Open ${row.artifactId}`.slice(0, 120) }, "Open")),
  ];
}

/** Facts about an artifact as a list of terms, unknown ones left out. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== undefined && value !== null)
    .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, typeof value === "string" ? h("bdi", {}, value) : value))));
}

function details(row) {
  return facts([
    ["Stage", row.stage && stageText(row.stage)],
    ["Updated (UTC)", row.updatedAt && dateTime(row.updatedAt)],
    ["Created (UTC)", row.createdAt && dateTime(row.createdAt)],
    ["Entities", row.entityCount === undefined ? undefined : count(row.entityCount)],
    ["Drafts", row.draftCount === undefined ? undefined : count(row.draftCount)],
    ["Retries", count(row.retryCount ?? 0)],
    ["Failed in", row.failedStage && stageText(row.failedStage)],
    ["Last error", row.lastErrorMessage ?? row.lastErrorCode],
    ["Error code", row.lastErrorMessage ? row.lastErrorCode : undefined],
    ["Voice note", row.voiceNoteId],
  ]);
}

const newestFirst = (a, b) => b.createdAt - a.createdAt || (a.artifactId < b.artifactId ? 1 : a.artifactId > b.artifactId ? -1 : 0);

/** The view; {element, update, dispose}. */
export function artifacts({ scope, live, query }) {
  return filteredList({
    view: "artifacts", live, query, fields: FIELDS, asked,
    onEvents: (_, list) => list.panel.soon(),
    options: (filters) => ({
      title: "Artifacts", note: `Voice and text notes, newest first · ${scope.text} · latency is end to end, cost US dollars`,
      everyMs: 15_000, skeleton: 10, limit: LIMIT,
      ask: (cursor, limit, signal) => ask.artifacts({ ...filters(), organizationId: scope.organizationId, cursor, limit }, signal),
      key: (row) => row.artifactId,
      compare: newestFirst,
      empty: "No artifact fits these filters.",
      csv: { name: "artifacts", columns: COLUMNS, limit: 200 },
      render: (rows, self) => openingTable({
        label: "Artifacts", head: HEAD, rows, list: self, key: (row) => row.artifactId, cells, details, name: (row) => row.artifactId,
      }),
    }),
  });
}

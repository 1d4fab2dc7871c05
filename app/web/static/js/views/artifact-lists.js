// Artifacts that are stuck, under way or failed.

import { href } from "../address.js";
import { now } from "../clock.js";
import { h, id } from "../dom.js";
import { channelText, stageText } from "../events.js";
import { age, count } from "../format.js";
import { orgText, statusBadge } from "./artifacts.js";
import { errorText, moment } from "./feed.js";

const link = (row) => h("a", { "data-view": "artifact", "data-focus": `artifact-${row.artifactId}`, href: href("artifact", { id: row.artifactId }) },
  id(row.artifactId));

function table(label, head, rows) {
  return h("div", { class: "scroll", "data-scroll": label, tabindex: "0", role: "region", "aria-label": `${label}, table` }, h("table", {},
    h("thead", {}, h("tr", {}, head.map(([text, classes]) => h("th", { scope: "col", class: classes }, text)))),
    h("tbody", {}, rows)));
}

/** Stuck artifacts with the step that is due. */
export function stuckTable(rows) {
  return table("Stuck artifacts", [["Artifact"], ["Status"], ["Stage"], ["In stage since"], ["Waits", "number"], ["Coach"], ["Org"]], rows.map((row) =>
    h("tr", {}, h("th", { scope: "row" }, link(row)), h("td", {}, statusBadge(row.status)),
      h("td", {}, row.stage ? stageText(row.stage) : "–"),
      h("td", { class: "nowrap" }, row.stageEnteredAt === undefined ? "–" : moment(row.stageEnteredAt)),
      h("td", { class: "number" }, row.stageEnteredAt === undefined ? "–" : age(now() - row.stageEnteredAt)),
      h("td", {}, row.coachUserId ? h("bdi", { class: "id short" }, row.coachUserId) : "–"),
      h("td", { class: "nowrap" }, orgText(row)))));
}

/** Active artifacts as tiles. */
export function activeTiles(rows) {
  return h("ul", { class: "tiles" }, rows.map((row) => h("li", { class: "tile" },
    h("header", {}, link(row), statusBadge(row.status)),
    h("p", {}, row.stage ? stageText(row.stage) : "No stage yet",
      row.sourceChannel ? h("span", { class: "quiet" }, " · ", h("bdi", {}, channelText(row.sourceChannel))) : null),
    h("p", { class: "quiet" }, orgText(row)),
    h("p", { class: "quiet" }, "Elapsed ", h("b", {}, age(now() - row.createdAt)),
      row.stageEnteredAt === undefined ? "" : `, in stage ${age(now() - row.stageEnteredAt)}`))));
}

/** Failed artifacts with where and why. */
export function failedTable(rows) {
  return table("Failed artifacts", [["Artifact"], ["Failed"], ["Stage"], ["Error"], ["Retries", "number"], ["Org"]], rows.map((row) =>
    h("tr", {}, h("th", { scope: "row" }, link(row)), h("td", { class: "nowrap" }, moment(row.failedAt)),
      h("td", {}, row.failedStage ? stageText(row.failedStage) : "–"),
      h("td", { class: "wide" }, errorText({ errorMessage: row.lastErrorMessage, errorCode: row.lastErrorCode }) ?? "–"),
      h("td", { class: "number" }, count(row.retryCount ?? 0)),
      h("td", { class: "nowrap" }, orgText(row)))));
}

/** Artifacts that are in a stage now. */
export function stageArtifacts(rows) {
  return table("Artifacts in this stage", [["Artifact"], ["Status"], ["Coach"], ["Org"], ["In stage", "number"], ["Elapsed", "number"]], rows.map((row) =>
    h("tr", {}, h("th", { scope: "row" }, link(row)), h("td", {}, statusBadge(row.status)),
      h("td", {}, row.coachUserId ? h("bdi", { class: "id short" }, row.coachUserId) : "–"),
      h("td", { class: "nowrap" }, orgText(row)),
      h("td", { class: "number" }, row.stageEnteredAt === undefined ? "–" : age(now() - row.stageEnteredAt)),
      h("td", { class: "number" }, age(now() - row.createdAt)))));
}

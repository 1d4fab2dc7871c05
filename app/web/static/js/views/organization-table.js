// Organisations side by side.

import { href } from "../address.js";
import { h } from "../dom.js";
import { now } from "../clock.js";
import { RANGES, closedSpan } from "../figures.js";
import { count, duration, money, percent } from "../format.js";
import { Panel } from "../panel.js";
import * as ask from "../queries.js";

const HIGH_FAILURE_RATE = 0.1;
const MOST_ROWS = 1000;

function row(organization) {
  const { organizationId, orgName, failureRate } = organization;
  const isNamed = orgName && orgName !== "Unknown";
  return h("tr", {},
    h("th", { scope: "row" },
      h("a", { href: href("metrics", { organizationId }), "data-view": "metrics", "data-focus": `org-${organizationId}` },
        h("bdi", { class: "org" }, isNamed ? orgName : organizationId)),
      isNamed ? h("div", { class: "quiet" }, h("bdi", { class: "id" }, organizationId)) : null),
    h("td", { class: "number" }, count(organization.artifactsReceived)),
    h("td", { class: "number" }, count(organization.artifactsCompleted)),
    h("td", { class: "number" }, count(organization.artifactsFailed)),
    h("td", { class: "number" }, organization.avgLatency ? duration(organization.avgLatency) : "–"),
    h("td", { class: "number" }, h("span", { class: `badge ${failureRate > HIGH_FAILURE_RATE ? "badge-bad" : ""}` }, percent(failureRate))),
    h("td", { class: "number" }, money(organization.totalAICost)));
}

const HEAD = ["Received", "Completed", "Failed", "Mean latency", "Error rate", "Cost"];

/** A panel with the table of all organisations over the closed hours or days of a range. */
export function organizationTable(range) {
  return new Panel({
    title: "Organisations", everyMs: 30_000, skeleton: 5,
    note: `${RANGES[range].closed} · all organisations · latency is end to end, error rate failed of received`,
    load: (signal) => ask.organizations({ ...closedSpan(range, now()), limit: MOST_ROWS }, signal),
    isEmpty: ({ organizations }) => !organizations.length,
    empty: "No organisation has a closed period in this range yet.",
    render: ({ organizations, truncated }) => h("div", { class: "scroll", "data-scroll": "orgs", tabindex: "0", role: "region", "aria-label": "Organisations, table" },
      h("table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Organisation"), HEAD.map((text) => h("th", { scope: "col", class: "number" }, text)))),
        h("tbody", {}, organizations.map(row))),
      truncated ? h("p", { class: "quiet" }, `Only the ${count(organizations.length)} that received most are shown.`) : null),
  });
}

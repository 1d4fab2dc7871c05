// The choice of an organisation in the header, and the organisations' names.

import { whenQuiet } from "./api.js";
import { now } from "./clock.js";
import { h } from "./dom.js";
import { units } from "./format.js";
import * as ask from "./queries.js";

const REFRESH_MS = 60_000;
const UNKNOWN = "Unknown";

const names = new Map();

/** An organisation as people call it: the name that came with a row, else the one that we know, else its id. */
export function organizationName({ organizationId, orgName }) {
  if (orgName && orgName !== UNKNOWN) return orgName;
  return names.get(organizationId) ?? organizationId;
}

/** The same as an element, which changes as soon as the name becomes known. */
export function organizationElement(row, classes) {
  return h("bdi", { class: classes, "data-organization": row.organizationId }, organizationName(row));
}

function showNames() {
  for (const element of document.querySelectorAll("[data-organization]")) {
    const name = names.get(element.dataset.organization);
    if (name !== undefined && element.textContent !== name) element.textContent = name;
  }
}

const ranges = () => [
  { periodType: "daily", startTime: now() - 30 * units.DAY, endTime: now() },
  { periodType: "hourly", startTime: now() - units.DAY, endTime: now() },
];

/** Organisations of closed days and hours, and of the latest events: in a monitor's first hour nothing is closed yet. */
async function asked() {
  const answers = await Promise.allSettled([
    ask.events({ limit: 200 }), ...ranges().map((range) => ask.organizations(range)),
  ]);
  const broken = answers.find(({ reason }) => reason && reason.status === undefined);
  if (broken) throw broken.reason;
  return answers.flatMap(({ value }) => value?.organizations ?? value?.page ?? []);
}

/**
 * Fill the select element with what the viewer may see.
 *
 * `choose(organizationId or undefined)` is called at a choice, `named()` when the name of the chosen one becomes known.
 */
export function installOrganizations(control, viewer, choose, named) {
  const known = new Set();
  const isFree = viewer.organizationId === undefined;
  let chosen;

  const nameOf = (organizationId) => organizationName({ organizationId });

  const draw = () => {
    const ids = new Set(known);
    if (chosen) ids.add(chosen);
    const options = [...ids].sort((a, b) => nameOf(a).localeCompare(nameOf(b)))
      .map((organizationId) => new Option(nameOf(organizationId), organizationId));
    control.replaceChildren(...(isFree ? [new Option("All organisations", "")] : []), ...options);
    control.disabled = !isFree;
    control.value = chosen ?? "";
  };

  const learn = (rows) => {
    const shown = () => [...known].map(nameOf).join("\n");
    const before = [shown(), chosen && nameOf(chosen)];
    for (const { organizationId, orgName } of rows) {
      if (!organizationId) continue;
      if (orgName && orgName !== UNKNOWN) names.set(organizationId, orgName);
      known.add(organizationId);
    }
    if (shown() !== before[0]) {
      if (document.activeElement !== control) draw();
      showNames();
    }
    if (chosen && nameOf(chosen) !== before[1]) named();
  };

  const load = async () => {
    // What is on the screen is asked for first.
    await whenQuiet();
    learn(await asked());
    setTimeout(load, REFRESH_MS);
  };

  control.addEventListener("change", () => choose(control.value || undefined));
  draw();
  if (isFree) setTimeout(load);
  return {
    nameOf,
    learn: (rows) => isFree && learn(rows),
    show(organizationId) {
      if (organizationId === chosen && control.options.length > 1) return;
      chosen = organizationId;
      draw();
    },
  };
}

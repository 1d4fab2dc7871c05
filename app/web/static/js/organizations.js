// The choice of an organisation in the header, and the organisations' names.

import { now } from "./clock.js";
import { units } from "./format.js";
import * as ask from "./queries.js";

const REFRESH_MS = 60_000;

/** Fill the select element with what the viewer may see; `choose(organizationId or undefined)` at a choice, `named()` when the name of the chosen one
 * becomes known. */
export function installOrganizations(control, viewer, choose, named) {
  const names = new Map();
  const isFree = viewer.organizationId === undefined;
  let chosen;

  const draw = () => {
    const ids = new Set(names.keys());
    if (chosen) ids.add(chosen);
    const options = [...ids].sort((a, b) => nameOf(a).localeCompare(nameOf(b)))
      .map((organizationId) => new Option(nameOf(organizationId), organizationId));
    control.replaceChildren(...(isFree ? [new Option("All organisations", "")] : []), ...options);
    control.disabled = !isFree;
    control.value = chosen ?? "";
  };

  const nameOf = (organizationId) => {
    const name = names.get(organizationId);
    return name && name !== "Unknown" ? name : organizationId;
  };

  const load = async () => {
    try {
      const end = now();
      const answer = await ask.organizations({ periodType: "daily", startTime: end - 30 * units.DAY, endTime: end });
      const before = chosen && nameOf(chosen);
      for (const organization of answer.organizations) names.set(organization.organizationId, organization.orgName);
      if (document.activeElement !== control) draw();
      if (chosen && nameOf(chosen) !== before) named();
    } catch (failure) {
      if (failure.status === undefined) throw failure;
    }
    setTimeout(load, REFRESH_MS);
  };

  control.addEventListener("change", () => choose(control.value || undefined));
  draw();
  if (isFree) load();
  return {
    nameOf,
    show(organizationId) {
      if (organizationId === chosen && control.options.length > 1) return;
      chosen = organizationId;
      draw();
    },
  };
}

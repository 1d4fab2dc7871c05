// Start of the page: header, tabs, and the view that the address names.

import { current, follow, go, href } from "./address.js";
import { now } from "./clock.js";
import { h, replace } from "./dom.js";
import { showConnection } from "./connection.js";
import { Live } from "./live.js";
import { installOrganizations } from "./organizations.js";
import { session, showSession, signInWhenAsked } from "./session.js";
import { installTheme } from "./theme.js";
import { artifact } from "./views/artifact.js";
import { artifacts } from "./views/artifacts.js";
import { events } from "./views/events.js";
import { metrics } from "./views/metrics.js";
import { overview } from "./views/overview.js";
import { pipeline } from "./views/pipeline.js";
import { stage } from "./views/stage.js";

const TABS = { overview: "Overview", artifacts: "Artifacts", metrics: "Metrics", events: "Events", pipeline: "Pipeline" };
const BUILDERS = { overview, artifacts, artifact, metrics, events, pipeline, stage };
const TITLES = { ...TABS, artifact: "Artifact", stage: "Stage" };
const TAB_OF = { artifact: "artifacts", stage: "pipeline" };

const live = new Live();
const main = document.getElementById("main");
let shown = null;

function showTabs(view) {
  const tabs = Object.entries(TABS).map(([name, title]) => h("li", {},
    h("a", {
      href: href(name), "data-view": name, "data-focus": name,
      "aria-current": (TAB_OF[view] ?? view) === name ? "page" : null,
    }, title)));
  const list = document.getElementById("tabs");
  replace(list, tabs);
  // On a phone the present tab may lie outside; scrollIntoView would move the page, too.
  const bar = list.parentElement;
  const present = list.querySelector("[aria-current]");
  if (present) bar.scrollLeft = present.offsetLeft + present.offsetWidth / 2 - bar.clientWidth / 2;
}

function scopeOf(query) {
  // Whoever may see one organisation sees that one, whatever the address says.
  const organizationId = viewer.organizationId ?? (query.get("organizationId") || undefined);
  const text = organizationId ? organizations.nameOf(organizationId) : "all organisations";
  return { organizationId, text };
}

function show() {
  const { view, query } = current();
  showTabs(view);
  document.title = `${TITLES[view]} · Voice Monitoring`;
  const scope = scopeOf(query);
  organizations.show(scope.organizationId);
  live.follow(scope.organizationId);
  if (shown?.view === view && shown.organizationId === scope.organizationId && shown.part.update?.(query)) return;
  const isOtherView = shown && shown.view !== view;
  shown?.part.dispose();
  const part = BUILDERS[view]({ scope, live, query, now });
  shown = { view, part, organizationId: scope.organizationId };
  const heading = h("h1", { tabindex: "-1", "data-focus": "heading", class: view in TABS ? "spoken" : "view-title" }, part.title ?? TITLES[view]);
  replace(main, heading, part.element);
  // After a step within the page a screen reader has to hear where it is.
  if (isOtherView) heading.focus({ preventScroll: true });
}

installTheme(document.getElementById("theme"));
signInWhenAsked();
const viewer = await session();
showSession(document.getElementById("session"), viewer);
document.getElementById("for-staff").hidden = viewer.scope !== "staff";
const organizations = installOrganizations(document.getElementById("organization"), viewer, (organizationId) => {
  const { view, query } = current();
  const kept = Object.fromEntries([...new Set(query.keys())].map((name) => [name, query.getAll(name)]));
  delete kept.cursor;
  go(view, { ...kept, range: query.get("range"), organizationId });
}, () => show());
live.addEventListener("events", ({ detail }) => organizations.learn(detail));
showConnection(live, document.getElementById("connection"), document.getElementById("news"));
follow(show);
show();

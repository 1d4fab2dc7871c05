// The address as the page's state: which view, which organisation, range and filters. Views can be shared by address.

const ROOT = "/view/";

/** Views by name; the first is at `/`. */
export const VIEWS = ["overview", "artifacts", "artifact", "metrics", "events", "pipeline", "stage"];

const KEPT = ["organizationId", "range"];

/** {view, query} of the present address; an unknown view is the overview. */
export function current() {
  const path = location.pathname;
  const name = path.startsWith(ROOT) ? path.slice(ROOT.length) : "overview";
  return { view: VIEWS.includes(name) ? name : "overview", query: new URLSearchParams(location.search) };
}

/** The address of a view with these parameters; organisation and range are those of now unless given. */
export function href(view, parameters = {}) {
  const now = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const name of KEPT) {
    const value = name in parameters ? parameters[name] : now.get(name);
    if (value) query.set(name, value);
  }
  for (const [name, value] of Object.entries(parameters)) {
    if (KEPT.includes(name)) continue;
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "" && each !== false) query.append(name, String(each));
    }
  }
  const text = query.toString();
  return `${view === "overview" ? "/" : ROOT + view}${text ? `?${text}` : ""}`;
}

let onChange = () => {};

/** Go to a view; `replaces` leaves no step for the back button. */
export function go(view, parameters = {}, { replaces = false } = {}) {
  const target = href(view, parameters);
  if (target !== location.pathname + location.search) {
    history[replaces ? "replaceState" : "pushState"](null, "", target);
  }
  onChange();
}

/** Start to follow the address: links within the page, the back button and `go`. */
export function follow(listener) {
  onChange = listener;
  addEventListener("popstate", listener);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-view]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.getAttribute("href") !== location.pathname + location.search) {
      history.pushState(null, "", link.getAttribute("href"));
    }
    scrollTo(0, 0);
    listener();
  });
}

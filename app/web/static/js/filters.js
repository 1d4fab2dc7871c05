// Filters above a list; their values live in the address.

import { h } from "./dom.js";

/** Epoch ms of a date-and-time field, which is read as UTC; undefined if it is empty or no time. */
export function timeOf(text) {
  const time = Date.parse(`${text}Z`);
  return text && !Number.isNaN(time) ? time : undefined;
}

const labelled = (text, control) => h("label", {}, text, control);

function choice({ name, text, options, any }, query) {
  const select = h("select", { name }, h("option", { value: "" }, any),
    options.map(([value, words]) => h("option", { value }, words)));
  select.value = query.get(name) ?? "";
  return labelled(text, select);
}

function field({ name, text, type }, query) {
  return labelled(text, h("input", { name, type, value: query.get(name) ?? "", autocomplete: "off", spellcheck: "false" }));
}

function check({ name, text }, query) {
  const box = h("input", { type: "checkbox", name, value: "1" });
  box.checked = query.get(name) === "1";
  return h("label", { class: "check" }, box, text);
}

function several({ name, text, options, any }, query) {
  const chosen = new Set(query.getAll(name));
  const said = chosen.size ? `${chosen.size} of ${options.length} types` : any;
  const boxes = options.map(([value, words]) => {
    const box = h("input", { type: "checkbox", name, value });
    box.checked = chosen.has(value);
    return h("label", {}, box, words);
  });
  const details = h("details", { class: "pick" }, h("summary", { "aria-label": `${text}: ${said}` }, said),
    h("div", { class: "list", role: "group", "aria-label": text }, boxes));
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary").focus();
  });
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
  });
  return h("div", {}, h("span", { class: "name", "aria-hidden": "true" }, text), details);
}

const CONTROLS = { choice, several, check };

function values(form, fields) {
  const data = new FormData(form);
  return Object.fromEntries(fields.map(({ name, kind }) => {
    const given = data.getAll(name).map((text) => text.trim()).filter(Boolean);
    return [name, kind === "several" ? given : given[0]];
  }));
}

/**
 * A form of `fields` [{kind: choice | several | check | text | search | datetime-local, name, text, options, any}].
 *
 * `change(values)` is called at each choice; `show(query)` brings the form up to an address.
 */
export function filterForm(fields, query, change) {
  const form = h("form", { class: "filters", role: "search", "aria-label": "Filters" });
  const clear = h("button", { type: "button", class: "button" }, "Clear filters");
  clear.addEventListener("click", () => change(Object.fromEntries(fields.map(({ name }) => [name, undefined]))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change(values(form, fields));
  });
  form.addEventListener("change", () => change(values(form, fields)));
  document.addEventListener("pointerdown", closeOthers);
  function closeOthers(event) {
    if (!form.isConnected) return document.removeEventListener("pointerdown", closeOthers);
    for (const open of form.querySelectorAll("details[open]")) if (!open.contains(event.target)) open.open = false;
  }

  const show = (now) => {
    const focused = form.contains(document.activeElement) ? document.activeElement : null;
    const open = form.querySelector("details[open]") !== null;
    form.replaceChildren(...fields.map((one) => (CONTROLS[one.kind] ?? field)({ type: one.kind, ...one }, now)), clear);
    clear.hidden = !fields.some(({ name }) => now.get(name));
    if (open) form.querySelector("details").open = true;
    if (focused?.name) {
      const same = [...form.elements].find((other) => other.name === focused.name && (other.type !== "checkbox" || other.value === focused.value));
      same?.focus({ preventScroll: true });
    }
  };
  show(query);
  return { form, show };
}

// Lists that grow by "load more", stay live at their top, and can be saved as CSV.

import { csv, save } from "./csv.js";
import { now } from "./clock.js";
import { h } from "./dom.js";
import { count, date } from "./format.js";
import { Panel } from "./panel.js";

const MOST_CSV_ROWS = 10_000;

/**
 * A panel with a list. `ask(cursor, limit, signal)` gives a page of the API, `key` a row's identity, `compare` their
 * order, `render(rows, list)` elements; `csv` is {name, columns, limit} or left out.
 */
export class Paged {
  #options;
  #rows = [];
  #cursor = "";
  #isDone = true;
  #hasMore = false;
  #open = new Set();
  #loading = false;
  #waiting = new Set();
  #fresh = null;
  #epoch = 0;

  constructor(options) {
    this.#options = options;
    const tools = [options.tools, options.csv ? this.#csvButton() : null];
    this.panel = new Panel({
      ...options, tools: h("div", { class: "panel-tools" }, tools),
      load: (signal) => this.#first(signal),
      isEmpty: () => !this.#rows.length,
      render: () => [this.#news(), options.render(this.#rows, this), this.#foot()],
    });
    this.element = this.panel.element;
  }

  dispose() {
    this.panel.dispose();
  }

  /** Ask from the beginning, because the filters have changed. */
  restart() {
    this.#epoch += 1;
    this.#loading = false;
    this.#rows = [];
    this.#hasMore = false;
    this.#open.clear();
    this.#waiting.clear();
    this.panel.restart();
  }

  /** Add rows that came live; while a reader is in the list they wait for a click. */
  add(rows) {
    this.#fresh?.push(...rows);
    if (this.panel.answer === undefined) return;
    this.#take(rows);
    this.#show();
  }

  /** True while rows may not move under a reader's eyes. */
  get #isHeld() {
    return this.#hasMore || this.#open.size > 0;
  }

  #take(rows) {
    const { key } = this.#options;
    if (!this.#isHeld) {
      this.#rows = this.#merged(rows);
      return;
    }
    const shown = new Set(this.#rows.map(key));
    for (const row of rows) if (!shown.has(key(row))) this.#waiting.add(key(row));
    this.#rows = this.#merged(rows.filter((row) => shown.has(key(row))));
  }

  /** True if the row's details are shown. */
  isOpen(key) {
    return this.#open.has(key);
  }

  /** Show or hide a row's details. */
  toggle(key) {
    if (!this.#open.delete(key)) this.#open.add(key);
    this.#show();
  }

  #show() {
    this.panel.show(() => this.#state());
  }

  #state() {
    return [this.#rows, this.#isDone, this.#loading, [...this.#open], this.#waiting.size];
  }

  async #first(signal) {
    const [{ page, isDone, continueCursor }, fresh] = await this.#asked(signal);
    if (this.#isHeld) {
      this.#take(page);
    } else {
      this.#rows = page;
      this.#rows = this.#merged(fresh);
      this.#isDone = isDone;
      this.#cursor = continueCursor;
      this.#waiting.clear();
    }
    return this.#state();
  }

  /** The newest page, and the rows that came live meanwhile: the page may be older than they are. */
  async #asked(signal) {
    const fresh = [];
    this.#fresh = fresh;
    try {
      return [await this.#options.ask(undefined, this.#options.limit, signal), fresh];
    } finally {
      if (this.#fresh === fresh) this.#fresh = null;
    }
  }

  #merged(rows) {
    const { key, compare } = this.#options;
    return [...new Map([...this.#rows, ...rows].map((row) => [key(row), row])).values()].sort(compare);
  }

  async #more() {
    const { ask, limit } = this.#options;
    const epoch = this.#epoch;
    this.#loading = true;
    this.#show();
    try {
      const { page, isDone, continueCursor } = await ask(this.#cursor, limit);
      if (epoch !== this.#epoch) return;
      this.#hasMore = true;
      this.#isDone = isDone;
      this.#cursor = continueCursor;
      this.#rows = this.#merged(page);
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      if (epoch !== this.#epoch) return;
    }
    this.#loading = false;
    this.#show();
  }

  #news() {
    const waiting = this.#waiting.size;
    if (!waiting) return null;
    return h("p", { class: "news" }, h("button", {
      type: "button", class: "button", "data-focus": "news", on: { click: () => this.restart() },
    }, `${count(waiting)} new, show from the top`));
  }

  #foot() {
    const more = this.#isDone ? null : h("button", {
      type: "button", class: "button", "data-focus": "more", "aria-disabled": String(this.#loading),
      on: { click: () => this.#loading || this.#more() },
    }, this.#loading ? "Loading …" : `Load ${this.#options.limit} more`);
    const shown = `${count(this.#rows.length)} ${this.#rows.length === 1 ? "row" : "rows"} shown`;
    return h("div", { class: "table-foot" }, h("span", { role: "status" }, this.#isDone ? `${shown}, that is all` : shown), more);
  }

  #csvButton() {
    const button = h("button", { type: "button", class: "button", title: `All rows of these filters, ${count(MOST_CSV_ROWS)} at most` }, "CSV");
    button.addEventListener("click", () => button.getAttribute("aria-disabled") === "true" || this.#save(button));
    return button;
  }

  async #save(button) {
    const { csv: { name, columns, limit }, ask, key } = this.#options;
    button.setAttribute("aria-disabled", "true");
    const rows = new Map();
    try {
      for (let cursor, isDone = false; !isDone && rows.size < MOST_CSV_ROWS;) {
        const answer = await ask(cursor, limit);
        for (const row of answer.page) rows.set(key(row), row);
        ({ isDone, continueCursor: cursor } = answer);
        button.textContent = `CSV, ${count(rows.size)} rows`;
      }
      save(`${name}-${date(now())}.csv`, csv(columns, [...rows.values()].slice(0, MOST_CSV_ROWS)));
      button.textContent = "CSV";
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      button.textContent = "CSV failed, again?";
    }
    button.setAttribute("aria-disabled", "false");
  }
}

/** A table whose rows open: `cells(row)` gives cells, `details(row)` what an open row shows below itself. */
export function openingTable({ label, head, rows, list, key, name, cells, details }) {
  const columns = head.length + 1;
  const body = rows.flatMap((row) => {
    const rowKey = key(row);
    const isOpen = list.isOpen(rowKey);
    const toggle = () => list.toggle(rowKey);
    const button = h("button", {
      type: "button", class: "expand", "aria-expanded": String(isOpen), "data-focus": `row-${rowKey}`,
      "aria-label": `Details of ${name(row)}`.slice(0, 120), on: { click: toggle },
    });
    const click = (event) => event.target.closest("a, button") || String(getSelection()) || toggle();
    const line = h("tr", { class: "opens", "data-row": rowKey, on: { click } }, h("td", {}, button), cells(row));
    return isOpen ? [line, h("tr", { class: "detail" }, h("td", { colspan: columns }, details(row)))] : [line];
  });
  return h("div", { class: "scroll", "data-scroll": label, tabindex: "0", role: "region", "aria-label": `${label}, table` }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "spoken" }, "Details")),
      head.map(([text, classes]) => h("th", { scope: "col", class: classes }, text)))),
    h("tbody", {}, body)));
}

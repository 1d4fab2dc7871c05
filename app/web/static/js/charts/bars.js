// Named bars: a share of the greatest for each, with its number.

import { h } from "../dom.js";
import { count, percent } from "../format.js";

/** A figure of `rows` [{name, value, detail}] as horizontal bars that are a table at once. */
export function namedBars({ key, title, note, head, rows, color = 1 }) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  const all = rows.reduce((sum, { value }) => sum + value, 0);
  return h("figure", { class: "chart", "data-chart": key }, h("figcaption", {}, h("h2", {}, title), h("p", { class: "note" }, note)),
    h("table", { class: "bars" },
      h("thead", { class: "spoken" }, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map(({ name, value, detail }) => h("tr", {},
        h("th", { scope: "row" }, h("bdi", {}, name)),
        h("td", { class: "track" }, value ? h("span", { class: `fill fill-${color}`, style: { width: `${(value / most) * 100}%` } }) : null),
        h("td", { class: "number" }, count(value)),
        h("td", { class: "number quiet" }, detail ?? percent(all ? value / all : 0)))))));
}

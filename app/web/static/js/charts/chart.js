// A chart over time as a figure: SVG of our own, a pointer's reading, a legend, and the same values as a table.

import { h, svg } from "../dom.js";
import { labels, periodText, ticks } from "./axes.js";
import { area, line, stackedBars } from "./marks.js";

const HEIGHT = 220;
const EDGE = { top: 10, right: 8, bottom: 24, left: 54 };

const MARKS = {
  bars: stackedBars,
  line: (plane, series) => series.flatMap((one) => line(plane, one)),
  area: (plane, series) => series.flatMap((one) => area(plane, one)),
};

function greatest(options) {
  const { series, periods, kind } = options;
  const known = (value) => value ?? 0;
  if (kind === "bars") {
    return Math.max(0, ...periods.map((_, index) => series.reduce((sum, { values }) => sum + known(values[index]), 0)));
  }
  return Math.max(0, ...series.flatMap(({ values }) => values.map(known)));
}

function drawn(options, width) {
  const { periods, series, kind, measure, format, axis = format } = options;
  const height = HEIGHT - EDGE.top - EDGE.bottom;
  const inner = Math.max(40, width - EDGE.left - EDGE.right);
  const scale = ticks(greatest(options), measure);
  const step = inner / Math.max(1, periods.length);
  const top = scale.at(-1);
  const plane = { x: (index) => index * step, y: (value) => height * (1 - value / top), step, height };
  const grid = scale.map((value) => svg("g", { class: "tick", transform: `translate(0 ${plane.y(value)})` },
    svg("line", { x2: inner }), svg("text", { x: -8, dy: "0.32em", "text-anchor": "end" }, axis(value))));
  const below = labels(periods, inner).map(({ index, text }) => svg("text", {
    class: "below", x: plane.x(index) + step / 2, y: height + 17, "text-anchor": "middle",
  }, text));
  const guide = svg("rect", { class: "guide", y: 0, height, width: step, visibility: "hidden" });
  const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": summary(options) },
    svg("g", { transform: `translate(${EDGE.left} ${EDGE.top})` }, grid, guide, MARKS[kind](plane, series, periods), below));
  return { picture, guide, plane };
}

/** What the chart shows, in one sentence. */
function summary({ title, periods, series, format }) {
  const parts = series.map(({ name, values }) => {
    const known = values.map((value, index) => [value, index]).filter(([value]) => value !== null && value !== undefined);
    if (!known.length) return `${name}: no values`;
    const [most, at] = known.reduce((best, each) => (each[0] > best[0] ? each : best));
    return `${name}: last ${format(known.at(-1)[0])}, highest ${format(most)} (${periodText(periods[at])})`;
  });
  return `${title}. ${parts.join("; ")}`;
}

function reading({ periods, series, format, total }, index) {
  const value = (one) => one.values[index];
  const text = (each) => (each === null || each === undefined ? "–" : format(each));
  const rows = series.map((one) => h("div", {}, h("span", { class: `key key-${one.color}` }, one.name), h("b", {}, text(value(one)))));
  if (total) {
    const sum = series.reduce((all, one) => all + (value(one) ?? 0), 0);
    rows.push(h("div", {}, h("span", {}, total), h("b", {}, format(sum))));
  }
  return [h("p", {}, periodText(periods[index])), rows];
}

function table({ key, title, periods, series, format, total }) {
  const text = (each) => (each === null || each === undefined ? "–" : format(each));
  const sum = (index) => series.reduce((all, { values }) => all + (values[index] ?? 0), 0);
  return h("details", { class: "as-table", "data-keep": key }, h("summary", { "data-focus": `table-${key}` }, "As a table"),
    h("div", { class: "scroll scroll-short", "data-scroll": key, tabindex: "0", role: "region", "aria-label": `${title}, as a table` }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Period (UTC)"),
        series.map(({ name }) => h("th", { scope: "col", class: "number" }, name)),
        total ? h("th", { scope: "col", class: "number" }, total) : null)),
      h("tbody", {}, periods.map((period, index) => h("tr", {}, h("th", { scope: "row" }, periodText(period)),
        series.map(({ values }) => h("td", { class: "number" }, text(values[index]))),
        total ? h("td", { class: "number" }, format(sum(index))) : null)).reverse()))));
}

function follow(plot, tip, state, options) {
  const hide = () => {
    tip.hidden = true;
    state.guide?.setAttribute("visibility", "hidden");
  };
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("pointermove", (event) => {
    const { plane, guide } = state;
    const box = plot.getBoundingClientRect();
    const index = Math.floor((event.clientX - box.left - EDGE.left) / plane.step);
    if (index < 0 || index >= options.periods.length) return hide();
    guide.setAttribute("x", plane.x(index));
    guide.setAttribute("visibility", "visible");
    tip.hidden = false;
    tip.replaceChildren(...reading(options, index).flat());
    const middle = EDGE.left + plane.x(index) + plane.step / 2;
    const isRight = middle > box.width / 2;
    tip.style.left = isRight ? "auto" : `${middle + 12}px`;
    tip.style.right = isRight ? `${box.width - middle + 12}px` : "auto";
  });
}

/**
 * A figure of `series` [{name, color 1-4, values}] over `periods` [{start, end, isOpen}].
 *
 * `kind` is bars, line or area; `measure` chooses the ticks, `format` writes a value and `axis` one beside a tick;
 * `note` says unit, window and scope; `total` names the sum of all series. Unknown values are null and stay gaps.
 */
export function chart(options) {
  const { title, note, series } = options;
  const tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const plot = h("div", { class: "plot" });
  const state = {};
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const now = Math.floor(contentRect.width);
    if (!now || now === width) return;
    width = now;
    Object.assign(state, drawn(options, width));
    plot.replaceChildren(state.picture, tip);
  }).observe(plot);
  follow(plot, tip, state, options);
  const keys = series.length > 1
    ? h("ul", { class: "legend", "aria-label": "Legend" }, series.map(({ name, color }) => h("li", { class: `key key-${color}` }, name)))
    : null;
  return h("figure", { class: "chart", "data-chart": options.key }, h("figcaption", {}, h("h2", {}, title), h("p", { class: "note" }, note)),
    plot, keys, table(options));
}

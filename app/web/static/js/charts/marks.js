// Bars, stacks, lines and areas: values and a plane to shapes. A plane is {x(index), y(value), step, height}.

import { svg } from "../dom.js";

const GAP = 0.22;

function bar(plane, index, low, high, classes) {
  const y = plane.y(high);
  return svg("rect", {
    class: classes, x: plane.x(index) + plane.step * (GAP / 2), width: Math.max(1, plane.step * (1 - GAP)),
    y, height: Math.max(0, plane.y(low) - y), rx: Math.min(2, plane.step / 6),
  });
}

/** Bars, each series on top of the one before. */
export function stackedBars(plane, series, periods) {
  return periods.flatMap((period, index) => {
    let low = 0;
    return series.flatMap(({ values, color }) => {
      const value = values[index];
      if (!value) return [];
      low += value;
      return [bar(plane, index, low - value, low, `fill-${color} ${period.isOpen ? "open" : ""}`)];
    });
  });
}

/** Runs of neighbouring values as lists of [x, y]; what is unknown is a gap. */
function runs(plane, values) {
  const found = [];
  let run = [];
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      if (run.length) found.push(run);
      run = [];
    } else {
      run.push([plane.x(index) + plane.step / 2, plane.y(value)]);
    }
  });
  if (run.length) found.push(run);
  return found;
}

const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** A line; single points are dots. */
export function line(plane, { values, color, isDashed }) {
  return runs(plane, values).map((points) => points.length === 1
    ? svg("circle", { class: `fill-${color}`, cx: points[0][0], cy: points[0][1], r: 3 })
    : svg("path", { class: `line stroke-${color} ${isDashed ? "dashed" : ""}`, d: path(points) }));
}

/** A line with the area below it. */
export function area(plane, one) {
  const shapes = runs(plane, one.values).filter((points) => points.length > 1).map((points) => {
    const [first, last] = [points[0][0], points.at(-1)[0]];
    return svg("path", { class: `area fill-${one.color}`, d: `${path(points)}L${last} ${plane.height}L${first} ${plane.height}Z` });
  });
  return [...shapes, ...line(plane, one)];
}

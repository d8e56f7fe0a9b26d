/** The chart: a curve a model by uPlot, with the place where the inputs stand. */

import { byId, make } from "./dom.js";
import { called, words } from "./language.js";
import { short, ticks, widened } from "./numbers.js";
import { drawPoints } from "./points.js";

/** @typedef {import("./curves.js").Curve} Curve */
/** @typedef {import("./catalogue.js").Example} Example */
/** @typedef {import("./catalogue.js").Input} Input */

/** How each curve is dashed: colour alone tells nothing to many. As in chart.css. */
export const DASHES = [[], [10, 5], [2, 5], [12, 4, 2, 4], [6, 3], [1, 3]];

/**
 * @typedef {object} Drawing
 * @property {Curve[]} curves
 * @property {number[]} places along the axis
 * @property {Input} axis
 * @property {import("./catalogue.js").Row} row where the inputs stand
 * @property {import("./catalogue.js").Manifest} manifest of the model that answers
 * @property {Example[]} examples
 * @property {Example | undefined} example
 * @property {(example: Example) => void} take
 */

/** What ticks may be apart: 1, 2 or 5 times a power of ten. */
const STEPS = Array.from({ length: 80 }, (_, place) => place - 40).flatMap((power) =>
  [1, 2, 5].map((each) => Number(`${each}e${power}`)),
);

/** @type {any} */
let plot;
let shape = ""; // what a plot was made for; another needs a new one
/** @type {Drawing} */
let drawing;

/** @param {Drawing} wanted */
export function drawChart(wanted) {
  drawing = wanted;
  const { curves, axis, manifest } = drawing;
  const needed = JSON.stringify([axis, manifest.model, curves.map((each) => each.manifest.model)]);
  if (needed === shape) {
    plot.setData(data());
  } else {
    plot?.destroy();
    shape = needed;
    plot = new uPlot(options(), data(), byId("chart"));
  }
}

/** x, a row of answers a model, and the interval of the one that answers. */
function data() {
  const { curves, places } = drawing;
  const { lower, upper } = answering();
  return [places, lower, upper, ...curves.map((each) => each.values)];
}

const answering = () => {
  const { curves, manifest } = drawing;
  return curves.find((each) => each.manifest.model === manifest.model) ?? curves[0];
};

function options() {
  const { curves } = drawing;
  const edge = { stroke: "transparent", width: 0, points: { show: false }, pxAlign: 0 };
  return {
    ...size(),
    legend: { show: false },
    cursor: { show: false },
    hooks: { draw: [overlay] },
    scales: { x: { time: false, range: () => [drawing.places[0], drawing.places.at(-1)] }, y: { range } },
    axes: [axis({ size: 34 }), axis({ size: wide })],
    bands: [{ series: [2, 1], fill: () => colour("--band") }],
    series: [
      {},
      edge,
      edge,
      ...curves.map(({ manifest }, place) => ({
        stroke: () => colour(`--curve-${place % DASHES.length}`),
        width: manifest.model === drawing.manifest.model ? 3 : 1.75,
        dash: DASHES[place % DASHES.length],
        points: { show: false },
        pxAlign: 0, // on whole pixels a slope would be a stair
      })),
    ],
  };
}

/** @param {object} more */
const axis = (more) => ({
  stroke: () => colour("--ink-2"),
  font: `13px ${getComputedStyle(document.body).fontFamily}`,
  grid: { stroke: () => colour("--rule"), width: 1 },
  ticks: { show: false },
  gap: 8,
  incrs: STEPS,
  splits: (/** @type {[any, number, number, number, number]} */ ...[, , low, high, step]) =>
    ticks(low, high, step),
  values: (/** @type {[any, number[], number, number, number]} */ ...[, splits, , , step]) =>
    splits.map((each) => short(each, step)),
  ...more,
});

/** Pixels that the longest number takes. @param {any} _ @param {string[] | null} texts */
const wide = (_, texts) => Math.max(44, 18 + 8 * Math.max(...(texts ?? [""]).map((each) => each.length)));

/** Of the curves and the dots. */
function range() {
  const { curves, examples } = drawing;
  const { lower, upper } = answering();
  const measured = examples.map((each) => each.value);
  return widened([...curves.map((each) => each.values), lower, upper, measured].flat());
}

/** Places over the plot, as shares of it, so that they stay where they are when it is resized. */
function overlay(/** @type {any} */ plot) {
  const { axis, row, manifest, examples, example, take } = drawing;
  const at = row[axis.name];
  const [left, right] = [plot.scales.x.min, plot.scales.x.max];
  const [bottom, top] = [plot.scales.y.min, plot.scales.y.max];
  const x = (/** @type {number} */ value) => `${((value - left) / (right - left)) * 100}%`;
  const y = (/** @type {number} */ value) => `${((top - value) / (top - bottom)) * 100}%`;
  const untrained = [[left, axis.min ?? left], [axis.max ?? right, right]].map(([from, to]) =>
    make("span", { className: "untrained", style: { "--x": x(from), "--to": x(to) } }),
  );
  const standing = [
    make("span", { className: "standing", style: { "--x": x(at) } }),
    make("span", { className: "here", style: { "--x": x(at), "--y": y(answering().here) } }),
  ];
  const seen = at >= left && at <= right;
  const marks = make("div", { className: "marks" }, ...untrained, ...(seen ? standing : []));
  plot.over.querySelector(".marks")?.remove();
  plot.over.prepend(marks);
  drawPoints(plot.over, examples, { x, y, axis, output: manifest.output, example, take });
  const [across, up] = [axis, manifest.output].map(called);
  byId("chart-unit").textContent = up.unit || up.name;
  byId("chart-axis").textContent = words.quantity(across.name, across.unit);
}

function size() {
  const width = byId("chart").clientWidth;
  return { width, height: Math.max(260, Math.min(420, width * 0.6)) };
}

/** @param {string} name of a custom property */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

new ResizeObserver(() => plot?.setSize(size())).observe(byId("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot?.redraw());

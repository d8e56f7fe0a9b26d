/** The chart: a curve a model by uPlot, with the place where the sliders stand. */

import { byId, make } from "./dom.js";
import { inputName, short, words } from "./language.js";
import { drawPoints } from "./points.js";
import { per } from "./prediction.js";

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
 * @property {import("./catalogue.js").Row} row where the sliders stand
 * @property {import("./catalogue.js").Manifest} manifest of the model that answers
 * @property {Example[]} examples
 * @property {Example | undefined} cereal
 * @property {(example: Example) => void} take
 */

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
  return [places, lower, upper, ...curves.map((each) => each.calories)];
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
    scales: { x: { time: false, range: () => [0, drawing.places.at(-1)] }, y: { range } },
    axes: [axis({ size: 34 }), axis({ size: 44 })],
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
  values: (/** @type {any} */ _, /** @type {number[]} */ splits) => splits.map(short),
  ...more,
});

/** The curves and the dots, rounded outwards so that a moved slider seldom moves the axis. */
function range() {
  const { curves, examples } = drawing;
  const { lower, upper } = answering();
  const measured = examples.map((each) => each.calories);
  const all = [...curves.map((each) => each.calories), lower, upper, measured].flat();
  return [Math.floor(Math.min(...all) / 20) * 20, Math.ceil(Math.max(...all) / 20) * 20];
}

/** Places over the plot, as shares of it, so that they stay where they are when it is resized. */
function overlay(/** @type {any} */ plot) {
  const { axis, row, manifest, examples, cereal, take } = drawing;
  const [at, unit] = [row[axis.name], words.per[per(manifest)] ?? per(manifest)];
  const [left, right] = [plot.scales.x.min, plot.scales.x.max];
  const [bottom, top] = [plot.scales.y.min, plot.scales.y.max];
  const x = (/** @type {number} */ grams) => `${((grams - left) / (right - left)) * 100}%`;
  const y = (/** @type {number} */ kcal) => `${((top - kcal) / (top - bottom)) * 100}%`;
  const untrained = [
    make("span", { className: "untrained", style: { "--x": "0%", "--to": x(axis.min) } }),
    make("span", { className: "untrained", style: { "--x": x(axis.max), "--to": "100%" } }),
  ];
  const standing = [
    make("span", { className: "standing", style: { "--x": x(at) } }),
    make("span", { className: "here", style: { "--x": x(at), "--y": y(answering().here) } }),
  ];
  const marks = make("div", { className: "marks" }, ...untrained, ...(at <= right ? standing : []));
  plot.over.querySelector(".marks")?.remove();
  plot.over.prepend(marks);
  drawPoints(plot.over, examples, axis.name, { x, y, cereal: cereal?.name, take });
  byId("chart-unit").textContent = words.kcalPer(unit);
  byId("chart-axis").textContent = words.gramsPer(inputName(axis.name), unit);
}

function size() {
  const width = byId("chart").clientWidth;
  return { width, height: Math.max(260, Math.min(420, width * 0.6)) };
}

/** @param {string} name of a custom property */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

new ResizeObserver(() => plot?.setSize(size())).observe(byId("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot?.redraw());

/** The prediction: the number, its interval on a scale of measured rows, and who answered. */

import { byId, make, tell } from "./dom.js";
import { called, language, listed, onLanguage, withUnit, words } from "./language.js";
import { answered, short, widened } from "./numbers.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */
/** @typedef {import("./catalogue.js").Example} Example */
/** @typedef {import("./catalogue.js").Input} Input */

/**
 * @typedef {object} Answer of POST /predict to one row
 * @property {number} value
 * @property {number} [lower]
 * @property {number} [upper]
 * @property {string} model
 * @property {number} version
 *
 * @typedef {object} Shown
 * @property {Answer} answer
 * @property {Manifest} manifest
 * @property {Example[]} examples
 * @property {Example | undefined} example the one that was taken, when nothing moved since
 * @property {Input[]} outside the training range
 */

const QUIET = 700; // ms without a new answer until it is said aloud

/** @type {Shown | undefined} */
let last;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let saying;

/** @param {Shown} shown */
export function showPrediction(shown) {
  last = shown;
  const { answer, manifest, example, outside } = shown;
  const text = (/** @type {number} */ value) => answered(value, manifest);
  const { unit } = called(manifest.output);
  const value = byId("value");
  value.textContent = text(answer.value);
  value.style.setProperty("--digits", String(value.textContent.length));
  byId("unit").textContent = unit;
  const bounds = [answer.lower, answer.upper].filter((each) => each !== undefined).map(text);
  tell(byId("interval"), bounds.length ? words.between(...both(bounds), tenths(manifest)) : "");
  tell(byId("measured"), example && compared(example, answer, manifest));
  tell(byId("outside"), outside.length ? words.outside(listed(outside)) : "");
  byId("version").textContent = words.version(answer.model, answer.version);
  linkReport(answer, manifest);
  drawScale(shown);
  clearTimeout(saying);
  saying = setTimeout(() => {
    byId("said").textContent = words.said(withUnit(value.textContent, unit), bounds);
  }, QUIET);
}

onLanguage(() => last && showPrediction(last));

/** @param {string[]} bounds @returns {[string, string]} */
const both = ([low, high]) => [low, high];

/** Nine of ten, for an interval of 90 %. @param {Manifest} manifest */
const tenths = ({ interval }) =>
  Number(((interval?.coverage ?? 0) * 10).toFixed(1)).toLocaleString(language);

/** @param {Example} example @param {Answer} answer @param {Manifest} manifest */
function compared({ name, value }, answer, manifest) {
  const [measured, predicted] = [value, answer.value].map((each) => answered(each, manifest));
  const off = answered(Math.abs(value - answer.value), manifest);
  const word = value > answer.value ? words.under : words.over;
  return words.measured(name, measured, measured === predicted ? words.exact : word(off));
}

/** @param {Answer} answer @param {Manifest} manifest */
function linkReport({ model, version }, { files }) {
  const link = byId("report");
  link.hidden = !("report/index.html" in files);
  link.href = `models/${model}/${version}/report`;
}

/** The interval over what was measured; nothing where there is neither. @param {Shown} shown */
function drawScale({ answer, examples, example, manifest }) {
  const { value, lower, upper } = answer;
  const { min, max } = manifest.output;
  const measured = examples.map((each) => each.value);
  const known = [...measured, lower, upper, min, max].filter((each) => typeof each === "number");
  byId("scale").hidden = !known.length;
  if (!known.length) return;
  const [first, last] = widened([...known, value]);
  const at = (/** @type {number} */ each) => `${((each - first) / (last - first)) * 100}%`;
  const mark = (/** @type {string} */ className, /** @type {number} */ each) =>
    make("span", { className, style: { "--at": at(each) } });
  const [low, high] = [lower ?? value, upper ?? value].map(at);
  byId("scale").replaceChildren(
    make("span", { className: "band", hidden: low === high, style: { "--at": low, "--to": high } }),
    ...[...new Set(measured)].map((each) => mark("tick", each)),
    mark("here", value),
    ...(example ? [mark("truth", example.value)] : []),
    make("span", { className: "end", style: { "--at": "0%" } }, short(first)),
    make("span", { className: "end last", style: { "--at": "100%" } }, short(last)),
  );
}

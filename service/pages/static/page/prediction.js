/** The prediction: the number, its interval on a scale of measured cereals, and who answered. */

import { byId, make, tell } from "./dom.js";
import { inputName, language, number, onLanguage, words } from "./language.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */
/** @typedef {import("./catalogue.js").Example} Example */

/**
 * @typedef {object} Answer of POST /explain to one row
 * @property {number} calories
 * @property {number} lower
 * @property {number} upper
 * @property {string} model
 * @property {number} version
 * @property {number} base
 * @property {Record<string, number>} contributions
 *
 * @typedef {object} Shown
 * @property {Answer} answer
 * @property {Manifest} manifest
 * @property {Example[]} examples
 * @property {Example | undefined} cereal the one that was taken, when nothing moved since
 * @property {string[]} outside the names of inputs outside the training range
 */

const QUIET = 700; // ms without a new answer until it is said aloud

/** @type {Shown | undefined} */
let last;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let saying;

/** @param {Shown} shown */
export function showPrediction(shown) {
  last = shown;
  const { answer, manifest, cereal, outside } = shown;
  const [kcal, low, high] = [answer.calories, answer.lower, answer.upper].map((each) => number(each));
  byId("calories").textContent = kcal;
  byId("unit").textContent = words.kcalPer(words.per[per(manifest)] ?? per(manifest));
  byId("interval").textContent = words.between(low, high, tenths(manifest));
  tell(byId("measured"), cereal && compared(cereal, answer));
  tell(byId("outside"), outside.length ? words.outside(outside.map(inputName).join(words.comma)) : "");
  byId("version").textContent = words.version(answer.model, answer.version);
  linkReport(answer, manifest);
  drawScale(shown);
  clearTimeout(saying);
  saying = setTimeout(() => say(words.said(kcal, low, high)), QUIET);
}

/** "a serving" of "kcal a serving". @param {Manifest} manifest */
export const per = ({ output }) => output.unit.replace(/^kcal /, "");

onLanguage(() => last && showPrediction(last));

/** Nine of ten, for an interval of 90 %. @param {Manifest} manifest */
const tenths = ({ interval }) => Number((interval.coverage * 10).toFixed(1)).toLocaleString(language);

/** @param {string} sentence */
const say = (sentence) => (byId("said").textContent = sentence);

/** @param {Example} cereal @param {Answer} answer */
function compared({ name, calories }, answer) {
  const off = Math.round(calories - answer.calories);
  const words_ = off === 0 ? words.exact : (off > 0 ? words.under : words.over)(number(Math.abs(off)));
  return words.measured(name, number(calories), words_);
}

/** @param {Answer} answer @param {Manifest} manifest */
function linkReport({ model, version }, { files }) {
  const link = byId("report");
  link.hidden = !("report/index.html" in files);
  link.href = `models/${model}/${version}/report`;
}

/** The interval over the measured calories of all cereals. @param {Shown} shown */
function drawScale({ answer, examples, cereal }) {
  const measured = examples.map((each) => each.calories);
  const first = 20 * Math.floor(Math.min(...measured, answer.lower) / 20);
  const last = 20 * Math.ceil(Math.max(...measured, answer.upper) / 20);
  const at = (/** @type {number} */ kcal) => `${((kcal - first) / (last - first)) * 100}%`;
  const mark = (/** @type {string} */ className, /** @type {number} */ kcal) =>
    make("span", { className, style: { "--at": at(kcal) } });
  byId("scale").replaceChildren(
    make("span", { className: "band", style: { "--at": at(answer.lower), "--to": at(answer.upper) } }),
    ...[...new Set(measured)].map((kcal) => mark("tick", kcal)),
    mark("here", answer.calories),
    ...(cereal ? [mark("truth", cereal.calories)] : []),
    make("span", { className: "end", style: { "--at": "0%" } }, number(first)),
    make("span", { className: "end last", style: { "--at": "100%" } }, number(last)),
  );
}

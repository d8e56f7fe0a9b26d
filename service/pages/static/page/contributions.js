/** What each input adds, as bars that lead from the average row to the prediction. */

import { byId, make } from "./dom.js";
import { called, onLanguage, words } from "./language.js";
import { grain, part } from "./numbers.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */

/**
 * @typedef {object} Explained what POST /explain answers to one row
 * @property {number} value
 * @property {number} base
 * @property {Record<string, number>} contributions
 * @property {number} [standard_error] where the values are sampled
 */

const MOST = 10; // bars: of more inputs, the largest, and the sum of the others

/** @type {[Explained, Manifest] | undefined} */
let last;

/** @param {Explained} answer @param {Manifest} manifest */
export function showContributions(answer, manifest) {
  last = [answer, manifest];
  const { base, value } = answer;
  let sum = base;
  const steps = largest(answer, manifest).map(([name, change]) => {
    const from = sum;
    sum += change;
    return { name, from, to: sum, change };
  });
  const ends = [base, value, ...steps.map((each) => each.to)];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const size = grain(Math.max(Math.abs(base), Math.abs(value)), manifest);
  const room = Math.max((high - low) * 0.08, size);
  const at = (/** @type {number} */ place) =>
    `${((place - low + room) / (high - low + 2 * room)) * 100}%`;
  const total = (/** @type {string} */ name, /** @type {number} */ place) =>
    line("total", name, at(place), at(place), part(place, size));
  byId("contributions").replaceChildren(
    make("caption", { className: "unseen" }, words.contributions(called(manifest.output).unit)),
    total(words.average, base),
    ...steps.map(({ name, from, to, change }) => {
      const [start, end] = [Math.min(from, to), Math.max(from, to)];
      const text = part(change, size, "exceptZero");
      return line(direction(text), name, at(start), at(end), text);
    }),
    total(words.sum, value),
  );
  const error = answer.standard_error;
  byId("why-hint").textContent = error === undefined ? words.exactly : words.sampled(part(error, size));
}

/**
 * Names and what they add, in the order of the inputs, or of many the largest first.
 * @param {Explained} answer @param {Manifest} manifest @returns {[string, number][]}
 */
function largest({ contributions }, { inputs }) {
  /** @type {[string, number][]} */
  const all = inputs.map((each) => [called(each).name, contributions[each.name]]);
  if (all.length <= MOST) return all;
  all.sort(([, one], [, two]) => Math.abs(two) - Math.abs(one));
  const others = all.splice(MOST);
  return [...all, [words.others(others.length), others.reduce((sum, [, each]) => sum + each, 0)]];
}

/** What is shown as 0.0 goes neither way. @param {string} text with its sign */
function direction(text) {
  if (text.startsWith("+")) return "raises";
  return text.startsWith("−") ? "lowers" : "";
}

/** @param {string} kind @param {string} name @param {string} from @param {string} to @param {string} text */
function line(kind, name, from, to, text) {
  const bar = make("span", { className: "bar", style: { "--at": from, "--to": to } });
  return make(
    "tr",
    { className: kind },
    make("th", { scope: "row" }, make("span", {}, name)),
    make("td", { className: "track", "aria-hidden": "true" }, bar),
    make("td", { className: "change" }, text),
  );
}

onLanguage(() => last && showContributions(...last));

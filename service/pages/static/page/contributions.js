/** What each input adds, as bars that lead from the average cereal to the prediction. */

import { byId, make } from "./dom.js";
import { inputName, number, onLanguage, signed, words } from "./language.js";

/** @typedef {import("./prediction.js").Answer} Answer */

/** @type {Answer | undefined} */
let last;

/** @param {Answer} answer */
export function showContributions(answer) {
  last = answer;
  const { base, contributions, calories } = answer;
  let sum = base;
  const steps = Object.entries(contributions).map(([name, kcal]) => {
    const from = sum;
    sum += kcal;
    return { name: inputName(name), from, to: sum, kcal };
  });
  const ends = [base, calories, ...steps.map((each) => each.to)];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = Math.max((high - low) * 0.08, 2);
  const at = (/** @type {number} */ kcal) =>
    `${((kcal - low + room) / (high - low + 2 * room)) * 100}%`;
  byId("contributions").replaceChildren(
    make("caption", { className: "unseen" }, words.contributions),
    line("total", words.average, at(base), at(base), number(base, 1)),
    ...steps.map(({ name, from, to, kcal }) =>
      line(
        direction(kcal),
        name,
        at(Math.min(from, to)),
        at(Math.max(from, to)),
        signed(kcal),
      ),
    ),
    line("total", words.sum, at(calories), at(calories), number(calories, 1)),
  );
}

/** What is shown as 0.0 goes neither way. @param {number} kcal */
function direction(kcal) {
  if (signed(kcal) === number(0, 1)) return "";
  return kcal < 0 ? "lowers" : "raises";
}

/** @param {string} kind @param {string} name @param {string} from @param {string} to @param {string} text */
function line(kind, name, from, to, text) {
  const bar = make("span", { className: "bar", style: { "--at": from, "--to": to } });
  return make(
    "tr",
    { className: kind },
    make("th", { scope: "row" }, name),
    make("td", { className: "track", "aria-hidden": "true" }, bar),
    make("td", { className: "kcal" }, text),
  );
}

onLanguage(() => last && showContributions(last));

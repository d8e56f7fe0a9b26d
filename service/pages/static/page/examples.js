/** The picker: a row of the training data sets the inputs. */

import { byId, make } from "./dom.js";
import { onLanguage, words } from "./language.js";

/** @typedef {import("./catalogue.js").Example} Example */

/** @type {Example[]} */
let sorted = [];

/** @param {Example[]} examples @param {(example: Example) => void} take */
export function startExamples(examples, take) {
  sorted = examples.toSorted((one, two) => one.name.localeCompare(two.name, "en", { numeric: true }));
  byId("examples").hidden = byId("dots").hidden = !sorted.length;
  list();
  byId("example").onchange = () => take(sorted[byId("example").value]);
}

/** Show which row is taken, or none. @param {Example | undefined} example */
export function showExample(example) {
  byId("example").value = example ? String(sorted.indexOf(example)) : "";
}

function list() {
  const select = byId("example");
  const chosen = select.value;
  const none = make("option", { value: "", disabled: true, hidden: true }, words.anyExample);
  const options = sorted.map(({ name }, place) => make("option", { value: String(place) }, name));
  select.replaceChildren(none, ...options);
  select.value = chosen;
}

onLanguage(list);

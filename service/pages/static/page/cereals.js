/** The picker: a cereal of the training data sets the sliders. */

import { byId, make } from "./dom.js";
import { onLanguage, words } from "./language.js";

/** @typedef {import("./catalogue.js").Example} Example */

/** @type {Example[]} */
let sorted = [];

/** @param {Example[]} examples @param {(example: Example) => void} take */
export function startCereals(examples, take) {
  sorted = examples.toSorted((one, two) => one.name.localeCompare(two.name, "en"));
  byId("cereals").hidden = !sorted.length;
  list();
  byId("cereal").onchange = () => take(sorted[byId("cereal").value]);
}

/** Show which cereal is taken, or none. @param {Example | undefined} cereal */
export function showCereal(cereal) {
  byId("cereal").value = cereal ? String(sorted.indexOf(cereal)) : "";
}

function list() {
  const select = byId("cereal");
  const chosen = select.value;
  const none = make("option", { value: "", disabled: true, hidden: true }, words.anyCereal);
  const options = sorted.map(({ name }, place) => make("option", { value: String(place) }, name));
  select.replaceChildren(none, ...options);
  select.value = chosen;
}

onLanguage(list);

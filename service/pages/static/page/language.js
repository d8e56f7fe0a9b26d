/** English or Chinese: by the browser's wish, or as it was chosen here before. */

import { chinese, page } from "./chinese.js";
import { byId } from "./dom.js";
import { english } from "./english.js";
import { keep, recall } from "./kept.js";

const CHOSEN = "language";
const FEW = 12; // names that a sentence can hold

export let words = english;
export let language = "en";

/** @type {Array<() => void>} */
const listeners = [];

/** Call `listener` each time the language was changed. @param {() => void} listener */
export const onLanguage = (listener) => void listeners.push(listener);

/** Speak what was chosen here before, else what the browser wants; wire the switch. */
export function startLanguage() {
  speak(recall("localStorage", CHOSEN) ?? preferred());
  byId("language").addEventListener("click", () => {
    speak(language === "en" ? "zh-CN" : "en");
    keep("localStorage", CHOSEN, language);
  });
}

/**
 * What a quantity is called, its unit, and a sentence about it: in the page's language where its
 * manifest has it.
 * @param {import("./catalogue.js").Quantity} quantity
 */
export function called({ words, ...itself }) {
  const own = words[language] ?? words[language.slice(0, 2)] ?? itself;
  return {
    name: own.name || itself.name,
    unit: own.unit || itself.unit,
    description: own.description || itself.description,
  };
}

/** @param {string} number @param {string} unit may be empty */
export const withUnit = (number, unit) => (unit ? `${number} ${unit}` : number);

/** A few names, or how many there are. @param {import("./catalogue.js").Quantity[]} quantities */
export function listed(quantities) {
  if (quantities.length > FEW) return words.inputs(quantities.length);
  return new Intl.ListFormat(language).format(quantities.map((each) => called(each).name));
}

/** @param {string} wanted */
function speak(wanted) {
  language = wanted;
  words = language === "en" ? english : chinese;
  document.documentElement.lang = language;
  const other = byId("language");
  other.textContent = words.otherLanguage;
  other.lang = language === "en" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-say]")) translate(element);
  for (const listener of listeners) listener();
}

/** The document is written in English, and remembers it. @param {any} element */
function translate(element) {
  element.dataset.english ??= element.textContent;
  element.textContent = language === "en" ? element.dataset.english : page[element.dataset.say];
}

function preferred() {
  const known = navigator.languages.find((each) => /^(en|zh)\b/i.test(each));
  return known && /^zh/i.test(known) ? "zh-CN" : "en";
}

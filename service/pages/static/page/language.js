/** English or Chinese: by the browser's wish, or as it was chosen here before. */

import { chinese, page } from "./chinese.js";
import { byId } from "./dom.js";
import { english } from "./english.js";
import { keep, recall } from "./kept.js";

const CHOSEN = "language";

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

/** A number with so many digits after the point. @param {number} value */
export function number(value, digits = 0) {
  return value.toLocaleString(language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** Grams, kcal: a number with as many digits as it needs. @param {number} value */
export const short = (value) => value.toLocaleString(language, { maximumFractionDigits: 2 });

/** A number with its sign, a true minus; nothing has none. @param {number} value */
export function signed(value, digits = 1) {
  const size = number(Math.abs(value), digits);
  if (size === number(0, digits)) return size;
  return (value < 0 ? "−" : "+") + size;
}

/** What an input is called; one that was named by its trainer keeps that name. @param {string} name */
export const inputName = (name) => words.inputs[name] ?? name;

/** @param {string} wanted */
function speak(wanted) {
  language = wanted;
  words = language === "en" ? english : chinese;
  document.documentElement.lang = language;
  document.title = words.documentTitle;
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

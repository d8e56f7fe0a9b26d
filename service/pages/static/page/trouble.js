/** When the service is down or busy, or wants a key: one banner says so until it answers again. */

import { byId, make } from "./dom.js";
import { KEY, keep, recall } from "./kept.js";
import { onLanguage, words } from "./language.js";

/** @typedef {"" | "down" | "busy" | "key" | "trying" | "said"} Kind */

/** @type {Kind} */
let kind = "";

/** Questions that wait, and go on when this is called. @type {Set<() => void>} */
const waiting = new Set();

/** The key that is sent; kept for this tab only. */
export let key = recall("sessionStorage", KEY) ?? "";

/** Say a sentence until the service answers again. @param {string} sentence */
export function say(sentence) {
  show("said");
  byId("trouble").replaceChildren(make("p", {}, sentence));
}

/** The service answered; the banner goes when no other question still waits. */
export function over() {
  if (kind && !waiting.size) show("");
}

/**
 * Say what is wrong and come back after some seconds, or when asked to; rejects when aborted.
 * @param {"down" | "busy"} what @param {number} seconds @param {AbortSignal | null} [signal]
 */
export function wait(what, seconds, signal) {
  show(what);
  return pause(signal, (go) => setTimeout(go, seconds * 1000));
}

/** Ask for a key and come back when one was given. @param {AbortSignal | null} [signal] */
export function wantKey(signal) {
  show("key");
  return pause(signal);
}

/**
 * @param {AbortSignal | null} [signal]
 * @param {(go: () => void) => void} [also] another way to go on
 * @returns {Promise<void>}
 */
function pause(signal, also = () => {}) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      waiting.delete(go);
      reject(signal?.reason);
    };
    const go = () => {
      waiting.delete(go);
      signal?.removeEventListener("abort", stop);
      resolve();
    };
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop);
    waiting.add(go);
    also(go);
  });
}

/** @param {Kind} what */
function show(what) {
  if (kind === what) return;
  kind = what;
  document.body.dataset.trouble = kind;
  render();
}

function render() {
  const banner = byId("trouble");
  banner.hidden = !kind;
  if (kind === "key") askForKey(banner);
  else if (kind === "down" || kind === "busy") banner.replaceChildren(make("p", {}, words[kind]), again());
}

const again = () =>
  make("button", { type: "button", className: "quiet", onclick: goOn }, words.again);

/** @param {HTMLElement} banner */
function askForKey(banner) {
  const typing = banner.contains(document.activeElement);
  const field = make("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const form = make(
    "form",
    { className: "key" },
    make("label", { htmlFor: "key" }, words.keyLabel),
    field,
    make("button", { className: "button" }, words.keyUse),
  );
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    key = field.value.trim();
    keep("sessionStorage", KEY, key);
    show("trying"); // the form stays until the key was taken or refused
    goOn();
  });
  const sentence = make("p", {}, key ? words.keyRefused : words.keyWanted);
  banner.replaceChildren(sentence, form, make("p", { className: "hint" }, words.keyKept));
  if (typing) field.focus();
}

function goOn() {
  for (const go of [...waiting]) go();
}

onLanguage(render);

/** A slider and a number field for each input, with the training range marked; of many, fields. */

import { byId, make } from "./dom.js";
import { called, onLanguage, withUnit, words } from "./language.js";
import { nice, short, widened } from "./numbers.js";

/** @typedef {import("./catalogue.js").Input} Input */
/** @typedef {import("./catalogue.js").Row} Row */

/** With more inputs than this they are a table of fields. */
export const SLIDERS = 12;
const LARGEST = 3.4028234663852886e38; // of a float32

/** @type {Row} */
export const row = Object.create(null); // an input may be named __proto__

/** @type {Map<string, Part>} */
const parts = new Map();

let drawnFor = { names: "", inputs: "" };

/** @typedef {{input: Input, slider: any, field: any, unit: any, label: any, hint: any, taken: boolean, taker: string}} Part */

/**
 * Draw the inputs; `changed` is called when a person changed one. Those of another output or of
 * other names start anew.
 * @param {Input[]} inputs @param {string} output @param {() => void} changed
 */
export function startInputs(inputs, output, changed) {
  const now = { names: [output, ...inputs.map((each) => each.name)].join(), inputs: JSON.stringify(inputs) };
  const before = drawnFor;
  if (now.names === before.names && now.inputs === before.inputs) return;
  drawnFor = now;
  if (now.names !== before.names) for (const name of parts.keys()) delete row[name];
  parts.clear();
  const drawn = inputs.map((input) => {
    if (!isAccepted(input, row[input.name])) row[input.name] = middle(input);
    return draw(input, changed);
  });
  const list = byId("inputs");
  list.classList.toggle("many", inputs.length > SLIDERS);
  list.replaceChildren(...drawn);
  list.onpaste = (/** @type {ClipboardEvent} */ event) => paste(event, changed);
  label();
}

onLanguage(label);

/** Move the inputs to a row. @param {Row} wanted */
export function setRow(wanted) {
  for (const [name, part] of parts) if (name in wanted) put(part, String(wanted[name]));
}

/** Dim the inputs that a model does not take. @param {string} model @param {Input[]} inputs */
export function limitTo(model, inputs) {
  for (const [name, part] of parts) {
    part.taken = inputs.some((each) => each.name === name);
    part.taker = model;
    part.slider.disabled = part.field.disabled = !part.taken;
  }
  label();
}

/** The inputs that lie outside a model's training range, where it is known. @param {Input[]} inputs @param {Row} row */
export const outside = (inputs, row) =>
  inputs.filter(({ name, min, max }) => row[name] < (min ?? -LARGEST) || row[name] > (max ?? LARGEST));

/**
 * From where to where the slider and the chart of an input go: a quarter beyond what training
 * saw; where nobody knows that, around 0 to beyond the value.
 * @param {Input} input @param {number} value @returns {[number, number]}
 */
export function reach(input, value) {
  const [least, most] = accepted(input);
  const { min, max } = input;
  const size = nice(2 * Math.abs(value) || 10);
  const [low, high] = min === null || max === null ? [-size, size] : beyond(min, max);
  const within = /** @type {[number, number]} */ ([Math.max(low, least), Math.min(high, most)]);
  return within[0] < within[1] ? within : [least, most];
}

/** @param {number} min @param {number} max */
function beyond(min, max) {
  const room = (max - min || Math.abs(max) || 1) / 4;
  return widened([min < 0 ? min - room : Math.max(min - room, 0), max + room]);
}

/** @param {Input} input @returns {[number, number]} */
const accepted = ({ accept }) => accept ?? [-LARGEST, LARGEST];

/** @param {Input} input @param {number} value NaN and undefined are not */
function isAccepted(input, value) {
  const [least, most] = accepted(input);
  return value >= least && value <= most;
}

/** Where an input starts: the median of training, if that is accepted. @param {Input} input */
function middle(input) {
  const [least, most] = accepted(input);
  return Math.min(Math.max(input.quantiles["0.5"] ?? input.mean ?? 0, least), most);
}

/** @param {Input} input @param {() => void} changed */
function draw(input, changed) {
  const { name } = input;
  const described = { "aria-describedby": `hint-${name}` };
  const field = make("input", {
    id: `input-${name}`, type: "number", step: "any", inputMode: "decimal", ...described,
  });
  const slider = make("input", { id: `slider-${name}`, type: "range", ...described });
  const part = {
    input, slider, field, taken: true, taker: "",
    label: make("label", { htmlFor: field.id }),
    unit: make("span", { "aria-hidden": "true" }),
    hint: make("p", { id: `hint-${name}`, className: "hint" }),
  };
  slider.addEventListener("input", () => {
    field.value = slider.value;
    if (take(part)) changed();
  });
  field.addEventListener("input", () => {
    if (put(part, field.value)) changed();
  });
  parts.set(name, part);
  put(part, String(row[name]));
  return make(
    "div",
    { className: "input" },
    part.label,
    make("span", { className: "field" }, field, part.unit),
    slider,
    part.hint,
  );
}

/** Show a text in a field, its slider beside it, and take it. @param {Part} part @param {string} text */
function put(part, text) {
  const { input, slider, field } = part;
  if (field.value !== text) field.value = asNumber(text);
  const right = take(part);
  const [low, high] = reach(input, row[input.name]);
  Object.assign(slider, { min: low, max: high, step: nice((high - low) / 50) });
  slider.value = String(row[input.name]);
  const share = (/** @type {number | null} */ place) => String(((place ?? low) - low) / (high - low));
  slider.style.setProperty("--from", share(input.min));
  slider.style.setProperty("--to", share(input.max));
  return right;
}

/** As a field takes it; nothing for what is no number. @param {string} text */
const asNumber = (text) => (text && Number.isFinite(Number(text)) ? String(Number(text)) : "");

/** A number that cannot be is said to be wrong, and the last good one stays. @param {Part} part */
function take(part) {
  const value = part.field.value === "" ? Number.NaN : Number(part.field.value);
  const right = isAccepted(part.input, value);
  part.field.setAttribute("aria-invalid", String(!right));
  if (right) row[part.input.name] = value;
  mark(part);
  return right;
}

/**
 * Cells of a spreadsheet fill the fields from here on, or by their names where those stand above.
 * @param {ClipboardEvent} event @param {() => void} changed
 */
function paste(event, changed) {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  const [first, ...rest] = text.trimEnd().split(/\r?\n/).map((line) => line.split("\t"));
  const cells = [first, ...rest].flat();
  if (cells.length === 1) return; // a number, as into any field
  event.preventDefault();
  const named = first.some((cell) => parts.has(cell.trim()));
  const names = named ? first.map((cell) => cell.trim()) : [...parts.keys()];
  const from = Math.max(names.indexOf(/** @type {any} */ (event.target).id.replace("input-", "")), 0);
  const given = named ? (rest[0] ?? []) : cells;
  for (const [place, cell] of given.entries()) {
    const part = parts.get(names[named ? place : from + place]);
    if (part) put(part, cell.trim());
  }
  changed();
}

/** @param {Part} part */
function mark(part) {
  const { input, slider, field, hint, taken, taker } = part;
  const { unit, description } = called(input);
  const wrong = field.getAttribute("aria-invalid") === "true";
  slider.setAttribute("aria-valuetext", withUnit(short(row[input.name]), unit));
  hint.classList.toggle("wrong", wrong);
  if (!taken) hint.textContent = words.notTaken(taker);
  else if (wrong) hint.textContent = words.number(...bounds(input));
  else hint.textContent = [description, trained(input, unit)].filter(Boolean).join(" · ");
}

/** @param {Input} input @returns {[string, string]} empty where a float32 ends */
function bounds(input) {
  const [low, high] = accepted(input);
  return [low > -LARGEST ? short(low) : "", high < LARGEST ? short(high) : ""];
}

/** @param {Input} input @param {string} unit */
const trained = ({ min, max }, unit) =>
  min === null || max === null ? "" : words.trainedOn(short(min), withUnit(short(max), unit));

function label() {
  for (const part of parts.values()) {
    const { name, unit } = called(part.input);
    part.label.textContent = name;
    part.unit.textContent = unit;
    part.slider.setAttribute("aria-label", words.slider(name));
    mark(part);
  }
}

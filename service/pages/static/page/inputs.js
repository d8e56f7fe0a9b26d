/** A slider and a number field for each input, with the training range marked. */

import { byId, make } from "./dom.js";
import { inputName, onLanguage, short, words } from "./language.js";

/** @typedef {import("./catalogue.js").Input} Input */
/** @typedef {import("./catalogue.js").Row} Row */

const LARGEST = Number(document.documentElement.dataset.largest); // grams; the service takes no more

/** @type {Row} */
export const row = {};

/** @type {Map<string, Part>} */
const parts = new Map();

/** @typedef {{input: Input, slider: any, field: any, unit: any, label: any, hint: any, taken: boolean, taker: string}} Part */

/**
 * Draw the inputs; `changed` is called when a person moved one.
 * @param {Input[]} inputs @param {() => void} changed
 */
export function startInputs(inputs, changed) {
  if (JSON.stringify(inputs) === JSON.stringify([...parts.values()].map((each) => each.input))) return;
  parts.clear();
  const drawn = inputs.map((input) => {
    row[input.name] ??= Math.round(input.quantiles["0.5"] ?? input.min);
    return draw(input, changed);
  });
  byId("inputs").replaceChildren(...drawn);
  label();
}

onLanguage(label);

/** Move the sliders to a row. @param {Row} wanted */
export function setRow(wanted) {
  for (const [name, part] of parts) {
    if (!(name in wanted)) continue;
    row[name] = wanted[name];
    part.field.value = String(wanted[name]);
    part.slider.value = String(wanted[name]);
    part.field.setAttribute("aria-invalid", "false");
    mark(part);
  }
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

/** The inputs whose grams lie outside a model's training range. @param {Input[]} inputs @param {Row} row */
export const outside = (inputs, row) =>
  inputs.filter(({ name, min, max }) => row[name] < min || row[name] > max);

/** The end of an input's slider: beyond the training range, rounded up. @param {Input} input */
export function end({ max }) {
  const wanted = Math.max(max * 1.25, 1);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((each) => each * power >= wanted);
  return Math.min((step ?? 10) * power, LARGEST);
}

/** @param {Input} input @param {() => void} changed */
function draw(input, changed) {
  const { name } = input;
  const last = end(input);
  const step = last > 50 ? 1 : 0.5;
  const field = make("input", {
    id: `input-${name}`, type: "number", min: 0, max: LARGEST, step: "any", inputMode: "decimal",
    "aria-describedby": `hint-${name}`,
  });
  const slider = make("input", {
    id: `slider-${name}`, type: "range", min: 0, max: last, step,
    "aria-describedby": `hint-${name}`,
    style: { "--from": String(input.min / last), "--to": String(input.max / last) },
  });
  const part = {
    input, slider, field, taken: true, taker: "",
    label: make("label", { htmlFor: field.id }),
    unit: make("span", { "aria-hidden": "true" }),
    hint: make("p", { id: `hint-${name}`, className: "hint" }),
  };
  slider.addEventListener("input", () => {
    field.value = slider.value;
    take(part, changed);
  });
  field.addEventListener("input", () => {
    slider.value = field.value;
    take(part, changed);
  });
  field.value = slider.value = String(row[name]);
  parts.set(name, part);
  mark(part);
  return make(
    "div",
    { className: "input" },
    part.label,
    make("span", { className: "field" }, field, part.unit),
    slider,
    part.hint,
  );
}

/** A number that cannot be is said to be wrong, and the last good one stays. @param {Part} part @param {() => void} changed */
function take(part, changed) {
  const value = part.field.value === "" ? Number.NaN : Number(part.field.value);
  const right = value >= 0 && value <= LARGEST;
  part.field.setAttribute("aria-invalid", String(!right));
  if (right) {
    row[part.input.name] = value;
    changed();
  }
  mark(part);
}

/** @param {Part} part */
function mark(part) {
  const { input, slider, field, hint, taken, taker } = part;
  const wrong = field.getAttribute("aria-invalid") === "true";
  slider.setAttribute("aria-valuetext", `${short(row[input.name])} ${words.gram}`);
  hint.classList.toggle("wrong", wrong);
  if (!taken) hint.textContent = words.notTaken(taker);
  else if (wrong) hint.textContent = words.grams(short(LARGEST));
  else hint.textContent = words.trainedOn(short(input.min), short(input.max));
}

function label() {
  for (const part of parts.values()) {
    const name = inputName(part.input.name);
    part.label.textContent = name;
    part.unit.textContent = words.gram;
    part.slider.setAttribute("aria-label", words.slider(name));
    mark(part);
  }
}

/** Numbers as people read them, whatever their size. */

import { language } from "./language.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */

/** The smallest of 1, 2 and 5 times a power of ten that is no less. @param {number} size above 0 */
export function nice(size) {
  const power = Math.floor(Math.log10(size));
  const steps = [1, 2, 5, 10].map((each) => clean(each * 10 ** power));
  return /** @type {number} */ (steps.find((step) => step >= size) ?? steps.at(-1));
}

/**
 * A range widened to nice numbers: axes and scales seldom move when a value does.
 * @param {number[]} values @returns {[number, number]}
 */
export function widened(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const step = nice((high - low || Math.abs(high) || 1) / 6);
  const [first, last] = [Math.floor(low / step), Math.ceil(high / step)];
  return first < last ? [clean(first * step), clean(last * step)] : [low - step, high + step];
}

/** Places from `low` to `high`, a step apart. @param {number} low @param {number} high @param {number} step */
export function ticks(low, high, step) {
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, place) => clean((first + place) * step));
}

/** Without what binary fractions leave behind: 0.3 for 0.30000000000000004. @param {number} value */
const clean = (value) => Number(value.toPrecision(12));

/** Places after the point that a step of this size needs; negative above 1. @param {number} step */
const places = (step) => -Math.floor(Math.log10(step) + 1e-9);

/** Four digits, or as many as tell it from another a `step` away. @param {number} value */
export const short = (value, step = Math.abs(value) / 1000) => written(value, places(step || 1));

/** An answer, as exact as it is worth. @param {number} value @param {Manifest} manifest */
export function answered(value, manifest) {
  const digits = places(grain(value, manifest));
  return written(value, digits, digits);
}

/**
 * What an answer is put together from, with a digit more.
 * @param {number} value @param {number} size of a grain @param {"negative" | "exceptZero"} [sign]
 */
export function part(value, size, sign) {
  const digits = places(size) + 1;
  return written(value, digits, digits, sign);
}

/**
 * A hundredth of what answers differ by, or of an answer where nobody knows: less would only
 * look exact.
 * @param {number} value @param {Manifest} manifest
 */
export function grain(value, { output, interval }) {
  const known = 10 * (interval?.half_width ?? 0) || (output.max ?? 0) - (output.min ?? 0);
  return (known || Math.abs(value) || 1) / 100;
}

/**
 * @param {number} value @param {number} most digits after the point @param {number} [least]
 * @param {"negative" | "exceptZero"} [signDisplay]
 */
function written(value, most, least = 0, signDisplay = "negative") {
  const size = Number(Math.abs(value).toFixed(between(0, most, 100)));
  if (!size && most > 6) return "0";
  const far = size >= 1e9 || (most > 6 && size < 1e-4);
  const digits = far
    ? { maximumSignificantDigits: between(1, most - places(size) + 1, 17) }
    : { minimumFractionDigits: between(0, least, 20), maximumFractionDigits: between(0, most, 20) };
  const notation = far ? "scientific" : "standard";
  // signDisplay "negative" is younger than the types of TypeScript.
  const options = /** @type {Intl.NumberFormatOptions} */ ({ ...digits, notation, signDisplay });
  return value.toLocaleString(language, options).replaceAll("-", "−");
}

/** @param {number} least @param {number} value @param {number} most */
const between = (least, value, most) => Math.min(Math.max(value, least), most);

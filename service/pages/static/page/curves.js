/** The curves: what every model answers along one input while the others are held. */

import { post } from "./api.js";
import { address, taken } from "./catalogue.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */
/** @typedef {import("./catalogue.js").Row} Row */

/** @typedef {{manifest: Manifest, calories: number[], lower: number[], upper: number[], here: number}} Curve
 *   kcal at each place, and `here` where the sliders stand */

const STEPS = 120; // fine enough that the bend of a ReLU is where it is

/** The places along an input, from 0 to `last`. @param {number} last */
export const grid = (last) => Array.from({ length: STEPS + 1 }, (_, step) => (last * step) / STEPS);

/**
 * Ask every model; one that does not take the input answers with a level line.
 * @param {Manifest[]} models @param {Row} row @param {string} axis @param {number[]} places
 * @param {AbortSignal} signal @returns {Promise<Curve[]>}
 */
export function ask(models, row, axis, places, signal) {
  return Promise.all(
    models.map(async (manifest) => {
      const columns = Object.entries(taken(manifest, row)).map(([name, grams]) => [
        name,
        [...(name === axis ? places : places.map(() => grams)), grams],
      ]);
      const body = Object.fromEntries(columns);
      const { calories, lower, upper } = await post(address("predict", manifest), body, signal);
      const here = calories.pop();
      return { manifest, calories, lower: lower.slice(0, -1), upper: upper.slice(0, -1), here };
    }),
  );
}

/** The curves: what every model answers along one input while the others are held. */

import { post } from "./api.js";
import { address, taken } from "./catalogue.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */
/** @typedef {import("./catalogue.js").Row} Row */

/** @typedef {{manifest: Manifest, values: number[], lower: number[], upper: number[], here: number}} Curve
 *   the answer at each place, and `here` where the inputs stand; without an interval a band of no width */

const STEPS = 120; // fine enough that the bend of a ReLU is where it is

/** The places along an input. @param {[number, number]} reach */
export const grid = ([low, high]) =>
  Array.from({ length: STEPS + 1 }, (_, step) => low + ((high - low) * step) / STEPS);

/**
 * Ask every model; one that does not take the input answers with a level line.
 * @param {Manifest[]} models @param {Row} row @param {string} axis @param {number[]} places
 * @param {AbortSignal} signal @returns {Promise<Curve[]>}
 */
export function ask(models, row, axis, places, signal) {
  return Promise.all(
    models.map(async (manifest) => {
      const columns = Object.entries(taken(manifest, row)).map(([name, value]) => [
        name,
        [...(name === axis ? places : places.map(() => value)), value],
      ]);
      const body = Object.fromEntries(columns);
      const answer = await post(address("predict", manifest), body, signal);
      const all = answer[manifest.output.name];
      const [values, lower, upper] = [all, answer.lower ?? all, answer.upper ?? all].map((column) =>
        column.slice(0, -1),
      );
      return { manifest, values, lower, upper, here: all.at(-1) };
    }),
  );
}

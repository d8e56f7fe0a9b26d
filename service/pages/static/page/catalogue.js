/** What is served: the models with their inputs, and the rows they were trained on. */

import { ask, get, Refused } from "./api.js";

/**
 * @typedef {{name: string, unit: string, min: number, max: number, quantiles: Record<string, number>}} Input
 * @typedef {object} Manifest
 * @property {string} model
 * @property {number} version
 * @property {Input[]} inputs
 * @property {{unit: string}} output
 * @property {{coverage: number}} interval
 * @property {{hidden: number[], activation: string, members: number}} architecture
 * @property {{source: string, rows: number}} data
 * @property {Record<string, string>} files
 *
 * @typedef {Record<string, number>} Row grams by input
 * @typedef {{name: string, row: Row, calories: number}} Example a training row, measured
 * @typedef {{models: Manifest[], inputs: Input[]}} Catalogue
 *   the models with the default one first, the inputs that any of them takes
 */

/** @returns {Promise<Catalogue>} */
export async function load() {
  const { models: listed, default: preferred } = await get("models");
  const served = listed
    .map((/** @type {any} */ each) => ({ ...each, version: each.labels.stable }))
    .filter((/** @type {any} */ each) => isLoaded(each))
    .sort((/** @type {any} */ one) => (one.name === preferred ? -1 : 0));
  const models = await Promise.all(
    served.map((/** @type {any} */ each) => get(`models/${each.name}/${each.version}`)),
  );
  const inputs = new Map(models.flatMap((each) => each.inputs).map((each) => [each.name, each]));
  for (const each of models[0]?.inputs ?? []) inputs.set(each.name, each); // its ranges are shown
  return { models, inputs: [...inputs.values()] };
}

/** @param {{version: number, versions: {version: number, state: string}[]}} model */
const isLoaded = ({ version, versions }) =>
  versions.some((each) => each.version === version && each.state === "loaded");

/** Rows of a version's training data; none for a version that shows none. @param {Manifest} manifest */
export async function examples({ model, version, files }) {
  if (!("training.csv" in files)) return [];
  try {
    const response = await ask(`models/${model}/${version}/training`);
    const { data } = Papa.parse((await response.text()).trim(), { header: true });
    return data.map(example);
  } catch (error) {
    if (error instanceof Refused) return [];
    throw error;
  }
}

/** @param {Record<string, string>} cells @returns {Example} */
function example({ name, calories, ...row }) {
  const grams = Object.entries(row).map(([input, cell]) => [input, Number(cell)]);
  return {
    name: name.replaceAll("_", " "),
    row: Object.fromEntries(grams),
    calories: Number(calories),
  };
}

/** The part of a row that a model takes. @param {Manifest} manifest @param {Row} row @returns {Row} */
export const taken = ({ inputs }, row) =>
  Object.fromEntries(inputs.map(({ name }) => [name, row[name]]));

/** Where a model's `stable` answers: one version for all parts of the page. @param {string} what */
export const address = (what, /** @type {{model: string}} */ { model }) =>
  `${what}?model=${model}&label=stable`;

/** What is served: the models with their inputs, and the rows they were trained on. */

import { ask, get, Refused } from "./api.js";

/**
 * @typedef {object} Words what a quantity is called in a language
 * @property {string} name
 * @property {string} unit
 * @property {string} description
 *
 * @typedef {object} Known of a quantity
 * @property {Record<string, Words>} words
 * @property {number | null} min in training, as max and mean; null where nobody knows
 * @property {number | null} max
 * @property {number | null} mean
 * @property {Record<string, number>} quantiles
 *
 * @typedef {Words & Known} Quantity the output, or an input
 * @typedef {Quantity & {accept: [number, number] | null}} Input
 *
 * @typedef {object} Manifest
 * @property {string} model
 * @property {number} version
 * @property {Input[]} inputs
 * @property {Quantity} output
 * @property {{coverage: number, half_width: number} | null} interval
 * @property {{hidden: number[], activation: string, members: number} | null} architecture
 * @property {{source: string, rows: number} | null} data
 * @property {Record<string, string>} files
 *
 * @typedef {Record<string, number>} Row numbers by input
 * @typedef {{name: string, row: Row, value: number}} Example a training row, measured
 * @typedef {{models: Manifest[], inputs: Input[], widest: Manifest}} Family
 *   models that one chart can hold, the inputs that any of them takes, and one that takes most
 */

const MOST = 500; // rows to take; training writes no more

/** The models, the default one first. @returns {Promise<Manifest[]>} */
export async function load() {
  const { models: listed, default: preferred } = await get("models");
  const served = listed
    .map((/** @type {any} */ each) => ({ ...each, version: each.labels.stable }))
    .filter((/** @type {any} */ each) => isLoaded(each))
    .sort((/** @type {any} */ one) => (one.name === preferred ? -1 : 0));
  return Promise.all(
    served.map((/** @type {any} */ each) => get(`models/${each.name}/${each.version}`)),
  );
}

/** @param {{version: number, versions: {version: number, state: string}[]}} model */
const isLoaded = ({ version, versions }) =>
  versions.some((each) => each.version === version && each.state === "loaded");

/**
 * The models that answer the same as this one and take some or all of its inputs, or more.
 * @param {Manifest[]} served @param {Manifest} model @returns {Family}
 */
export function family(served, model) {
  const models = served.filter(
    (each) => same(each.output, model.output) && (within(each, model) || within(model, each)),
  );
  const widest = models.reduce((one, two) => (two.inputs.length > one.inputs.length ? two : one));
  const inputs = new Map();
  for (const each of [widest, ...models, model]) { // its own ranges are shown
    for (const input of each.inputs) inputs.set(input.name, input);
  }
  return { models, inputs: [...inputs.values()], widest };
}

/** @param {Quantity} one @param {Quantity} two */
const same = (one, two) => one.name === two.name && one.unit === two.unit;

/** @param {Manifest} few @param {Manifest} many */
const within = (few, many) =>
  few.inputs.every((each) => many.inputs.some((other) => same(each, other)));

/** Rows of a version's training data; none for a version that shows none. @param {Manifest} manifest */
export async function examples({ model, version, files }) {
  if (!("training.csv" in files)) return [];
  try {
    const response = await ask(`models/${model}/${version}/training`);
    const [header, ...rows] = Papa.parse((await response.text()).trim()).data;
    const names = header.slice(1, -1);
    return rows.slice(0, MOST).map((/** @type {string[]} */ cells) => example(names, cells));
  } catch (error) {
    if (error instanceof Refused) return [];
    throw error;
  }
}

/** @param {string[]} inputs @param {string[]} cells a name, the inputs, what was measured @returns {Example} */
function example(inputs, [name, ...cells]) {
  return {
    name: name.replaceAll("_", " "),
    row: Object.fromEntries(inputs.map((input, place) => [input, Number(cells[place])])),
    value: Number(cells.at(-1)),
  };
}

/** The part of a row that a model takes. @param {Manifest} manifest @param {Row} row @returns {Row} */
export const taken = ({ inputs }, row) =>
  Object.fromEntries(inputs.map(({ name }) => [name, row[name]]));

/** Where a model's `stable` answers: one version for all parts of the page. @param {string} what */
export const address = (what, /** @type {{model: string}} */ { model }) =>
  `${what}?model=${model}&label=stable`;

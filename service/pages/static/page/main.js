/**
 * The page's beginning: loads what is served, and draws again whatever a person changes.
 *
 *   api        asks the service          trouble    says when it does not answer
 *   catalogue  what is served            latest     the newest question only
 *   inputs     sliders and fields        cereals    the picker
 *   prediction, contributions, legend    what came back
 *   curves, chart, points                the picture
 *   first      asked before the rest
 *   file, code                           whole tables, own programs
 *   language   English and Chinese       dom        small helpers
 */

import { Refused } from "./api.js";
import { examples, load, taken } from "./catalogue.js";
import { showCereal, startCereals } from "./cereals.js";
import { drawChart } from "./chart.js";
import { showCode, startCode } from "./code.js";
import { showContributions } from "./contributions.js";
import { ask, grid } from "./curves.js";
import { byId, make, tell } from "./dom.js";
import { scoreBy, startFile } from "./file.js";
import { askFirst, explain } from "./first.js";
import { end, limitTo, outside, row, setRow, startInputs } from "./inputs.js";
import { inputName, onLanguage, short, startLanguage, words } from "./language.js";
import { latest } from "./latest.js";
import { drawLegend } from "./legend.js";
import { showPrediction } from "./prediction.js";
import { say } from "./trouble.js";

/** @typedef {import("./catalogue.js").Example} Example */
/** @typedef {import("./catalogue.js").Manifest} Manifest */

/** @type {import("./catalogue.js").Catalogue} */
let catalogue;
/** @type {Manifest} the model that answers */
let model;
/** @type {Example[]} */
let cereals = [];
/** @type {Example | undefined} the cereal that was taken, when nothing moved since */
let cereal;
/** @type {import("./chart.js").Drawing | undefined} */
let picture;
let axis = "";
let renewing = false;

async function start() {
  startLanguage();
  askFirst();
  startFile();
  startCode();
  await renew();
  onLanguage(() => {
    if (!model) return;
    listAxes();
    showPicture();
    showSource();
  });
}

/** Learn what is served, at first and when a version answers that is not known yet. */
async function renew() {
  renewing = false;
  try {
    await learn();
  } catch (error) {
    failed(error);
  }
}

async function learn() {
  catalogue = await load();
  if (!catalogue.models.length) {
    renewSoon();
    return say(words.noModel);
  }
  byId("main").classList.remove("waiting");
  startInputs(catalogue.inputs, moved);
  const options = catalogue.models.map((each) => make("option", { value: each.model }, each.model));
  byId("model").replaceChildren(...options);
  byId("model").onchange = () => choose(byId("model").value);
  listAxes();
  choose(model?.model);
  cereals = await examples(catalogue.models[0]);
  startCereals(cereals, take);
  byId("dots").hidden = !cereals.length;
  refresh();
}

/** Workers move to a new version within a second of each other: wait for all. */
function renewSoon() {
  if (!renewing) setTimeout(renew, 1500);
  renewing = true;
}

/** A person moved a slider or typed: no cereal is taken any more. */
function moved() {
  cereal = undefined;
  refresh();
}

/** @param {Example} example */
function take(example) {
  cereal = example;
  setRow(example.row);
  refresh();
}

/** Answer by this model from now on. @param {string} [name] */
function choose(name) {
  model = catalogue.models.find((each) => each.model === name) ?? catalogue.models[0];
  byId("model").value = model.model;
  limitTo(model.model, model.inputs);
  scoreBy(model);
  showSource();
  refresh();
}

/** Show or ask for all that depends on the sliders. */
function refresh() {
  showCereal(cereal);
  showCode(model === catalogue.models[0] ? "" : model.model, taken(model, row));
  const now = { model, cereal, row: { ...row } };
  predict(now);
  draw(now);
}

/** @typedef {{model: Manifest, cereal: Example | undefined, row: import("./catalogue.js").Row}} Now */

const predict = latest(async (signal, /** @type {Now} */ now) => {
  const { model, cereal, row } = now;
  const answer = await explain(model, taken(model, row), signal);
  const beyond = outside(model.inputs, row).map((each) => each.name);
  showPrediction({ answer, manifest: model, examples: cereals, cereal, outside: beyond });
  showContributions(answer);
  performance.mark("answer");
  if (answer.version !== model.version) renewSoon();
}, failed);

const draw = latest(async (signal, /** @type {Now} */ { model, cereal, row }) => {
  const { models, inputs } = catalogue;
  const input = inputs.find((each) => each.name === axis) ?? inputs[0];
  const places = grid(end(input));
  const curves = await ask(models, row, input.name, places, signal);
  picture = { curves, places, axis: input, row, manifest: model, examples: cereals, cereal, take };
  showPicture();
}, failed);

/** @param {unknown} error */
function failed(error) {
  if (!(error instanceof Refused)) throw error;
  if (error.status === 404) return renewSoon();
  say(words.refused(error.message));
  if (!model) renewSoon(); // nothing is seen yet, and nothing a person does would ask again
}

function showPicture() {
  if (!picture) return;
  const { axis, row, manifest, curves } = picture;
  const others = manifest.inputs.filter((each) => each.name !== axis.name);
  const held = others.map(({ name }) => `${inputName(name)} ${short(row[name])} ${words.gram}`);
  tell(byId("held"), held.length ? words.held(held.join(words.comma)) : "");
  drawLegend(curves, manifest.model);
  drawChart(picture);
}

/** The inputs that the chart can run along, as radio buttons. */
function listAxes() {
  axis ||= catalogue.inputs[0].name;
  const legend = byId("axis").querySelector("legend");
  const choices = catalogue.inputs.map(({ name }) => {
    const radio = make("input", {
      type: "radio", name: "axis", value: name, checked: name === axis,
      onchange: () => {
        axis = name;
        refresh();
      },
    });
    return make("label", {}, radio, make("span", {}, inputName(name)));
  });
  byId("axis").replaceChildren(legend, ...choices);
}

function showSource() {
  const { source, rows } = model.data;
  byId("source").textContent = words.sources[source] ?? words.source(rows, source);
}

start();

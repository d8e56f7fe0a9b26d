/**
 * The page's beginning: loads what is served, and draws again whatever a person changes.
 *
 *   api        asks the service          trouble    says when it does not answer
 *   catalogue  what is served            latest     the newest question only
 *   inputs     sliders and fields        examples   the picker
 *   prediction, contributions, legend    what came back
 *   curves, chart, points                the picture
 *   first      asked before the rest
 *   file, code                           whole tables, own programs
 *   language   English and Chinese       numbers    of any size
 *   dom        small helpers
 */

import { post, Refused } from "./api.js";
import { address, examples, family, load, taken } from "./catalogue.js";
import { drawChart } from "./chart.js";
import { showCode, startCode } from "./code.js";
import { showContributions } from "./contributions.js";
import { ask, grid } from "./curves.js";
import { byId, make, tell } from "./dom.js";
import { showExample, startExamples } from "./examples.js";
import { scoreBy, startFile } from "./file.js";
import { askFirst, predict } from "./first.js";
import { limitTo, outside, reach, row, setRow, SLIDERS, startInputs } from "./inputs.js";
import { called, listed, onLanguage, startLanguage, words } from "./language.js";
import { latest } from "./latest.js";
import { drawLegend } from "./legend.js";
import { short } from "./numbers.js";
import { showPrediction } from "./prediction.js";
import { say } from "./trouble.js";

/** @typedef {import("./catalogue.js").Example} Example */
/** @typedef {import("./catalogue.js").Manifest} Manifest */

/** @type {Manifest[]} the default model first */
let served = [];
/** @type {Manifest} the model that answers */
let model;
/** @type {import("./catalogue.js").Family} what is shown beside it */
let kin;
/** @type {Example[]} */
let shown = [];
let shownOf = ""; // the version whose rows they are
/** @type {Example | undefined} the row that was taken, when nothing moved since */
let example;
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
    describe();
    showPicture();
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
  served = await load();
  if (!served.length) {
    renewSoon();
    return say(words.noModel);
  }
  byId("main").classList.remove("waiting");
  const options = served.map((each) => make("option", { value: each.model }, each.model));
  byId("model").replaceChildren(...options);
  byId("model").onchange = () => choose(byId("model").value);
  await choose(model?.model);
}

/** Workers move to a new version within a second of each other: wait for all. */
function renewSoon() {
  if (!renewing) setTimeout(renew, 1500);
  renewing = true;
}

/** A person moved a slider or typed: no row of the training data is taken any more. */
function moved() {
  example = undefined;
  refresh();
}

/** @param {Example} wanted */
function take(wanted) {
  example = wanted;
  setRow(wanted.row);
  refresh();
}

/** Answer by this model from now on. @param {string} [name] */
async function choose(name) {
  model = served.find((each) => each.model === name) ?? served[0];
  kin = family(served, model);
  byId("model").value = model.model;
  startInputs(kin.inputs, model.output.name, moved);
  limitTo(model.model, model.inputs);
  scoreBy(model);
  if (!kin.inputs.some((each) => each.name === axis)) axis = kin.inputs[0].name;
  describe();
  const { widest } = kin;
  const of = `${widest.model} ${widest.version}`;
  if (of !== shownOf) forget();
  refresh();
  if (of === shownOf) return;
  shownOf = of;
  const found = await examples(widest);
  if (of !== shownOf) return; // another was chosen meanwhile
  shown = found;
  startExamples(shown, take);
  refresh();
}

/** The rows shown are of another model. */
function forget() {
  shown = [];
  example = picture = undefined;
  startExamples(shown, take);
}

/** Say what the chosen model does, from its manifest. */
function describe() {
  const { name, description } = called(model.output);
  document.title = byId("title").textContent = words.title(name);
  byId("lead").textContent = `${description} ${words.lead(listed(model.inputs))}`;
  const { source, rows } = model.data ?? { source: "", rows: 0 };
  byId("source").textContent = source && words.source(rows, source);
  byId("why").hidden = !explained(model);
  listAxes(words.against(name));
}

/** Whether anyone knows what to explain against. @param {Manifest} manifest */
const explained = ({ inputs }) => inputs.every((each) => each.mean !== null);

/** Show or ask for all that depends on the inputs. */
function refresh() {
  showExample(example);
  showCode(model === served[0] ? "" : model.model, taken(model, row), model.output.name);
  const now = { model, kin, example, row: { ...row } };
  answer(now);
  draw(now);
}

/** @typedef {{model: Manifest, kin: import("./catalogue.js").Family, example: Example | undefined, row: import("./catalogue.js").Row}} Now */

const answer = latest(async (signal, /** @type {Now} */ now) => {
  const { model, example, row } = now;
  const found = await predict(model, taken(model, row), signal);
  const value = found[model.output.name];
  showPrediction({
    answer: { ...found, value }, manifest: model, examples: shown, example,
    outside: outside(model.inputs, row),
  });
  performance.mark("answer");
  if (explained(model)) explain(now);
  if (found.version !== model.version) renewSoon();
}, failed);

const explain = latest(async (signal, /** @type {Now} */ { model, row }) => {
  const found = await post(address("explain", model), taken(model, row), signal);
  showContributions({ ...found, value: found[model.output.name] }, model);
}, failed);

const draw = latest(async (signal, /** @type {Now} */ { model, kin, example, row }) => {
  const input = kin.inputs.find((each) => each.name === axis) ?? kin.inputs[0];
  const places = grid(reach(input, row[input.name]));
  const curves = await ask(kin.models, row, input.name, places, signal);
  picture = { curves, places, axis: input, row, manifest: model, examples: shown, example, take };
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
  const held =
    others.length > SLIDERS
      ? [listed(others)]
      : others.map((each) => `${called(each).name} ${short(row[each.name])}`);
  tell(byId("held"), held.length ? words.held(held.join(words.comma)) : "");
  drawLegend(curves, manifest);
  drawChart(picture);
}

/** The inputs that the chart can run along: buttons, or of many a list. @param {string} title */
function listAxes(title) {
  const legend = make("legend", {}, title);
  const change = (/** @type {string} */ name) => {
    axis = name;
    refresh();
  };
  const names = kin.inputs.map((each) => ({ value: each.name, text: called(each).name }));
  if (names.length > SLIDERS) {
    const options = names.map(({ value, text }) => make("option", { value }, text));
    const list = make("select", { onchange: () => change(list.value), "aria-label": title }, ...options);
    list.value = axis;
    return byId("axis").replaceChildren(legend, list);
  }
  const choices = names.map(({ value, text }) => {
    const checked = value === axis;
    const onchange = () => change(value);
    const radio = make("input", { type: "radio", name: "axis", value, checked, onchange });
    return make("label", {}, radio, make("span", {}, text));
  });
  byId("axis").replaceChildren(legend, ...choices);
}

start();

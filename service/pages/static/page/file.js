/** Scoring a CSV file: its input columns go to POST /predict, the answers come back beside them. */

import { ask, Refused } from "./api.js";
import { address } from "./catalogue.js";
import { byId, make } from "./dom.js";
import { onLanguage, words } from "./language.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */

const LARGEST = 50 * 1024 * 1024; // bytes; a page should not hold more
const CELLS = 60_000; // a request; the service takes more, a person sees it move
const PATIENCE = 60; // seconds for one of them

/** A file that is not as it must be, with a sentence a fault. */
class Faulty extends Error {
  /** @param {string} sentence @param {string[]} [faults] */
  constructor(sentence, faults = []) {
    super(sentence);
    this.faults = faults;
  }
}

/** @type {Manifest | undefined} */
let scorer;
let link = "";
/** @type {AbortController | undefined} */
let running;

/** Score by this model from now on. @param {Manifest} manifest */
export function scoreBy(manifest) {
  scorer = manifest;
  hint();
}

/** Wire the drop zone and the button. */
export function startFile() {
  const zone = byId("drop");
  const chosen = byId("csv");
  chosen.addEventListener("change", () => {
    if (chosen.files[0]) score(chosen.files[0]);
    chosen.value = ""; // the same file, mended, is a change again
  });
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    zone.addEventListener(name, (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragenter" || name === "dragover");
    });
  }
  zone.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    const file = event.dataTransfer?.files[0];
    if (file) score(file);
  });
  onLanguage(hint);
}

function hint() {
  if (scorer) byId("file-hint").textContent = words.columns(names(scorer).join(words.comma));
}

/** @param {Manifest} manifest */
const names = (manifest) => manifest.inputs.map((each) => each.name);

/** @param {File} file */
async function score(file) {
  if (!scorer) return;
  running?.abort(); // a file that is dropped later is the one that is meant
  const { signal } = (running = new AbortController());
  say(make("p", {}, words.scoring(file.name)));
  try {
    const table = read(file.name, await text(file), names(scorer));
    const answers = await predicted(table, scorer, signal);
    offer(file.name, table, answers);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Faulty)) throw error;
    const faults = error.faults.map((each) => make("li", {}, each));
    say(make("p", { className: "wrong" }, error.message), make("ul", {}, ...faults));
  }
}

/** @param {File} file */
async function text(file) {
  if (file.size > LARGEST) throw new Faulty(words.tooLarge(file.name));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Faulty(words.unreadable);
  }
}

/**
 * @typedef {object} Table
 * @property {string[]} header
 * @property {string[][]} rows
 * @property {number[]} places of the inputs in a row
 */

/** @param {string} name @param {string} content @param {string[]} inputs @returns {Table} */
function read(name, content, inputs) {
  const { data } = Papa.parse(content, { skipEmptyLines: true });
  const [header = [], ...rows] = /** @type {string[][]} */ (data);
  const trimmed = header.map((each) => each.trim());
  const places = inputs.map((each) => trimmed.indexOf(each));
  const missing = inputs.filter((_, place) => places[place] < 0);
  if (missing.length) {
    const found = trimmed.join(words.comma);
    throw new Faulty(words.noColumn(name, missing.join(words.comma), found));
  }
  if (!rows.length) throw new Faulty(words.noRows(name));
  const ragged = rows.flatMap((row, place) =>
    row.length === header.length ? [] : [words.ragged(place + 1, header.length, row.length)],
  );
  if (ragged.length) throw new Faulty(words.nothingScored, ragged.slice(0, 10));
  return { header, rows, places };
}

/**
 * A line of answers a row.
 * @param {Table} table @param {Manifest} manifest @param {AbortSignal} signal
 * @returns {Promise<string[][]>}
 */
async function predicted({ rows, places }, manifest, signal) {
  const answers = [];
  const step = Math.ceil(CELLS / places.length);
  for (let start = 0; start < rows.length; start += step) {
    const part = rows.slice(start, start + step).map((row) => places.map((place) => row[place]));
    try {
      const response = await ask(address("predict", manifest), {
        method: "POST",
        headers: { "content-type": "text/csv" },
        body: Papa.unparse({ fields: names(manifest), data: part }),
        patience: PATIENCE,
        signal,
      });
      const [header, ...lines] = Papa.parse((await response.text()).trim()).data;
      if (!start) answers.push(header);
      answers.push(...lines);
    } catch (error) {
      if (error instanceof Refused) throw new Faulty(words.nothingScored, told(error, start));
      throw error;
    }
  }
  return answers;
}

/** The service's faults, `width[17]` counted in the whole file. @param {Refused} refused @param {number} start */
function told(refused, start) {
  if (!refused.faults.length) return [refused.message];
  return refused.faults.map(({ field, expected, received }) => {
    const [, column, row] = field.match(/^(.*)\[(\d+)\]$/) ?? [];
    const where = column ? words.place(Number(row) + start + 1, column) : field;
    return words.fault(where, expected, received);
  });
}

/** @param {string} name @param {Table} table @param {string[][]} answers with their header */
function offer(name, { header, rows }, answers) {
  const whole = [header, ...rows].map((row, place) => [...row, ...answers[place]]);
  URL.revokeObjectURL(link);
  link = URL.createObjectURL(new Blob([Papa.unparse(whole, { newline: "\n" }), "\n"], { type: "text/csv" }));
  const download = name.replace(/(\.csv)?$/i, ".scored.csv");
  say(
    make("p", {}, words.scored(rows.length, name)),
    make("a", { className: "button", href: link, download }, words.download),
  );
}

/** @param {...Node} nodes */
const say = (...nodes) => byId("scored").replaceChildren(...nodes);

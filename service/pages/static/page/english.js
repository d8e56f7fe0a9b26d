/** What the scripts say, in English; what the document itself says stands in its HTML. */

/** @type {Record<string, string>} */
const inputs = { sugar: "sugar", fiber: "fiber", protein: "protein" };

/** @param {number} n @param {string} one */
const count = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

export const english = {
  documentTitle: "The calorie service",
  otherLanguage: "中文",
  inputs,
  comma: ", ",
  /** @type {Record<string, string>} */
  per: { "a serving": "a serving", "per 100 g": "per 100 g" },

  /** @param {string} name */
  slider: (name) => `${name}, slider`,
  /** @param {string} low @param {string} high */
  trainedOn: (low, high) => `trained on ${low} to ${high} g`,
  /** @param {string} model */
  notTaken: (model) => `${model} does not take it`,
  /** @param {string} largest */
  grams: (largest) => `a number from 0 to ${largest}`,
  anyCereal: "choose …",

  /** @param {string} low @param {string} high @param {string} tenths */
  between: (low, high, tenths) =>
    `${low} to ${high}; of held-out cereals ${tenths} in 10 lay within theirs`,
  /** @param {string} kcal @param {string} low @param {string} high */
  said: (kcal, low, high) => `${kcal} kilocalories, between ${low} and ${high}`,
  /** @param {string} name @param {string} measured @param {string} off */
  measured: (name, measured, off) => `${name}: ${measured} kcal on its package, ${off}`,
  /** @param {string} kcal */
  over: (kcal) => `${kcal} less than predicted`,
  /** @param {string} kcal */
  under: (kcal) => `${kcal} more than predicted`,
  exact: "as predicted",
  /** @param {string} names */
  outside: (names) => `Outside what the model was trained on: ${names}. Do not trust this much.`,
  /** @param {string} model @param {number} version */
  version: (model, version) => `${model}, version ${version}`,

  contributions: "What each input adds to the prediction, in kcal",
  input: "input",
  change: "kcal",
  average: "average cereal",
  sum: "prediction",

  /** @param {string} held */
  held: (held) => `Held where they are: ${held}.`,
  /** @param {string} kcal */
  kcal: (kcal) => `${kcal} kcal`,
  gram: "g",
  /** @param {string} per */
  kcalPer: (per) => `kcal ${per}`,
  /** @param {string} name @param {string} per */
  gramsPer: (name, per) => `${name}, g ${per}`,
  points: "Cereals in the chart; arrow keys move, Enter takes one",
  /** @param {string} names @param {string} kcal @param {string} grams @param {string} input */
  point: (names, kcal, grams, input) => `${names}: ${kcal} kcal, ${grams} g ${input}`,
  /** @param {number} n */
  andMore: (n) => `and ${n} more`,
  straightLine: "one unit: a straight line",
  plane: "one unit: the edge of a plane",
  /** @param {string} widths @param {string} activation */
  stack: (widths, activation) => `${widths} ${activation}: bends where one wakes`,
  /** @param {number} members @param {string} widths @param {string} activation */
  stacks: (members, widths, activation) =>
    `the mean of ${members} stacks of ${widths} ${activation}`,
  and: " and ",

  /** @param {string} columns */
  columns: (columns) =>
    `With the columns ${columns}, in grams; others are carried through. The answers come as new columns.`,
  /** @param {string} name */
  scoring: (name) => `Scoring ${name} …`,
  /** @param {number} rows @param {string} name */
  scored: (rows, name) => `${count(rows, "row")} of ${name} scored.`,
  download: "Download the scored CSV",
  /** @param {string} name @param {string} columns @param {string} found */
  noColumn: (name, columns, found) => `${name} has no column ${columns}; it has: ${found}.`,
  /** @param {string} name */
  noRows: (name) => `${name} has no rows below its header.`,
  /** @param {string} name */
  tooLarge: (name) =>
    `${name} is over 50 MB: python -m service.batch scores a file of any size.`,
  /** @param {number} line @param {number} expected @param {number} found */
  ragged: (line, expected, found) =>
    `row ${line}: expected ${expected} cells as in the header, received ${found}`,
  /** @param {number} line @param {string} column */
  place: (line, column) => `row ${line}, ${column}`,
  /** @param {string} where @param {string} expected @param {string} received */
  fault: (where, expected, received) => `${where}: expected ${expected}, received ${received}`,
  nothingScored: "Nothing was scored; mend these and try again:",
  unreadable: "This file cannot be read as text.",
  copied: "Copied.",

  down: "The service does not answer. The page keeps asking.",
  busy: "The service is busy. The page asks again by itself.",
  again: "Ask now",
  keyWanted: "This service asks for a key.",
  keyRefused: "The service refused this key.",
  keyLabel: "Key",
  keyUse: "Use it",
  keyKept: "It is kept until this tab is closed, and sent to this service only.",
  /** @type {Record<string, string>} */
  sources: {
    cereals:
      "Trained on the 80 Cereals table: breakfast cereals as their packages described them in 1993, from the Python package dmba (MIT licence).",
  },
  /** @param {number} rows @param {string} source */
  source: (rows, source) => `Trained on ${count(rows, "row")} of ${source}.`,
  noModel: "No model is loaded; the log of the service says why.",
  /** @param {string} sentence */
  refused: (sentence) => `The service refused: ${sentence}`,
};

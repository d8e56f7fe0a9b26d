/** What the scripts say, in English; what the document itself says stands in its HTML. */

/** @param {number} n @param {string} one */
const count = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

export const english = {
  otherLanguage: "中文",
  comma: ", ",
  /** @param {string} output */
  title: (output) => `Predict ${output}`,
  /** @param {string} inputs */
  lead: (inputs) => `From ${inputs}.`,
  /** @param {number} n */
  inputs: (n) => count(n, "input"),

  /** @param {string} name */
  slider: (name) => `${name}, slider`,
  /** @param {string} low @param {string} high with its unit */
  trainedOn: (low, high) => `trained on ${low} to ${high}`,
  /** @param {string} model */
  notTaken: (model) => `${model} does not take it`,
  /** @param {string} low @param {string} high empty where any number is taken */
  number(low, high) {
    if (low && high) return `a number from ${low} to ${high}`;
    if (low) return `a number from ${low} up`;
    return high ? `a number up to ${high}` : "a number";
  },
  anyExample: "choose …",

  /** @param {string} low @param {string} high @param {string} tenths */
  between: (low, high, tenths) =>
    `${low} to ${high}; of held-out rows ${tenths} in 10 lay within theirs`,
  /** @param {string} value with its unit @param {string[]} bounds none without an interval */
  said: (value, bounds) => (bounds.length ? `${value}, between ${bounds.join(" and ")}` : value),
  /** @param {string} name @param {string} measured @param {string} off */
  measured: (name, measured, off) => `${name}: measured ${measured}, ${off}`,
  /** @param {string} off */
  over: (off) => `${off} less than predicted`,
  /** @param {string} off */
  under: (off) => `${off} more than predicted`,
  exact: "as predicted",
  /** @param {string} names */
  outside: (names) => `Outside what the model was trained on: ${names}. Do not trust this much.`,
  /** @param {string} model @param {number} version */
  version: (model, version) => `${model}, version ${version}`,

  /** @param {string} unit */
  contributions: (unit) => `What each input adds to the prediction${unit && `, in ${unit}`}`,
  average: "average row",
  /** @param {number} n */
  others: (n) => count(n, "other"),
  sum: "prediction",

  exactly: "Exact Shapley values, against a row that is average in everything.",
  /** @param {string} error */
  sampled: (error) =>
    `Sampled Shapley values (standard error ${error} or less), against a row that is average in everything.`,

  /** @param {string} held */
  held: (held) => `Held where they are: ${held}.`,
  /** @param {string} output */
  against: (output) => `${output} against`,
  /** @param {string} name @param {string} unit */
  quantity: (name, unit) => (unit ? `${name}, ${unit}` : name),
  points: "Rows in the chart; arrow keys move, Enter takes one",
  /** @param {string} names @param {string} output @param {string} input */
  point: (names, output, input) => `${names}: ${output}, ${input}`,
  /** @param {number} n */
  andMore: (n) => `and ${n} more`,
  straightLine: "one unit: a straight line",
  plane: "one unit: the edge of a plane",
  /** @param {string} widths @param {string} activation */
  stack: (widths, activation) => `${widths} ${activation}: bends where one wakes`,
  /** @param {number} members @param {string} widths @param {string} activation */
  stacks: (members, widths, activation) =>
    `the mean of ${members} stacks of ${widths} ${activation}`,

  /** @param {string} columns */
  columns: (columns) =>
    `With the columns ${columns}; others are carried through. The answers come as new columns.`,
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
  /** @param {number} rows @param {string} source */
  source: (rows, source) => `Trained on ${count(rows, "row")} of ${source}.`,
  noModel: "No model is loaded; the log of the service says why.",
  /** @param {string} sentence */
  refused: (sentence) => `The service refused: ${sentence}`,
};

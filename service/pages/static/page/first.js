/** The first question, asked while the page still learns what is served: its document has the row. */

import { post } from "./api.js";
import { address } from "./catalogue.js";

const { defaultModel: model = "", firstRow = "" } = document.documentElement.dataset;
const row = firstRow && JSON.parse(firstRow);
const stop = new AbortController();

/** @type {Promise<any> | undefined} */
let early;

/** Ask it; when it cannot be answered the page asks again, and tells why. */
export function askFirst() {
  if (!row) return;
  early = post(address("predict", { model }), row, stop.signal).catch(() => undefined);
}

/**
 * What POST /predict answers to a row: the early answer when the first question is this one.
 * @param {{model: string}} manifest @param {import("./catalogue.js").Row} wanted
 * @param {AbortSignal} signal
 */
export async function predict(manifest, wanted, signal) {
  const first = early;
  early = undefined;
  if (first && manifest.model === model && JSON.stringify(wanted) === JSON.stringify(row)) {
    signal.addEventListener("abort", () => stop.abort());
    const answer = await first;
    if (answer) return answer;
  }
  return post(address("predict", manifest), wanted, signal);
}

/** The first question, asked while the page still learns what is served: its document has the row. */

import { post } from "./api.js";
import { address } from "./catalogue.js";

const { defaultModel: model = "", firstRow = "" } = document.documentElement.dataset;
const stop = new AbortController();

/** @type {Promise<any> | undefined} */
let early;

/** Ask it; when it cannot be answered the page asks again, and tells why. */
export function askFirst() {
  if (!firstRow) return;
  const asked = post(address("explain", { model }), JSON.parse(firstRow), stop.signal);
  early = asked.catch(() => undefined);
}

/**
 * What POST /explain answers to a row: the early answer when the first question is this one.
 * @param {{model: string}} manifest @param {import("./catalogue.js").Row} row
 * @param {AbortSignal} signal
 */
export async function explain(manifest, row, signal) {
  const first = early;
  early = undefined;
  if (first && manifest.model === model && JSON.stringify(row) === firstRow) {
    signal.addEventListener("abort", () => stop.abort());
    const answer = await first;
    if (answer) return answer;
  }
  return post(address("explain", manifest), row, signal);
}

/** The present request, to copy. */

import { key } from "./trouble.js";
import { byId } from "./dom.js";
import { onLanguage, words } from "./language.js";

/**
 * @param {string} model empty for the default one @param {Record<string, number>} row
 * @param {string} output whose value is printed
 */
export function showCode(model, row, output) {
  const url = new URL(`predict${model ? `?model=${model}` : ""}`, location.href).href;
  const body = JSON.stringify(row);
  byId("curl").textContent = curl(url, body);
  byId("python").textContent = python(url, row, output);
}

/** @param {string} url @param {string} body */
function curl(url, body) {
  const closed = key ? ` \\\n  -H "x-api-key: $API_KEY"` : "";
  return `curl -s ${quoted(url)}${closed} \\\n  -H 'content-type: application/json' \\\n  -d ${quoted(body)}`;
}

/** @param {string} url @param {Record<string, number>} row @param {string} output */
function python(url, row, output) {
  const body = JSON.stringify(row).replaceAll(",", ", ").replaceAll(":", ": ");
  const closed = key ? `\n    headers={"x-api-key": os.environ["API_KEY"]},` : "";
  const imports = key ? "import os\n\nimport requests" : "import requests";
  return `${imports}\n\nanswer = requests.post(\n    ${JSON.stringify(url)},\n    json=${body},${closed}\n    timeout=10,\n)\nprint(answer.json()["${output}"])`;
}

/** A word of a shell's line. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {string} id */
async function copy(id) {
  const text = byId(id);
  try {
    await navigator.clipboard.writeText(text.textContent);
    byId("copied").textContent = words.copied;
  } catch {
    getSelection()?.selectAllChildren(text); // over plain http a browser lets only the person copy
  }
}

export function startCode() {
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", () => copy(/** @type {any} */ (button).dataset.copies));
  }
  onLanguage(() => (byId("copied").textContent = ""));
}

/** Shows openapi.json with Swagger UI, and sends a key with everything where the service asks for one. */

import { byId, tell } from "./page/dom.js";
import { KEY, keep, recall } from "./page/kept.js";

let key = recall("sessionStorage", KEY) ?? ""; // as the page at / keeps it

async function show() {
  const answer = await fetch("openapi.json", { headers: key ? { "x-api-key": key } : {} });
  const closed = answer.status === 401 || answer.status === 403;
  byId("closed").hidden = !closed;
  if (answer.ok) return draw(await answer.json());
  tell(byId("why"), closed ? asking() : await sentence(answer));
  byId("key").focus();
}

const asking = () => (key ? "The service refused this key." : "This service asks for a key.");

/** The service's own. @param {Response} answer */
async function sentence(answer) {
  const { detail } = await answer.json().catch(() => ({}));
  return detail ?? `HTTP ${answer.status}`;
}

/** @param {object} spec */
function draw(spec) {
  tell(byId("why"));
  SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null, // it would else ask another site for a badge
    // A key that was given to "Authorize", as one for administration, goes first.
    requestInterceptor(/** @type {{headers: Record<string, string>}} */ request) {
      const own = key && !request.headers.Authorization ? { "X-API-Key": key } : {};
      return { ...request, headers: { ...own, ...request.headers } };
    },
  });
}

byId("closed").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  key = byId("key").value.trim();
  keep("sessionStorage", KEY, key);
  show();
});

show();

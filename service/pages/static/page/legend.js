/** The legend: each model's line, what it answers here, and what it is. */

import { byId, make } from "./dom.js";
import { language, words } from "./language.js";
import { answered } from "./numbers.js";

/** @typedef {import("./catalogue.js").Manifest} Manifest */
/** @typedef {import("./curves.js").Curve} Curve */

/** @param {Curve[]} curves @param {Manifest} answering */
export function drawLegend(curves, answering) {
  byId("legend").replaceChildren(
    ...curves.map(({ manifest, here }, place) =>
      make(
        "li",
        { className: manifest.model === answering.model ? "answering" : "" },
        swatch(place),
        make("span", { className: "name" }, manifest.model),
        make("span", { className: "value" }, answered(here, answering)),
        make("span", { className: "what" }, described(manifest)),
      ),
    ),
  );
}

/** A piece of the line. @param {number} place */
function swatch(place) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("class", `swatch curve-${place % 6}`);
  svg.setAttribute("viewBox", "0 0 32 8");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", "M1 4H31");
  svg.append(line);
  return svg;
}

/** @param {Manifest} manifest */
function described({ architecture, inputs }) {
  if (!architecture) return "";
  const { hidden, activation, members } = architecture;
  if (!hidden.length) return inputs.length === 1 ? words.straightLine : words.plane;
  const widths = new Intl.ListFormat(language).format(hidden.map(String));
  const name = activation === "relu" ? "ReLU" : activation;
  return members === 1 ? words.stack(widths, name) : words.stacks(members, widths, name);
}

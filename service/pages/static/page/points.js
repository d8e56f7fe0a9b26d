/** The training rows over the chart: elements, so that pointer, keyboard and screen reader find them. */

import { make } from "./dom.js";
import { called, onLanguage, withUnit, words } from "./language.js";
import { short } from "./numbers.js";

/** @typedef {import("./catalogue.js").Example} Example */
/** @typedef {import("./catalogue.js").Quantity} Quantity */

/**
 * @typedef {object} Placing
 * @property {(value: number) => string} x
 * @property {(value: number) => string} y
 * @property {Quantity} axis
 * @property {Quantity} output
 * @property {Example | undefined} example the one that was taken
 * @property {(example: Example) => void} take
 */

const NAMED = 4; // rows at one place that a tip names

let drawn = "";
onLanguage(() => (drawn = ""));

/**
 * Draw a dot for each place where rows lie. One dot is reached by Tab, the others from it by
 * the arrow keys; Enter and a click take the next row of those that lie there.
 * @param {HTMLElement} over @param {Example[]} examples @param {Placing} placing
 */
export function drawPoints(over, examples, { x, y, axis, output, example, take }) {
  const places = group(examples, axis.name);
  const chosenName = example?.name ?? "";
  const ends = [x(0), x(1), y(0), y(1)];
  const wanted = JSON.stringify([axis, output.name, chosenName, ends, places.length]);
  const text = (/** @type {Quantity} */ quantity, /** @type {number} */ value) => {
    const { name, unit } = called(quantity);
    return `${name} ${withUnit(short(value), unit)}`;
  };
  const before = over.querySelector(".points");
  if (before && wanted === drawn) return;
  drawn = wanted;
  const dots = places.map((here) => {
    const [{ row, value }] = here;
    const named = here.map((each) => each.name);
    return make(
      "div",
      {
        role: "option",
        className: "dot",
        tabIndex: -1,
        "aria-selected": String(named.includes(chosenName)),
        "aria-label": words.point(listed(named), text(output, value), text(axis, row[axis.name])),
        data: { many: String(Math.min(here.length, 4)), side: side(x(row[axis.name])) },
        style: { "--x": x(row[axis.name]), "--y": y(value) },
        onclick: () => take(here[(named.indexOf(chosenName) + 1) % here.length]),
      },
      make("span", { className: "tip" }, listed(named)),
    );
  });
  const list = make("div", { role: "listbox", className: "points", "aria-label": words.points }, ...dots);
  const chosen = Math.max(places.findIndex((here) => here.some((each) => each.name === chosenName)), 0);
  if (dots.length) dots[chosen].tabIndex = 0;
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => steer(event, dots));
  for (const kind of ["focusin", "pointerover"]) {
    list.addEventListener(kind, () => list.classList.remove("untold"));
  }
  const held = before?.contains(document.activeElement);
  before?.remove();
  if (dots.length) over.append(list);
  if (held) dots[chosen]?.focus({ preventScroll: true });
}

/** Escape puts a tip away until a dot is pointed at or reached again, wherever the focus is. */
addEventListener("keydown", ({ key }) => {
  if (key === "Escape") document.querySelector(".points")?.classList.add("untold");
});

/** Where a tip may grow to without leaving the card. @param {string} at a share of the width */
function side(at) {
  const share = Number.parseFloat(at);
  if (share < 25) return "right";
  return share > 75 ? "left" : "both";
}

/** The rows by place, from left to right and from below. @param {Example[]} examples @param {string} axis */
function group(examples, axis) {
  /** @type {Map<string, Example[]>} */
  const places = new Map();
  for (const each of examples) {
    if (!(axis in each.row)) continue;
    const place = `${each.row[axis]} ${each.value}`;
    places.set(place, [...(places.get(place) ?? []), each]);
  }
  return [...places.values()].sort(
    ([one], [two]) => one.row[axis] - two.row[axis] || one.value - two.value,
  );
}

/** @param {string[]} names */
function listed(names) {
  const more = names.length - NAMED;
  if (more <= 0) return names.join(words.comma);
  return [...names.slice(0, NAMED), words.andMore(more)].join(words.comma);
}

/** @param {KeyboardEvent} event @param {HTMLElement[]} dots */
function steer(event, dots) {
  const at = dots.indexOf(/** @type {HTMLElement} */ (event.target));
  const last = dots.length - 1;
  const to = {
    ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: last,
  }[event.key];
  if (event.key === "Enter" || event.key === " ") dots[at].click();
  else if (to === undefined) return;
  else {
    const next = dots[Math.min(Math.max(to, 0), last)];
    for (const dot of dots) dot.tabIndex = dot === next ? 0 : -1;
    next.focus({ preventScroll: true });
  }
  event.preventDefault();
}

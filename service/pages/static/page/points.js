/** The cereals over the chart: elements, so that pointer, keyboard and screen reader find them. */

import { make } from "./dom.js";
import { inputName, onLanguage, short, words } from "./language.js";

/** @typedef {import("./catalogue.js").Example} Example */

/**
 * @typedef {object} Placing
 * @property {(grams: number) => string} x
 * @property {(kcal: number) => string} y
 * @property {string | undefined} cereal the one that was taken
 * @property {(example: Example) => void} take
 */

const NAMED = 4; // cereals at one place that a tip names

let drawn = "";
onLanguage(() => (drawn = ""));

/**
 * Draw a dot for each place where cereals lie. One dot is reached by Tab, the others from it by
 * the arrow keys; Enter and a click take the next cereal of those that lie there.
 * @param {HTMLElement} over @param {Example[]} examples @param {string} axis @param {Placing} placing
 */
export function drawPoints(over, examples, axis, { x, y, cereal, take }) {
  const places = group(examples, axis);
  const wanted = JSON.stringify([axis, cereal, y(0), y(100), x(1), places.length]);
  const before = over.querySelector(".points");
  if (before && wanted === drawn) return;
  drawn = wanted;
  const dots = places.map((here) => {
    const [{ row, calories }] = here;
    const named = here.map((each) => each.name);
    return make(
      "div",
      {
        role: "option",
        className: "dot",
        tabIndex: -1,
        "aria-selected": String(named.includes(cereal ?? "")),
        "aria-label": words.point(listed(named), short(calories), short(row[axis]), inputName(axis)),
        data: { many: String(Math.min(here.length, 4)), side: side(x(row[axis])) },
        style: { "--x": x(row[axis]), "--y": y(calories) },
        onclick: () => take(here[(named.indexOf(cereal ?? "") + 1) % here.length]),
      },
      make("span", { className: "tip" }, listed(named)),
    );
  });
  const list = make("div", { role: "listbox", className: "points", "aria-label": words.points }, ...dots);
  const chosen = Math.max(places.findIndex((here) => here.some((each) => each.name === cereal)), 0);
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

/** The cereals by place, from left to right and from below. @param {Example[]} examples @param {string} axis */
function group(examples, axis) {
  /** @type {Map<string, Example[]>} */
  const places = new Map();
  for (const each of examples) {
    if (!(axis in each.row)) continue;
    const place = `${each.row[axis]} ${each.calories}`;
    places.set(place, [...(places.get(place) ?? []), each]);
  }
  return [...places.values()].sort(
    ([one], [two]) => one.row[axis] - two.row[axis] || one.calories - two.calories,
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

/** What the browser keeps for the page; one that keeps nothing forgets, and that is all. */

/** By which name the key is kept, for the tab. */
export const KEY = "api-key";

/** @typedef {"localStorage" | "sessionStorage"} Area */

/** What was kept by this name, or null. @param {Area} area @param {string} name */
export function recall(area, name) {
  try {
    return window[area].getItem(name);
  } catch {
    return null;
  }
}

/** @param {Area} area @param {string} name @param {string} value */
export function keep(area, name, value) {
  try {
    window[area].setItem(name, value);
  } catch {
    // It is asked for again at the next visit.
  }
}

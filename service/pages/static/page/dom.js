/** Short names for what every part of the page does with the document. */

/** The element with this id. @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * A new element: make("li", { className: "dot" }, "text").
 * @param {string} tag
 * @param {Record<string, any>} [properties] of the element; `data` and `style` are objects, and a
 *   name with a dash in it is an attribute
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function make(tag, { data = {}, style = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else /** @type {any} */ (element)[name] = value;
  }
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  element.append(...children);
  return element;
}

/** Show an element with this text, or hide it when there is none. @param {HTMLElement} element */
export function tell(element, text = "") {
  element.textContent = text;
  element.hidden = !text;
}

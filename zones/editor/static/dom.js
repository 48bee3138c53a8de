// Small helpers for elements.

/** Make an element: h("button", {class: "icon", onclick: f}, "text", child). */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in PROPERTIES) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const PROPERTIES = { value: 1, checked: 1, disabled: 1, textContent: 1, open: 1 };

/** An icon of the sprite in index.html. */
export function icon(name) {
  return s("svg", { class: "i", "aria-hidden": "true" }, s("use", { href: `#i-${name}` }));
}

/** Set an attribute only where it differs, so that nothing is painted for nothing. */
export function set(element, name, value) {
  const text = String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Keep an element's children equal to `wanted`, moving as little as possible. */
export function replace(element, wanted) {
  const nodes = wanted.filter(Boolean);
  if (nodes.length === element.childNodes.length && nodes.every((node, n) => node === element.childNodes[n])) return;
  element.replaceChildren(...nodes);
}

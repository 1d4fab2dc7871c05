// Building blocks of the page. Whatever comes from outside becomes a text node, never markup.

const SVG = "http://www.w3.org/2000/svg";

function set(element, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name === "on") {
    for (const [type, handler] of Object.entries(value)) element.addEventListener(type, handler);
  } else if (name === "style") {
    // Through the object model: the content security policy refuses style attributes.
    for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
  } else if (name === "value") {
    element.value = value;
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element; children are elements or texts, lists of them are flattened, null and false are left out. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element, otherwise as `h`. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Replace an element's children.
 *
 * The keyboard focus stays on the element with the same `data-focus`, `data-scroll` boxes stay where they were scrolled
 * to, and details with the same `data-keep` stay open.
 */
export function replace(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  const scrolled = [...element.querySelectorAll("[data-scroll]")].map((box) => [box.dataset.scroll, box.scrollLeft]);
  const open = new Set([...element.querySelectorAll("details[data-keep][open]")].map((details) => details.dataset.keep));
  element.replaceChildren();
  fill(element, {}, children);
  for (const [name, left] of scrolled) {
    const box = element.querySelector(`[data-scroll="${name}"]`);
    if (box) box.scrollLeft = left;
  }
  for (const details of element.querySelectorAll("details[data-keep]")) details.open = open.has(details.dataset.keep);
  if (focused !== undefined) {
    const same = [...element.querySelectorAll("[data-focus]")].find((other) => other.dataset.focus === focused);
    same?.focus({ preventScroll: true });
  }
}

/** A text for screen readers only. */
export function spoken(text) {
  return h("span", { class: "spoken" }, text);
}

/** A place in the text where an unbroken id of any length may not push its surroundings around. */
export function id(text, attributes) {
  return h("bdi", { class: "id", title: text.length > 24 ? text.slice(0, 400) : undefined, ...attributes }, text);
}

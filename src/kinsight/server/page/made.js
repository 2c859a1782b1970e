// Elements of the page, made without ever reading text as markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function made(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function drawn(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// A box (left, top, right, bottom) as an outline that is seen on light and on dark.
export function outlined([left, top, right, bottom], kind) {
  const at = { x: left, y: top, width: right - left, height: bottom - top };
  return [drawn("rect", { ...at, class: "halo" }), drawn("rect", { ...at, class: kind })];
}

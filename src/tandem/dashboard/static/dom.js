// Makes and finds elements. Strings become text nodes.
export const byId = (id) => document.getElementById(id);

export function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

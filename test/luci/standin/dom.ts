// SPDX-License-Identifier: GPL-2.0-only
// LuCI.dom, by luci.js: a child alone that is text is HTML, in a list it is text.

type Attribute = string | number | boolean | null | undefined | ((event: Event) => unknown);

export function append(node: Element, children: unknown): Element {
  if (Array.isArray(children)) {
    for (const child of children) {
      if (child instanceof Node) node.appendChild(child);
      else if (child !== null && child !== undefined)
        node.appendChild(document.createTextNode(String(child)));
    }
  } else if (children instanceof Node) {
    node.appendChild(children);
  } else if (children !== null && children !== undefined) {
    node.innerHTML = String(children);
  }
  return node;
}

export function content(node: Element, children: unknown): Element {
  node.replaceChildren();
  return append(node, children);
}

/** Attributes may be left out. */
export function create(tag: string, attributes?: unknown, children?: unknown): HTMLElement {
  const node = document.createElement(tag);
  const named = typeof attributes === 'object' && !Array.isArray(attributes) && !(attributes instanceof Node);
  if (named && attributes !== null) {
    for (const [name, value] of Object.entries(attributes as Record<string, Attribute>)) {
      if (value === null || value === undefined) continue;
      if (typeof value === 'function') node.addEventListener(name, value);
      else node.setAttribute(name, String(value));
    }
  }
  append(node, named ? children : attributes);
  return node;
}

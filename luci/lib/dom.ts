// SPDX-License-Identifier: GPL-2.0-only
// Elements and how they change in place.

type Attributes = Record<string, string | number | boolean | null | ((event: Event) => unknown)>;
export type Child = Node | string | null;

/**
 * LuCI's E() with its children always in a list: only there are strings text, alone they are HTML (dom.append in
 * luci.js).
 */
export function element(
  tag: string,
  attributes: Attributes = {},
  children: readonly Child[] = [],
): HTMLElement {
  return E<HTMLElement>(tag, attributes, children);
}

/** Changes text only where it differs, so that nothing is laid out again and a selection stays. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node: Element, name: string, value: string | null): void {
  if (node.getAttribute(name) === value) return;
  if (value === null) node.removeAttribute(name);
  else node.setAttribute(name, value);
}

/** What shows one item of a list that changes. */
export interface ItemView<Item> {
  readonly node: HTMLElement;
  update(item: Item): void;
}

/**
 * Keeps children of an element in step with a list: each item keeps its node for as long as it is in the list, so that
 * refreshing neither flickers nor loses the scroll position, and the focus stays although its row moves.
 */
export class LiveList<Item> {
  private views = new Map<string, ItemView<Item>>();

  /** The list's nodes come last in `parent`, behind what is there already. */
  constructor(
    private readonly parent: HTMLElement,
    private readonly key: (item: Item) => string,
    private readonly create: (item: Item) => ItemView<Item>,
  ) {}

  update(items: readonly Item[]): void {
    const focused = document.activeElement;
    const before = this.views;
    this.views = new Map();
    for (const item of items) {
      const key = this.key(item);
      const view = before.get(key) ?? this.create(item);
      before.delete(key);
      view.update(item);
      this.views.set(key, view);
    }
    let next: Element | null = null;
    for (const { node } of before.values()) node.remove();
    for (const { node } of [...this.views.values()].reverse()) {
      if (node.parentNode !== this.parent || node.nextElementSibling !== next)
        this.parent.insertBefore(node, next);
      next = node;
    }
    if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected)
      focused.focus({ preventScroll: true });
  }
}

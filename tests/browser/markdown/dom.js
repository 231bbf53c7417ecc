// The renderer outside a browser: as much of a DOM as it needs, and the small form in which tests
// read its result.
import { readFile } from "node:fs/promises";

export const script = await readFile(
  new URL("../../../core/src/response/page/markdown.js", import.meta.url),
  "utf8",
);
export const labels = { copy: "Copy", copied: "Copied", code: "Code", table: "Table" };

let count = 0;

/** The number of nodes made so far. */
export const created = () => count;

class Node {
  constructor() {
    count++;
  }
  childNodes = [];
  parentNode = null;

  get firstChild() {
    return this.childNodes[0] ?? null;
  }
  get lastChild() {
    return this.childNodes.at(-1) ?? null;
  }
  get nextSibling() {
    return this.parentNode?.childNodes[this.#index() + 1] ?? null;
  }
  get textContent() {
    return this.childNodes.map((node) => node.textContent).join("");
  }

  append(...nodes) {
    this.#insert(this.childNodes.length, nodes);
  }
  appendChild(node) {
    this.append(node);
    return node;
  }
  after(...nodes) {
    this.parentNode.#insert(this.#index() + 1, nodes);
  }
  replaceChildren(...nodes) {
    for (const node of [...this.childNodes]) node.remove();
    this.append(...nodes);
  }
  replaceWith(...nodes) {
    this.after(...nodes);
    this.remove();
  }

  remove() {
    if (!this.parentNode) return;
    this.parentNode.childNodes.splice(this.#index(), 1);
    this.parentNode = null;
  }

  normalize() {
    for (const node of [...this.childNodes]) {
      const before = this.childNodes[node.#index() - 1];
      if (!(node instanceof Text)) node.normalize();
      else if (node.data && before instanceof Text) before.data += node.data;
      else if (node.data) continue;
      if (node instanceof Text) node.remove();
    }
  }

  // The renderer works at the end of long lists of nodes.
  #index() {
    return this.parentNode.childNodes.lastIndexOf(this);
  }

  #insert(index, nodes) {
    for (const item of nodes.flatMap((node) =>
      node instanceof Fragment ? [...node.childNodes] : [node],
    )) {
      const node = typeof item === "string" ? new Text(item) : item;
      node.remove();
      node.parentNode = this;
      this.childNodes.splice(index++, 0, node);
    }
  }
}

class Text extends Node {
  constructor(data = "") {
    super();
    this.data = data;
  }
  nodeType = 3;
  get length() {
    return this.data.length;
  }
  get textContent() {
    return this.data;
  }
  appendData(data) {
    this.data += data;
  }
}

class Fragment extends Node {}

class Element extends Node {
  nodeType = 1;
  attributes = {};
  constructor(localName) {
    super();
    this.localName = localName;
  }
  get className() {
    return this.attributes.class ?? "";
  }
  set className(name) {
    this.attributes.class = name;
  }
  get classList() {
    const names = new Set(this.className.split(" ").filter(Boolean));
    return { add: (name) => { this.className = [...names.add(name)].join(" "); } };
  }
  get start() {
    return Number(this.attributes.start ?? 1);
  }
  set start(number) {
    this.setAttribute("start", number);
  }
  cloneNode() {
    return Object.assign(new Element(this.localName), { attributes: { ...this.attributes } });
  }
  set textContent(text) {
    this.replaceChildren(text);
  }
  get textContent() {
    return super.textContent;
  }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }
  closest(names) {
    return names.split(", ").includes(this.localName) ? this : this.parentNode.closest(names);
  }
  querySelectorAll(name) {
    return this.childNodes.flatMap((node) =>
      node instanceof Element
        ? [...(node.localName === name ? [node] : []), ...node.querySelectorAll(name)]
        : [],
    );
  }
}

const document = {
  createElement: (name) => new Element(name),
  createDocumentFragment: () => new Fragment(),
};

const frames = [];
const globals = {
  Text,
  document,
  navigator: { clipboard: {} },
  requestAnimationFrame: (callback) => frames.push(callback),
  cancelAnimationFrame: () => {
    frames.length = 0;
  },
};

/** Runs the callbacks that wait for the next frame. Returns whether there were any. */
export const nextFrame = () => {
  const callbacks = frames.splice(0);
  for (const callback of callbacks) callback();
  return callbacks.length > 0;
};

const load = new Function(...Object.keys(globals), `"use strict"; ${script}; return markdown;`);
const markdown = load(...Object.values(globals));

/** An answer that is being rendered without a browser. */
export function begin() {
  const element = new Element("div");
  return { element, ...markdown(element, labels) };
}

/** Renders a text in these pieces, and a frame after each. */
export function render(...pieces) {
  const answer = begin();
  for (const piece of pieces) {
    answer.append(piece);
    nextFrame();
  }
  answer.end();
  return answer.element;
}

// The serializer below also runs in the browser, as text: it uses nothing from outside.

/**
 * Writes nodes as HTML, without what is the same for all: the attributes of links and boxes, and
 * the copy button.
 */
export function serialize(element) {
  const constant = ["rel", "target", "role", "tabindex", "aria-label", "type"];
  const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const attributesOf = ({ attributes }) =>
    typeof attributes[Symbol.iterator] === "function"
      ? [...attributes].map(({ name, value }) => [name, value])
      : Object.entries(attributes);
  const write = (node) => {
    if (node.nodeType === 3) return escape(node.data);
    if (node.localName === "button") return "";
    const attributes = attributesOf(node)
      .filter(([name]) => !constant.includes(name))
      .map(([name, value]) =>
        value ? ` ${name}="${escape(value).replace(/"/g, "&quot;")}"` : ` ${name}`,
      )
      .join("");
    const inside = [...node.childNodes].map(write).join("");
    return /^(?:br|hr)$/.test(node.localName)
      ? `<${node.localName}${attributes}>`
      : `<${node.localName}${attributes}>${inside}</${node.localName}>`;
  };
  return [...element.childNodes]
    .map(write)
    .join("")
    .replace(
      new RegExp('<div class="code"><div class="bar"><span>(.*?)</span></div>'
        + '<pre class="scroller"><code>([^]*?)</code></pre></div>', "g"),
      (_, info, code) => `<pre${info && ` info="${info}"`}>${code}</pre>`,
    )
    .replace(/<div class="scroller">(<table>[^]*?<\/table>)<\/div>/g, "$1");
}

// Random Markdown for the renderer, and an oracle for what it makes of it. A seed always gives the
// same text.

/** A generator of random numbers below `limit` (Mulberry32). */
export const random = (seed) => (limit) => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % limit;
};

const marks = [
  "*",
  "*",
  "**",
  "**",
  "***",
  "_",
  "__",
  "~~",
  "~",
  "`",
  "``",
  "```",
  "~~~",
  "[",
  "]",
  "](",
  ")",
  "![",
  "<",
  ">",
  "|",
  "\\",
  "$",
  "$$",
  "\\(",
  "\\)",
  "\\[",
  "\\]",
  "&",
  "!",
  '"',
  "'",
  "(",
  ":",
  ".",
  ",",
  "。",
  "，",
  "（",
  "）",
  "“",
  "”",
  "-",
  "+",
  "=",
  "\n",
  "\n",
  "\n",
  "\n\n",
  "\n\n",
  " ",
  " ",
  " ",
  "  ",
  "    ",
  "\t",
  "  \n",
  "\\\n",
  "\r\n",
  "\r",
  "\u0000",
  "\u00a0",
  "\u3000",
  "\u200f",
  "\ud83d",
  "\ude00",
  "😀",
  "# ",
  "## ",
  " ##",
  "> ",
  ">",
  "- ",
  "* ",
  "+ ",
  "1. ",
  "2) ",
  "12. ",
  "- [ ] ",
  "[x] ",
  "---",
  "***",
  "===",
  "\n---\n",
  "\n===\n",
  "|-|-|",
  "|:-:|-:|",
  "| ",
  " | ",
  "\\|",
  "\n| h | i |\n|---|---|\n",
  "\n```js\n",
  "\n```\n",
  "\n    ",
  "https://a.b/c",
  "http://a.b",
  "HTTPS://a.b/(c)",
  "](https://a.b)",
  '](http://a.b/c_d "t")',
  "](javascript:x)",
  "](<https://a.b/ c>)",
  "](/r)",
  "mailto:a@b.c",
  "<https://a.b>",
  "<javascript:x>",
  "<a@b.c>",
  "<br>",
  "<br/>",
  "<b>",
  "</b>",
  "<img src=x onerror=y>",
  "<!-- -->",
  "&amp;",
  "&#106;",
  "&#x6a;",
  "&#0;",
  "&lt;",
  "&foo;",
  "&colon;",
  "5",
  "$5",
  "\\*",
  "\\`",
  "foo",
  "foo_bar",
];
const latin = 0x100,
  wide = 0x4e00,
  most = 200; // Letters that each text contains at most once.

/** A text of random marks and of letters that each occur once, in order. */
export function randomText(next) {
  let text = "",
    letters = 0;
  for (let length = 1 + next(60); length > 0; length--) {
    if (next(3)) text += marks[next(marks.length)];
    else
      for (let count = 1 + next(4); count > 0 && letters < most; count--, letters++) {
        text += String.fromCodePoint((next(2) ? latin : wide) + letters);
      }
  }
  return text;
}

/** Cuts a text at random places. */
export function randomCuts(text, next) {
  const pieces = [];
  for (let from = 0, most = 1 + next(20); from < text.length;) {
    const to = from + 1 + next(most);
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}

const number = (letter) => letter.codePointAt(0) - (letter < "\u4e00" ? latin : wide);
const numbers = (text) => (text.match(/[\u0100-\u01c7\u4e00-\u4ec7]/g) ?? []).map(number);

const visible = (node) =>
  node.nodeType === 3 ? node.data
    : node.localName === "button" ? "" : [...node.childNodes].map(visible).join("");

/**
 * Complains if a letter of the source is missing from the element's text, or out of order. What may
 * be a link's target or title may be missing.
 */
export function missingLetters(source, element) {
  const optional = new Set(
    [...source.matchAll(/\]\(/g)].flatMap(({ index }) => {
      const paragraph = source.slice(index).split(/\n[ \t>]*\n/)[0];
      return numbers(paragraph.slice(0, paragraph.lastIndexOf(")") + 1));
    }),
  );
  const shown = numbers(visible(element));
  const expected = numbers(source).filter(
    (letter) => !optional.has(letter) || shown.includes(letter),
  );
  return JSON.stringify(shown) === JSON.stringify(expected)
    ? ""
    : `shown ${shown}, expected ${expected}`;
}

/** The elements that the renderer makes, with all their attributes. */
const elements = [
  /^(?:p|h[3-6]|blockquote|table|colgroup|tbody|tr|hr|br|code|em|strong|del)$/,
  /^a href="(?:https?:\/\/|mailto:)[^]*" rel="noopener noreferrer" target="_blank"$/i,
  /^(?:ul|ol)(?: start="\d+")?(?: class="(?:wide|loose|more| )+")?(?: start="\d+")?$/,
  /^li(?: class="task")?$/,
  /^t[hd](?: class="(?:left|center|right)")?$/,
  /^(?:div|pre) class="scroller" role="region" tabindex="0" aria-label="[^]+"$/,
  /^div class="(?:code|bar|section)"$/,
  /^button type="button"$/,
  /^span(?: class="(?:math|section)")?$/,
  /^table class="kept"$/,
  /^col width="\d+"$/,
];

const describe = (element) => {
  const attributes = element.getAttributeNames
    ? element.getAttributeNames().map((name) => [name, element.getAttribute(name)])
    : Object.entries(element.attributes);
  const written = attributes.map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [element.localName, ...written].join(" ");
};

/** Complains about an element or attribute that the renderer may not make. */
export function forbidden(node, depth = 0) {
  if (depth > 250) return "too deep";
  for (const child of node.childNodes) {
    if (child.nodeType === 3) continue;
    const description = describe(child);
    if (!elements.some((pattern) => pattern.test(description))) return description;
    if (child.localName === "a" && child.querySelectorAll("a").length) return "a link in a link";
    const inside = forbidden(child, depth + 1);
    if (inside) return inside;
  }
  return "";
}

/** Writes nodes with the limits of text, to compare them exactly. */
export const exact = (node) =>
  node.nodeType === 3
    ? `"${node.data}"`
    : `${node.localName}${JSON.stringify(node.attributes)}(${node.childNodes.map(exact).join()})`;

// Renders Markdown as DOM nodes while it arrives. The page and the widget contain this file.
//
//   const labels = { copy: "Copy", copied: "Copied", code: "Code", table: "Table" };
//   const answer = markdown(element, labels);
//   answer.append("# Tit"); answer.append("le\n"); answer.end(); answer.source();
//
// A line is read once, as soon as its beginning decides what it is. Each frame redraws the text
// that has grown; the rest keeps its nodes. The final DOM does not depend on the pieces.
// The syntax is CommonMark with GFM tables. markdown-commonmark.test.js lists what differs.
const markdown = (() => {
const MAX_DEPTH = 32; // Of blocks, brackets and emphasis. What is deeper is text.
const MAX_COLUMNS = 99;
const SECTION = 64; // Children of a block that are laid out together.
const FRAME = 1000; // Characters that are read in one frame.

/** Creates an element. Attributes are set nowhere else. */
const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  element.append(...children);
  return element;
};

const ENTITIES = {
  __proto__: null, amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©",
  hellip: "…", middot: "·", ndash: "–", mdash: "—", times: "×", rarr: "→",
};

/** Resolves backslash escapes and entities. */
const resolve = (text) => text.replace(
  /\\([!-/:-@[-`{-~])|&(?:#(\d{1,7})|#(x[\da-f]{1,6})|(\w+));/gi,
  (whole, escaped, decimal, hexadecimal, name) => {
    if (escaped || name) return escaped ?? ENTITIES[name] ?? whole;
    const code = +(decimal ?? "0" + hexadecimal);
    return code && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });

// Inline syntax: the first that matches counts. Capitals stand for the parts below.
const SYNTAX = [
  /[a-z\d](?:\$+|https?:)/, // No formula or URL begins inside a word.
  /(?<math>\\\((?:(?!\\[()])[^])+(?:\\\)|END)|\\\[(?:(?!\\[[\]])[^])+(?:\\\]|END))/,
  /(?<display>\$\$(?:(?!\$\$)[^])+(?:\$\$|END))/,
  /(?<dollars>\$(?!\s)(?:\s*(?:\\[^]|[^\s\\$]))+\$(?!\d))/, // Not "$5 and $10".
  /(?<ticks>`+)(?!`)(?<code>[^]*?[^`])(?:\k<ticks>(?!`)|END)|`+/,
  /(?<br><br ?\/?>|(?: {2}|\\)\n)/,
  /(?<escape>\\[!-/:-@[-`{-~]|&[#\w]{1,9};)/,
  /<(?<auto>(?:https?:\/\/|mailto:)[^\s<>]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>/,
  /<(?:\/?[a-z][^<>]*|!--[^<>]*--)>/, // HTML is text.
  /(?<url>https?:\/\/(?:SEPARATOR|LETTER|INSIDE)*(?:(?![?_.])SEPARATOR|(?![,:;!'~])LETTER|INSIDE))/,
  /(?<run>\*{1,12}(?!\*)|_{1,12}(?!_)|~~(?!~))|\*+|_+|~+/,
  /(?<bracket>!?\[)/,
  /\](?:\(\s{0,9}(?:ANGLE|TARGET)(?:\s{1,9}(?:TITLE))?\s{0,9}(?:(?<done>\))|END))?/,
].map(({ source }) => source).join("|");
const PARTS = {
  ANGLE: /<(?<angle>(?:\\.|[^\\<>\n])*)(?:>|END)/,
  TARGET: /(?<target>(?!<)(?:WORD|\((?:WORD|\(WORD*\))*(?:\)|END))*)/,
  TITLE: /"(?:\\[^]|[^\\"])*(?:"|END)|'(?:\\[^]|[^\\'])*(?:'|END)/,
  WORD: /(?:\\.|[^\s\\()])/,
  INSIDE: /\(LETTER*\)/,
  // Full-width punctuation ends a URL. Chinese goes on only behind a separator: "/wiki/北京".
  SEPARATOR: /[/?#&=_.%-][\u3040-\u9fff\uac00-\ud7af]*/,
  LETTER:
    /[^\s()<>"`*\\[\]|/?#&=_.%\u2014\u2018-\u201f\u2026\u3000-\u9fff\uac00-\ud7af\uff00-\uffef-]/,
};

/** Returns the syntax as one pattern. `end` matches where something unfinished may end. */
const compile = (end) => new RegExp(Object.entries({ ...PARTS, END: { source: end } }).reduce(
  (syntax, [name, { source }]) => syntax.replaceAll(name, source), SYNTAX), "gi");
const COMPLETE = compile("(?!)");
const UNFINISHED = compile("$");
// The end of a text that may become markup: half a delimiter, entity, <br> or character.
const HALF = /(?:[*_~`\\[$\ud800-\udbff]+|&#?\w*|<(?:b|br ?\/?)?)$/i;

/** Creates a link, or returns null for a target that is not linked. */
const link = (href) => /^(?:https?:\/\/|mailto:)/i.test(href)
  ? make("a", { href, rel: "noopener noreferrer", target: "_blank" }) : null;

/** Moves the siblings between two nodes into an element. */
function wrap(element, from, to = null) {
  while (from.nextSibling !== to) element.append(from.nextSibling);
  from.after(element);
}

const PUNCTUATION = /[\p{P}\p{S}]/u;
const CJK = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\u3000-\u303f\uff00-\uffef]/u;
const kindOf = (character) => /\s/.test(character) ? 0 : PUNCTUATION.test(character) ? 1 : 2;

/** Returns a run of delimiters. The characters beside it decide whether it opens or closes. */
function delimiter(node, before = " ", after = " ") {
  const [mark, size, b, a] = [node.data[0], node.length, kindOf(before), kindOf(after)];
  // Chinese has no spaces between words: there, punctuation does not keep ** from closing.
  const beside = CJK.test(before + after);
  const left = a && (a > 1 || b < 2 || beside);
  const right = b && (b > 1 || a < 2 || beside);
  const word = mark === "_" && left && right;
  const [canOpen, canClose] = [left && (!word || b === 1), right && (!word || a === 1)];
  return { node, mark, size, canOpen, canClose };
}

/** Emphasises what is between two runs, or behind an opener. */
function emphasise(opener, closer) {
  const count = Math.min(opener.node.length, closer?.node.length ?? 2, 2);
  const tag = opener.mark === "~" ? "del" : count > 1 ? "strong" : "em";
  wrap(make(tag), opener.node, closer?.node);
  for (const run of [opener, closer]) if (run) run.node.data = run.node.data.slice(count);
}

/** Pairs delimiters, as CommonMark has it. Returns the openers that are left. */
function pair(runs) {
  const openers = [];
  for (const closer of runs) {
    for (let i = openers.length - 1; i >= 0 && closer.canClose && closer.node.length; i--) {
      const opener = openers[i];
      const both = closer.canOpen || opener.canClose;
      const odd = both && (opener.size + closer.size) % 3 === 0 && closer.size % 3;
      if (opener.mark !== closer.mark || odd) continue;
      openers.length = i + 1; // Those between can no longer close.
      while (opener.node.length && closer.node.length) emphasise(opener, closer);
      if (!opener.node.length) openers.pop();
    }
    if (closer.canOpen && closer.node.length) openers.push(closer);
    if (openers.length > MAX_DEPTH) openers.shift();
  }
  return openers;
}

/** Returns the nodes for a text. If it is open, what is unfinished is shown as complete. */
function parse(text, isOpen) {
  if (isOpen) text = text.slice(0, -12) + text.slice(-12).replace(HALF, "");
  const nodes = document.createDocumentFragment();
  const brackets = []; // "[" and "![" that may begin a link.
  const runs = []; // Delimiters that may begin or end emphasis.
  const pattern = isOpen ? UNFINISHED : COMPLETE;
  const push = (node) => nodes.appendChild(node);
  const write = (content) => push(new Text(content));
  let index = pattern.lastIndex = 0;

  function closeBracket({ angle, target = angle, done }) {
    const bracket = brackets.pop();
    if (!bracket || target === undefined) {
      pattern.lastIndex = index + 1;
      return write("]");
    }
    pair(runs.splice(bracket.runs));
    const href = resolve(target);
    const element = done && link(href);
    if (element) {
      wrap(element, bracket.node);
      for (const inner of element.querySelectorAll("a")) inner.replaceWith(...inner.childNodes);
      if (!element.textContent) element.append(href);
    }
    bracket.node.remove();
    // A link does not contain a link: brackets around it are text.
    if (!bracket.image) brackets.splice(0, MAX_DEPTH, ...brackets.filter(({ image }) => image));
  }

  for (let found; (found = pattern.exec(text)); index = pattern.lastIndex) {
    if (index < found.index) write(text.slice(index, found.index));
    index = found.index;
    const { groups, 0: whole } = found;
    const { display, dollars, math = display ?? dollars, code, br, escape, auto, url } = groups;
    const { run, bracket } = groups;
    if (math) push(make("span", { class: "math" }, math));
    else if (code) {
      push(make("code", {}, code.replace(/\n/g, " ").replace(/^ (.*[^ ].*) $/, "$1")));
    } else if (br) push(make("br"));
    else if (escape) write(resolve(escape));
    else if (auto) push(link(auto.replace(/^(?![a-z]+:)/i, "mailto:"))).append(auto);
    else if (url) push(link(url)).append(url);
    else if (bracket) {
      brackets.push({ node: write(bracket), runs: runs.length, image: bracket[1] });
      if (brackets.length > MAX_DEPTH) brackets.shift();
    } else if (whole[0] === "]") closeBracket(groups);
    else {
      const node = write(whole);
      if (run) runs.push(delimiter(node, text[index - 1], text[pattern.lastIndex]));
    }
  }
  write(text.slice(index));
  for (const opener of pair(runs).reverse()) {
    // A single sign inside a word rather stands for itself, as in 2*3.
    const shown = isOpen && (opener.size > 1 || !opener.canClose);
    while (shown && opener.node.length) emphasise(opener);
  }
  nodes.normalize();
  return nodes;
}

// A very long paragraph has parts, so that its beginning stays while its end grows.
const PART = /[^]{3000,6000}?(?:[.!?] |[。！？\n])|[^]{6000}/uy;

/** Returns a function that shows a text in an element, and then longer ones. */
function inline(element) {
  let kept = null; // The last node that stays.
  let from = 0; // Where the text after it begins.
  return (text, isOpen) => {
    if (text.length < from) [kept, from] = [null, 0];
    while (element.lastChild !== kept) element.lastChild.remove();
    for (;;) {
      PART.lastIndex = from;
      const end = PART.test(text) ? PART.lastIndex : text.length;
      const nodes = parse(text.slice(from, end), isOpen && end === text.length);
      element.append(from ? make("span", { class: "section" }, nodes) : nodes);
      if (end === text.length) return;
      [kept, from] = [element.lastChild, end];
    }
  };
}

const ATX = /^(#{1,6})(?:[ \t]+(.*))?$/;
const SETEXT = /^(?:=+|-+)[ \t]*$/;
const RULE = /^(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const FENCE = /^(?:(`{3,})([^`]*)|(~{3,})(.*))$/;
const ITEM = /^(?:[-+*]|(\d{1,9})([.)]))(?=[ \t]|$)/;
const TASK = /^\[([ xX])\][ \t]+(?=\S)/;
const DASHES = /^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
// The beginning of a line that does not decide what the line is: marks alone, and fences.
const MARKS = /^(?:[-+*=_#`~|:>\s]|\d{1,9}(?:[.)]|$))*(?:\[[ xX]?\]?\s*)?$/;
const FENCES = /^[-+*>\d.)\s]*(?:```|~~~)/;

/** Returns the cells of a table's row. The last one takes what is too much. */
function cells(row, most = MAX_COLUMNS) {
  const parts = row.trim().replace(/\\\|/g, "\0").split("|");
  if (!parts[0].trim()) parts.shift();
  if (parts.length && !parts.at(-1).trim()) parts.pop();
  if (parts.length > most) parts.push(parts.splice(most - 1).join("|"));
  return parts.map((part) => part.replace(/\0/g, "|").trim());
}

/** Returns a row of a table, and a function that fills it. */
function tableRow(tag, align) {
  const element = make("tr");
  return [element, (text, isOpen) => {
    const texts = cells(text, align.length);
    element.replaceChildren(...align.map((side, i) => {
      const cell = make(tag, side && { class: side });
      inline(cell)(texts[i] ?? "", isOpen && i === texts.length - 1);
      return cell;
    }));
  }];
}

/** Begins a section of a block. The browser lays out and paints only sections that have changed. */
function beginSection(block) {
  const { type, element, body } = block;
  if (type === "list") {
    block.body = body.cloneNode();
    block.body.classList.add("more");
    if (body.localName === "ol") block.body.start = body.start + SECTION;
    body.after(block.body);
  } else if (type === "table") {
    block.body = element.firstChild.appendChild(make("tbody"));
  } else {
    block.body = element.appendChild(make("div", { class: "section" }));
  }
}

/** Fixes the widths of a long table's columns, because a wider one would move every row. */
function keepColumns(table) {
  if (!table.offsetWidth) return; // It is not shown, so it has no widths.
  // With room for longer numbers.
  const widths = Array.from(table.rows[0].cells, ({ offsetWidth }) => offsetWidth + 24);
  table.prepend(make("colgroup", {}, ...widths.map((width) => make("col", { width }))));
  table.className = "kept";
}

/** Creates a box that scrolls, by keyboard too. */
const scroller = (tag, label, child) =>
  make(tag, { class: "scroller", role: "region", tabindex: 0, "aria-label": label }, child);

/** Returns a box of code, and a function that shows its text. */
function codeBox(info, labels) {
  const code = new Text();
  const bar = make("div", { class: "bar" }, make("span", {}, info));
  if (navigator.clipboard) { // Without HTTPS there is none.
    const button = make("button", { type: "button" }, labels.copy);
    button.onclick = async () => {
      await navigator.clipboard.writeText(code.data);
      button.textContent = labels.copied;
      setTimeout(() => { button.textContent = labels.copy; }, 1500);
    };
    bar.append(button);
  }
  const label = labels.code + (info && `: ${info}`);
  const box = make("div", { class: "code" }, bar, scroller("pre", label, make("code", {}, code)));
  return [box, (text) => code.appendData(text.slice(code.length))];
}

return (root, labels) => {
  // The blocks that the next line may continue, outermost first. `continues` reads a block's prefix
  // of a line, and returns whether the line continues the block. `holds` is the type of its
  // children. `text` is that of complete lines, `line` that of the last one.
  const open = [{ element: root, body: root }];
  const changed = new Set(); // Blocks to be drawn.
  let leaf = null; // The block whose text may go on.
  let depth; // Number of open blocks that this line continues.
  let rest; // What is left to read of this line, or null.

  const spaces = () => rest.search(/[^ ]|$/);
  const indent = () => {
    rest = rest.replace(/^ {0,3}\t/, "    ");
    return spaces();
  };
  const skip = (count) => {
    rest = rest.slice(count);
    return true;
  };
  const skipQuoteMark = () => skip(indent() + 1) && skip(rest[0] === " " ? 1 : 0);

  function setLeaf(block) {
    changed.add(leaf).add(block);
    leaf = block;
  }

  /** Appends a block to the innermost continued one that holds its type. */
  function add(type, element, more) {
    open.length = depth;
    while ((open.at(-1).holds ?? type) !== type) open.pop();
    const parent = open.at(-1);
    const { blank, body } = parent;
    if (blank && body.lastChild) body.closest("ul, ol").classList.add("loose");
    if (body.childNodes.length >= SECTION) beginSection(parent);
    parent.body.append(element);
    const block = { type, element, body: element, text: "", line: "", ...more };
    depth = open.push(block);
    setLeaf(block);
    return block;
  }

  /** Appends a block that ends with this line. */
  function addLine(type, element, more) {
    add(type, element, more);
    depth = --open.length;
    rest = null;
  }

  function addHeading(level, line) {
    const element = make(`h${Math.min(level + 2, 6)}`); // The page has headings above.
    const show = inline(element);
    const draw = (text, isOpen) =>
      show(text.trim().replace(/(?:^|[ \t])#{1,99}$/, "").trim(), isOpen);
    addLine("heading", element, { line, draw });
  }

  function addCode(continues, info = null) {
    const [element, show] = codeBox(info ?? "", labels);
    const fenced = info !== null;
    const draw = (text) => show(fenced ? text.replace(/^\n|\n$/g, "") : text.trimEnd());
    add("code", element, { continues, holds: "", draw, fenced });
  }

  function addFence(offset, [, ticks, tickInfo, fence = ticks, info = tickInfo]) {
    addCode(() => {
      const mark = rest.trim();
      if (spaces() > 3 || mark.length < fence.length || mark.replaceAll(fence[0], "")) {
        return skip(Math.min(spaces(), offset));
      }
      rest = null; // This line ends the fence.
      return false;
    }, resolve(info.trim()));
    rest = null;
  }

  /** Makes a table of a paragraph's last line, if that has as many cells. */
  function addTable(paragraph, dashes) {
    const from = paragraph.text.lastIndexOf("\n") + 1;
    const header = paragraph.text.slice(from);
    if (cells(header).length !== dashes.length) return false;
    const align = dashes.map((cell) =>
      ["", "left", "right", "center"][(cell[0] === ":") + 2 * cell.endsWith(":")]);
    const [row, fill] = tableRow("th", align);
    fill(header);
    const body = make("table", {}, row);
    paragraph.text = paragraph.text.slice(0, from);
    if (!from) paragraph.element.remove();
    const continues = () => rest.includes("|");
    add("table", scroller("div", labels.table, body), { body, align, holds: "row", continues });
    rest = null;
    return true;
  }

  function addItem(parent, width, [mark, number, marker = mark]) {
    const before = width + mark.length;
    const blank = !rest.slice(before).trim();
    if (parent.type === "p" && (blank || (number && +number !== 1))) return false;
    if (parent.marker !== marker) {
      const list = make(number ? "ol" : "ul", {
        ...(number && +number !== 1 && { start: +number }),
        ...(number > 99 && { class: "wide" }),
      });
      add("list", list, { marker, holds: "item", continues: () => true });
    }
    skip(before);
    const gap = blank || indent() > 4 ? 1 : indent();
    skip(gap);
    const element = make("li");
    const offset = before + gap;
    const continues = () => {
      if (!rest.trim()) return element.lastChild && skip(offset);
      if (spaces() >= offset || indent() >= offset) return skip(offset);
      // A bullet below a number often has too few spaces.
      return number && indent() > 1 && /^ *[-+*] /.test(rest);
    };
    add("item", element, { continues });
    if (blank) rest = null;
    return !blank;
  }

  function addParagraph(parent) {
    if (parent.type === "item" && !parent.body.lastChild) {
      rest = rest.replace(TASK, (_, mark) => {
        parent.body.className = "task";
        return mark === " " ? "\u2610 " : "\u2611\ufe0e ";
      });
    }
    const element = make("p");
    const show = inline(element);
    // A last line that may be a table's header waits for the next.
    const draw = (text, isOpen) =>
      show((isOpen ? text.replace(/(?:^|\n)\|.{0,500}$/, "") : text).trimEnd(), isOpen);
    return add("p", element, { continues: () => rest.trim(), holds: "", draw, math: "" });
  }

  /** Starts the block that begins here, if any. Returns whether another may begin inside. */
  function startBlock() {
    const parent = open[depth - 1];
    if (rest === null || parent.type === "code" || parent.math) return false;
    const paragraph = parent.type === "p" && parent;
    const width = indent();
    const text = rest.slice(width);
    let found;
    if (!text.trim()) return false;
    if (width > 3) {
      if (open.at(-1).type === "p" || parent.type === "table") return false;
      addCode(() => (indent() > 3 || !rest.trim()) && skip(4));
      skip(4);
    } else if (text[0] === ">" && depth < MAX_DEPTH) {
      const continues = () => indent() < 4 && rest[indent()] === ">" && skipQuoteMark();
      add("quote", make("blockquote"), { continues });
      return skipQuoteMark();
    } else if ((found = ATX.exec(text))) {
      addHeading(found[1].length, found[2] ?? "");
    } else if ((found = FENCE.exec(text))) {
      addFence(width, found);
    } else if (paragraph && SETEXT.test(text)) {
      paragraph.element.remove();
      depth--;
      addHeading(text[0] === "=" ? 1 : 2, paragraph.text);
    } else if (paragraph && text.includes("|") && DASHES.test(text)
        && addTable(paragraph, cells(text))) {
      return false;
    } else if (RULE.test(text)) {
      addLine("rule", make("hr"));
    } else if ((found = ITEM.exec(text)) && depth < MAX_DEPTH) {
      return addItem(parent, width, found);
    }
    return false;
  }

  /** Reads the text that is left of a line. */
  function startText(blank) {
    // A paragraph goes on even without the marks of the blocks around it.
    if (blank || open.at(-1).type !== "p") open.length = depth;
    let block = open.at(-1);
    if (blank && !block.fenced) {
      // A blank line makes the lists around it loose, if something follows.
      for (let i = open.length - 1; i > 0 && open[i].type !== "quote"; i--) open[i].blank = true;
      if (block.type !== "code") return setLeaf(null);
    }
    if (block.type === "table") {
      const [element, fill] = tableRow("td", block.align);
      const table = block.element.firstChild;
      const beginsSection = block.body.childNodes.length === SECTION;
      const draw = (text, isOpen) => {
        fill(text, isOpen);
        if (beginsSection && !isOpen && !table.className) keepColumns(table);
      };
      return addLine("row", element, { line: rest, draw });
    }
    if (block.type !== "code") {
      if (!block.math) skip(indent());
      if (block.type === "p") block.text += "\n";
      else block = addParagraph(block);
    }
    setLeaf(block);
    block.line += rest;
  }

  /** Reads a line from its beginning on. */
  function startLine(line) {
    rest = line;
    for (depth = 1; depth < open.length && open[depth].continues(); depth++);
    if (rest === null) {
      open.length = depth;
      return setLeaf(null);
    }
    while (startBlock());
    const blank = rest !== null && !rest.trim();
    if (rest !== null) startText(blank);
    if (!blank) for (const block of open) block.blank = false;
  }

  function endLine() {
    if (!leaf) return;
    const { type, line, math } = leaf;
    if (type === "code") leaf.line += "\n";
    if (type === "p") {
      // Two spaces break the line. Lines of a formula are not read as lists or headings.
      leaf.line = line.trimEnd() + (line.endsWith("  ") ? "  " : "");
      const begin = !math && /^(?:\$\$(?!\$)|\\\[)/.exec(line)?.[0];
      const end = begin ? begin.replace("[", "]") : math;
      leaf.math = line.includes(end, begin ? 2 : 0) ? "" : end;
    }
    leaf.text += leaf.line;
    leaf.line = "";
    setLeaf(leaf.continues ? leaf : null);
  }

  /** Returns whether a line can be read before its end has come. */
  const decides = (line) => !MARKS.test(line) && !FENCES.test(line)
    && (open.at(-1).type !== "table" || /^[\s>]*\|/.test(line));

  let source = "";
  let waiting = ""; // Text that has not been read.
  let begun = false; // The beginning of the line has been read.
  let ended = false;
  let limit = FRAME;
  let frame = 0;

  function update() {
    const text = ended ? waiting : waiting.slice(0, limit);
    let from = 0;
    while (from < text.length) {
      const end = text.indexOf("\n", from);
      const line = text.slice(from, end < 0 ? text.length : end);
      if (begun) leaf.line += line;
      else if (end >= 0 || ended || decides(line)) startLine(line);
      else break;
      begun = end < 0;
      if (!begun) endLine();
      from += line.length + !begun;
    }
    waiting = waiting.slice(from);
    if (begun) changed.add(leaf);
    if (ended && begun) endLine();
    if (ended) setLeaf(null);
    // As dir="auto" would do, which makes Chromium slow in a long answer.
    const letter = !root.dir && /\p{L}/u.exec(source)?.[0];
    if (letter) root.dir = /[\u0590-\u08ff\ufb1d-\ufefc]/.test(letter) ? "rtl" : "ltr";
    for (const block of changed) block?.draw?.(block.text + block.line, block === leaf);
    changed.clear();
    const goesOn = !ended && (from ? waiting : text.length === limit);
    frame = goesOn ? requestAnimationFrame(update) : 0;
    limit = from ? FRAME : 2 * limit; // A longer line may need its end.
  }

  return {
    /** Takes the next piece, to be shown with the next frame. */
    append(piece) {
      source += piece;
      waiting += piece.replace(/\r/g, "").replace(/\0/g, "\ufffd");
      frame ||= requestAnimationFrame(update);
    },
    /** Shows everything that has come. */
    end() {
      ended = true;
      cancelAnimationFrame(frame);
      update();
    },
    /** Returns whether the next frame will show more. */
    isBehind: () => frame !== 0,
    source: () => source,
  };
};
})();

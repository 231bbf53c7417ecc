// The Markdown renderer against the examples of CommonMark's specification. What differs:
//
// - HTML is text; only <br> breaks the line. An image is a link with its text.
// - Only http, https and mailto are linked. Any other link is its text. There are no references.
// - A plain URL is a link. Full-width punctuation ends it, and what belongs to the sentence.
// - A line end in a paragraph is shown: models do not wrap lines.
// - Beside Chinese, Japanese or Korean text, punctuation does not keep ** from opening or closing.
// - A formula in $…$, $$…$$, \(…\) or \[…\] stays as written, its lines and emphasis too.
// - A bullet indented by two columns belongs to the number above it.
// - A table ends at a line without "|". Its last column takes the cells that are too many.
// - Headings begin at h3, because the page has its own above.
// - Items always contain paragraphs. A list with blank lines between them has the class "loose",
//   and one whose numbers begin with three digits or more has "wide".
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { openAnswer } from "./markdown/page.js";

// Not taken: the examples of three sections, and those that define a link reference.
const otherSections = ["HTML blocks", "Raw HTML", "Link reference definitions"];
const reference = /^ {0,3}\[[^\n]+(?:\n[^\n]+)?\]: /m;
const exceptions = {
  "HTML is text": [21, 31, 308, 309, 344, 475, 476, 477, 491, 493, 494, 524, 606, 642, 643],
  "few entities have names": [25, 32, 34],
  "a tab is four spaces": [5, 6, 7],
  "spaces at the end of a line of code are dropped": [118, 336, 337],
  "\\[ begins a formula": [12],
  "a bullet indented by two columns belongs to the number above": [297],
  "a link's title has quotation marks, and any space ends the target": [505, 507],
  "an image in an image's text is text": [520],
  "only http, https and mailto are linked": [596, 598, 599, 601],
  "plain URLs are links": [608, 611],
};

test("CommonMark's examples give what CommonMark says", async (t) => {
  const { tests } = createRequire(import.meta.url)("commonmark-spec");
  const numbers = Object.values(exceptions).flat();
  const taken = ({ section, markdown }) =>
    !otherSections.includes(section) && !reference.test(markdown);
  const examples = tests.filter(taken).map(({ number, markdown, html }) => {
    // Only absolute targets are linked. Where a target is not shown, it gets a host on both sides.
    const shown = html.replace(/<[^>]*>/g, "").includes("/");
    const [text, expected] = [markdown, html].map((text) => text.replaceAll("→", "\t"));
    return shown
      ? { number, text, html: expected }
      : {
          number,
          text: text.replace(/(?<=\]\(\s*<?)\//g, "https://a/"),
          html: expected.replace(/(?<=(?:href|src)=")\//g, "https://a/"),
        };
  });
  const page = await openAnswer(t);
  const results = await page.evaluate(compareExamples, examples);
  for (const { number, text, actual, expected } of results) {
    if (numbers.includes(number))
      assert.notEqual(actual, expected, `${number} is no exception any more`);
    else assert.equal(actual, expected, `${number}: ${text}`);
  }
});

/** Renders the examples in the browser, and brings their HTML into the renderer's form. */
function compareExamples(examples) {
  const isBlock = ({ localName }) => /^(?:p|ul|ol|blockquote|pre|h\d|hr)$/.test(localName ?? "");
  const rename = (element, name) => {
    const renamed = document.createElement(name);
    renamed.append(...element.childNodes);
    element.replaceWith(renamed);
    return renamed;
  };
  const hasParagraph = (list) =>
    [...list.children].some((item) =>
      [...item.children].some(({ localName }) => localName === "p"),
    );

  /** Line ends between blocks and behind <br> are no text. */
  function dropLineEnds(body) {
    for (const parent of [body, ...body.querySelectorAll("blockquote, ul, ol, li")]) {
      for (const node of [...parent.childNodes]) {
        const before = node.previousSibling;
        if (node.nodeType !== 3 || (before && !isBlock(before) && before.localName !== "li"))
          continue;
        node.data = node.data.replace(/^\n/, "");
        if (!node.data) node.remove();
      }
    }
    for (const br of body.querySelectorAll("br"))
      br.nextSibling.data = br.nextSibling.data.replace(/^\n/, "");
  }

  /** Items have paragraphs, and lists say whether they are loose. */
  function addParagraphs(list) {
    if (list.start > 99) list.className = "wide";
    if (hasParagraph(list)) list.classList.add("loose");
    for (const item of list.children) {
      for (const node of [...item.childNodes]) {
        if (isBlock(node)) continue;
        const before = node.previousSibling;
        const paragraph =
          before?.localName === "p" && before.fresh ? before : document.createElement("p");
        paragraph.fresh = true;
        node.before(paragraph);
        paragraph.append(node);
      }
      for (const paragraph of item.children) {
        const end = paragraph.fresh && paragraph.lastChild;
        if (end?.nodeType === 3) end.data = end.data.replace(/\n$/, "");
      }
    }
  }

  function expectedForm(html) {
    const { body } = new DOMParser().parseFromString(
      html.replace(/<!--[^]*?-->/g, ""),
      "text/html",
    );
    for (const image of body.querySelectorAll("img")) {
      const link = document.createElement("a");
      link.setAttribute("href", image.getAttribute("src"));
      link.append(image.alt);
      image.replaceWith(image.closest("a") ? image.alt : link);
    }
    for (const link of body.querySelectorAll("a")) {
      link.removeAttribute("title");
      if (!/^(?:https?:|mailto:)/i.test(link.getAttribute("href")))
        link.replaceWith(...link.childNodes);
      else if (!link.textContent) link.append(link.getAttribute("href"));
    }
    for (const heading of body.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
      rename(heading, `h${Math.min(+heading.localName[1] + 2, 6)}`);
    }
    for (const pre of body.querySelectorAll("pre")) {
      const info = pre.firstChild.className.replace("language-", "");
      if (info) pre.setAttribute("info", info);
      pre.textContent = pre.textContent.replace(/\n$/, "");
    }
    dropLineEnds(body);
    for (const list of body.querySelectorAll("ul, ol")) addParagraphs(list);
    return body;
  }

  function actualForm(text) {
    const element = render(text);
    for (const list of element.querySelectorAll(".loose")) {
      if (hasParagraph(list)) continue;
      list.classList.remove("loose");
      if (!list.className) list.removeAttribute("class");
    }
    for (const info of element.querySelectorAll(".bar span")) {
      info.textContent = info.textContent.split(" ")[0];
    }
    return element;
  }

  /** CommonMark writes targets percent-encoded. */
  function decodeTargets(element) {
    for (const link of element.querySelectorAll("a")) {
      const href = link.getAttribute("href");
      try {
        link.setAttribute("href", decodeURI(href));
      } catch {
        /* a "%" that encodes nothing */
      }
    }
    return serialize(element);
  }

  return examples.map(({ number, text, html }) => ({
    number,
    text,
    actual: decodeTargets(actualForm(text)),
    expected: decodeTargets(expectedForm(html)),
  }));
}


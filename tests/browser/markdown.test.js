// The Markdown renderer that the page and the widget share: outside a browser for speed, and in Chromium.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { begin, created, labels, nextFrame, render, script, serialize } from "./markdown-dom.js";
import { exact, forbidden, missingLetters, random, randomCuts, randomText } from "./markdown-fuzz.js";
import { listen, openPage, picture, root, shows } from "./support.js";

const { unfinished, ...finished } = JSON.parse(await readFile(new URL("markdown-cases.json", import.meta.url)));
const checks = (await readFile(new URL("markdown-fuzz.js", import.meta.url), "utf8")).replace(/^export /gm, "");
const style = await readFile(join(root, "core/src/page/markdown.css"), "utf8");
const sha256 = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const colors = `
  body { margin: 0 1rem; font: 1rem/1.65 system-ui, sans-serif; background: light-dark(#fbfaf8, #16181a); color: var(--ink);
    --ink: light-dark(#22252a, #e8e6e1); --soft: light-dark(#666a71, #a0a4ab); --line: light-dark(#dedad3, #363b40);
    --mark: light-dark(#2f6f5e, #7cc4ad); --tint: light-dark(#e9f0ec, #22302b); }
  :root { color-scheme: light dark; }
  * { box-sizing: border-box; margin: 0; font: inherit; color: inherit; }`;

/** A page with the renderer, an empty answer, and a policy that allows nothing but this script and style. */
async function openAnswer(t, { css = colors + style, ...options } = {}) {
  const policy = `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(css)}`;
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>Answer</title><style>${css}</style><div id="answer" class="markdown"></div><script>${script}</script>`;
  const port = await listen(t, (request, response) =>
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy }).end(html));
  const page = await openPage(t, options);
  await page.addInitScript(`${checks}
    Object.assign(globalThis, { forbidden, labels: ${JSON.stringify(labels)}, serialize: ${serialize} })`);
  await page.goto(`http://127.0.0.1:${port}/`);
  return page;
}

/** Renders each text in the browser, whole. */
const renderAll = (page, texts) => page.evaluate((texts) => texts.map((text) => {
  const element = document.createElement("div");
  const answer = markdown(element, labels);
  answer.append(text);
  answer.end();
  return serialize(element);
}), texts);

for (const [name, cases] of Object.entries(finished)) {
  test(`syntax: ${name}`, () => {
    for (const [text, html] of cases) {
      assert.equal(serialize(render(text)), html, text);
      assert.equal(exact(render(...text)), exact(render(text)), `${text}, letter by letter`);
    }
  });
}

test("unfinished Markdown looks as it will when finished", () => {
  for (const [text, html] of unfinished) {
    const answer = begin();
    answer.append(text);
    nextFrame();
    assert.equal(serialize(answer.element), html, text);
  }
});

test("the browser renders the same", async (t) => {
  const page = await openAnswer(t);
  const cases = Object.values(finished).flat();
  const rendered = await renderAll(page, cases.map(([text]) => text));
  cases.forEach(([text, html], i) => assert.equal(rendered[i], html, text));
});

// The examples of three sections, and those that define a link reference, are about what is not taken.
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
  const taken = ({ section, markdown }) => !otherSections.includes(section) && !reference.test(markdown);
  const examples = tests.filter(taken).map(({ number, markdown, html }) => {
    // Only absolute targets are linked. Where a target is not shown, it gets a host on both sides.
    const shown = html.replace(/<[^>]*>/g, "").includes("/");
    const [text, expected] = [markdown, html].map((text) => text.replaceAll("→", "\t"));
    return shown ? { number, text, html: expected } : {
      number,
      text: text.replace(/(?<=\]\(\s*<?)\//g, "https://a/"),
      html: expected.replace(/(?<=(?:href|src)=")\//g, "https://a/"),
    };
  });
  const page = await openAnswer(t);
  const results = await page.evaluate(compareExamples, examples);
  for (const { number, text, actual, expected } of results) {
    if (numbers.includes(number)) assert.notEqual(actual, expected, `${number} is no exception any more`);
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
  const hasParagraph = (list) => [...list.children].some((item) => [...item.children].some(({ localName }) => localName === "p"));

  /** Line ends between blocks and behind <br> are no text. */
  function dropLineEnds(body) {
    for (const parent of [body, ...body.querySelectorAll("blockquote, ul, ol, li")]) {
      for (const node of [...parent.childNodes]) {
        const before = node.previousSibling;
        if (node.nodeType !== 3 || (before && !isBlock(before) && before.localName !== "li")) continue;
        node.data = node.data.replace(/^\n/, "");
        if (!node.data) node.remove();
      }
    }
    for (const br of body.querySelectorAll("br")) br.nextSibling.data = br.nextSibling.data.replace(/^\n/, "");
  }

  /** Items have paragraphs, and lists say whether they are loose. */
  function addParagraphs(list) {
    if (hasParagraph(list)) list.className = "loose";
    for (const item of list.children) {
      for (const node of [...item.childNodes]) {
        if (isBlock(node)) continue;
        const before = node.previousSibling;
        const paragraph = before?.localName === "p" && before.fresh ? before : document.createElement("p");
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
    const { body } = new DOMParser().parseFromString(html.replace(/<!--[^]*?-->/g, ""), "text/html");
    for (const image of body.querySelectorAll("img")) {
      const link = document.createElement("a");
      link.setAttribute("href", image.getAttribute("src"));
      link.append(image.alt);
      image.replaceWith(image.closest("a") ? image.alt : link);
    }
    for (const link of body.querySelectorAll("a")) {
      link.removeAttribute("title");
      if (!/^(?:https?:|mailto:)/i.test(link.getAttribute("href"))) link.replaceWith(...link.childNodes);
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
    const element = document.createElement("div");
    const answer = markdown(element, labels);
    answer.append(text);
    answer.end();
    for (const list of element.querySelectorAll(".loose")) if (!hasParagraph(list)) list.removeAttribute("class");
    for (const info of element.querySelectorAll(".bar span")) info.textContent = info.textContent.split(" ")[0];
    return element;
  }

  /** CommonMark writes targets percent-encoded. */
  function decodeTargets(element) {
    for (const link of element.querySelectorAll("a")) {
      const href = link.getAttribute("href");
      try { link.setAttribute("href", decodeURI(href)); } catch { /* a "%" that encodes nothing */ }
    }
    return serialize(element);
  }

  return examples.map(({ number, text, html }) =>
    ({ number, text, actual: decodeTargets(actualForm(text)), expected: decodeTargets(expectedForm(html)) }));
}

const hostile = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<iframe srcdoc='<script>alert(1)</script>'>",
  "<a href=\"javascript:alert(1)\">a</a>", "<style>@import 'http://a.test/'</style>", "<!--><img src=x onerror=alert(1)>", "<b/*", "</div></article>",
  ...[
    "javascript:alert(1)", "JAVASCRIPT:alert(1)", " javascript:alert(1)", "javascript&colon;alert(1)", "javascript&#58;alert(1)",
    "&#106;avascript:alert(1)", "&#x6A;avascript:alert(1)", "java&#9;script:alert(1)", "java&#10;script:alert(1)", "java&Tab;script:alert(1)",
    "\u0000javascript:alert(1)", "\u0001javascript:alert(1)", "&#1;javascript:alert(1)", "\ufeffjavascript:alert(1)", "javascript\\:alert(1)",
    "\\javascript:alert(1)", "java\\script:alert(1)", "\\u006aavascript:alert(1)", "%6aavascript:alert(1)", "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "vbscript:msgbox(1)", "file:///etc/passwd", "blob:https://a.b/c", "about:blank",
    "view-source:https://a.b", "//a.test/b", "/b", "\\\\a.test\\b", "?a=b", "#a", "https:javascript:alert(1)", "https:/a.test", "http:a", "xhttps://a.b",
    "feed:javascript:alert(1)", "mailto\u200b:a@b.c", "ｊavascript:alert(1)", "javascript\u2028:alert(1)", "https&#58;//a.b\"onclick=\"alert(1)",
    "https://a.b/\" onmouseover=\"alert(1)", "https://a.b/'onclick=alert(1)//", "https://a.b/</a><script>alert(1)</script>", "https://a:b@c.d/",
  ].flatMap((target) => [`[a](${target})`, `[a](<${target}>)`, `![a](${target})`, `<${target}>`, `[a](${target} "t")`, `[a]: ${target}\n[a]`, target]),
  "[a](javascript:alert(1)//https://a.b)", "[a](https://a.b \"\" onclick=\"alert(1)\")", "[![a](javascript:alert(1))](javascript:alert(1))",
  "[a](https://a.b)(javascript:alert(1))", "[[a](javascript:alert(1))](https://a.b)", "![[a](https://a.b)](javascript:alert(1))",
  "```\"><img src=x onerror=alert(1)>\na\n```", "```</code></pre><script>alert(1)</script>\na\n```", "| <img src=x onerror=alert(1)> |\n|---|\n| [a](javascript:alert(1)) |",
  "1\"onclick=\"alert(1). a", "<https://a.b\"onclick=alert(1)>", "<javascript:alert(1)@a.b>", "`<script>alert(1)</script>`", "$<img src=x onerror=alert(1)>$",
  "\u202e[a](https://a.b)\u202c", "{{constructor.constructor('alert(1)')()}}", "[a](constructor)", "&constructor; &__proto__; &toString;",
];

test("hostile Markdown runs, loads and links nothing", async (t) => {
  const page = await openAnswer(t);
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.route("**/*", (route) => route.abort());
  const results = await page.evaluate((texts) => texts.map((text) => {
    const element = document.getElementById("answer");
    element.replaceChildren();
    const answer = markdown(element, labels);
    answer.append(text);
    answer.end();
    // What the browser makes of a target counts.
    const protocols = [...element.querySelectorAll("a")].map(({ protocol }) => protocol);
    const other = protocols.find((protocol) => !["http:", "https:", "mailto:"].includes(protocol));
    return { text, found: other ?? forbidden(element) };
  }), hostile);
  for (const { text, found } of results) assert.equal(found, "", text);
  assert.deepEqual(requests, []);
});

const rounds = +(process.env.MARKDOWN_ROUNDS ?? 5000);
const seed = +(process.env.MARKDOWN_SEED ?? 1);
const visible = (node) => node.nodeType === 3 ? node.data : node.localName === "button" ? "" : node.childNodes.map(visible).join("");

test("random Markdown keeps its letters, however it is cut", () => {
  for (let round = 0; round < rounds; round++) {
    const next = random(seed + round);
    const text = randomText(next);
    const message = `seed ${seed + round}: ${JSON.stringify(text)}`;
    const whole = render(text);
    assert.equal(missingLetters(text, visible(whole)), "", message);
    assert.equal(forbidden(whole), "", message);
    const answer = begin();
    for (const piece of randomCuts(text, next)) {
      answer.append(piece);
      if (next(3)) nextFrame();
      assert.equal(forbidden(answer.element), "", message);
    }
    answer.end();
    assert.equal(exact(answer.element), exact(whole), message);
    assert.equal(answer.source(), text);
  }
});

test("random Markdown is the same in the browser", async (t) => {
  const page = await openAnswer(t);
  const texts = Array.from({ length: 300 }, (_, i) => randomText(random(seed + i)));
  const whole = await renderAll(page, texts);
  texts.forEach((text, i) => assert.equal(whole[i], serialize(render(text)), text));
  const cuts = texts.slice(0, 30).map((text, i) => randomCuts(text, random(i)));
  const streamed = await page.evaluate((cuts) => Promise.all(cuts.map(async (pieces) => {
    const element = document.body.appendChild(document.createElement("div"));
    const answer = markdown(element, labels);
    for (const piece of pieces) {
      answer.append(piece);
      await new Promise(requestAnimationFrame);
    }
    answer.end();
    return serialize(element);
  })), cuts);
  assert.deepEqual(streamed, whole.slice(0, 30));
});

const repeat = (part, length = 100_000) => part.repeat(Math.ceil(length / part.length)).slice(0, length);
const numbered = (part) => Array.from({ length: 100_000 / part(1000).length }, (_, i) => part(i + 1)).join("");

/** Answers of 100 kB: what models write, at length. */
const long = {
  "a fence": "```js\n" + numbered((i) => `  const value${i} = compute(${i}); // a line of code\n`),
  "a list": numbered((i) => `- Item ${i} with **bold** and \`code\`\n`),
  "a loose list": numbered((i) => `${i}. Item with **bold**\n\n   and more\n\n`),
  "a table": "| a | b | c |\n|---|---|---|\n" + numbered((i) => `| ${i} | **name ${i}** | \`code\` and text |\n`),
  "a quote": numbered((i) => `> **Line** ${i} of a quote\n`),
  "a paragraph": numbered((i) => `word${i} **bold** and \`code\` [link](https://a.b/${i}). `),
  "a paragraph of Chinese": numbered((i) => `这是第${i}句，**重点：**没有空格。`),
  "a paragraph with stray marks": numbered((i) => `*a_ [b ${i} `),
  "a heading": "# " + numbered((i) => `word${i} `),
  "prose": numbered((i) => `## Heading ${i}\n\nSome **text**.\n\n- one\n- two\n\n\`\`\`js\nlet x = ${i};\n\`\`\`\n\n`),
};

test("a frame makes few nodes, however long the answer", () => {
  for (const [name, text] of Object.entries(long)) {
    const answer = begin();
    let most = 0;
    for (let from = 0; from < text.length; from += 500) {
      const before = created();
      answer.append(text.slice(from, from + 500));
      nextFrame();
      most = Math.max(most, created() - before);
    }
    answer.end();
    assert.ok(most < 5000, `${name}: ${most} nodes in a frame`);
    assert.equal(exact(answer.element), exact(render(text)), name);
  }
});

const excessive = [
  "*a_ ", "*a **a ", "a**b", "*", "_a", "~~a", "[", "![", "[a](", "[a](b", "[a](<b", "[a](b \"", "]", "](", "[a](b)", "`", "``a`", "`a``", "\\", "\\(", "\\[", "$a ", "$$a", "$", "&", "&amp;", "<", "<a", "<a ", "<!--", "<https://a",
  "https://", "https://a.", "https://a(", "https://a.b/)", "http://.", " ", "\t", "\n", "a\n", "> ", ">", "- ", "-", "1. ", "- a\n", "#", "# ", "|", "| a ", "|-", "|-|\n", "a|b\n-|-\n", "```\n", "~~~", "$$\n", "    a\n", "  - a\n", "a  \n", "=\n", "字", "😀", "\ud83d", "\u202e", "\r", "\0",
];

test("excessive Markdown takes no excessive time", async (t) => {
  const page = await openAnswer(t);
  const nested = (unit) => Array.from({ length: 1000 }, (_, i) => unit.repeat(i) + "- a\n").join("").slice(0, 100_000);
  const texts = [
    ...excessive.map((part) => repeat(part)), nested("  "), nested("> "), repeat("> ", 2000) + "a", repeat("- ", 2000) + "a",
    Array.from({ length: 400 }, (_, i) => "`".repeat(i) + "a").join(""), "*".repeat(50_000) + "a" + "*".repeat(50_000),
    "[a](" + repeat(" "), "[a](b \"" + repeat("a"), "https://a/" + repeat("."), "https://a/" + repeat("/北", 10_000), "<a " + repeat("b"), "# a" + repeat(" ") + "#",
    "| a |\n|---|\n" + repeat("|"), repeat("|a", 50_000) + "\n" + repeat("|-", 50_000) + "\n" + repeat("|b"), repeat("**a ", 4000) + repeat("a** ", 4000),
  ];
  const times = await page.evaluate(async (texts) => {
    const times = [];
    for (const text of texts) {
      const element = document.getElementById("answer");
      element.replaceChildren();
      const start = performance.now();
      const answer = markdown(element, labels);
      for (let from = 0; from < text.length; from += 10_000) {
        answer.append(text.slice(from, from + 10_000));
        await new Promise(requestAnimationFrame);
      }
      answer.end();
      element.getBoundingClientRect();
      times.push(performance.now() - start);
    }
    return times;
  }, texts);
  times.forEach((time, i) => assert.ok(time < 5000, `${time} ms: ${texts[i].slice(0, 20)}`));
});

test("what is finished keeps its nodes and its selection", async (t) => {
  const page = await openAnswer(t);
  const kept = await page.evaluate(async () => {
    const element = document.getElementById("answer");
    const answer = markdown(element, labels);
    const show = async (piece) => {
      answer.append(piece);
      await new Promise(requestAnimationFrame);
    };
    await show("First **paragraph**\n\n- one\n- two");
    const nodes = [...element.querySelectorAll("#answer > p, li:first-child, li:first-child > p")];
    getSelection().selectAllChildren(element.firstChild);
    for (const piece of [" more\n", "- three\n\n", "## He", "ading\n\n```js\n", "let a;\n", "```\n"]) await show(piece);
    answer.end();
    return { selection: String(getSelection()), nodes: nodes.length, gone: nodes.filter((node) => !node.isConnected).length };
  });
  assert.deepEqual(kept, { selection: "First paragraph", nodes: 3, gone: 0 });
});

test("code and tables scroll by keyboard, and code is copied", async (t) => {
  const page = await openAnswer(t, { viewport: { width: 360, height: 640 }, permissions: ["clipboard-read", "clipboard-write"] });
  const code = "let a = 1;\n\tlet b;" + " // ".repeat(50);
  await page.evaluate((code) => {
    const answer = markdown(document.getElementById("answer"), labels);
    answer.append("```js\n" + code + "\n```\n\n| a | b |\n|---|---|\n| " + "wide ".repeat(99) + " | " + "text ".repeat(99) + " |\n");
    answer.end();
  }, code);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  for (const name of ["Code: js", "Table"]) {
    const box = page.getByRole("region", { name });
    await box.focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => document.activeElement.scrollLeft > 0);
  }
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
  await page.getByRole("button", { name: "Copy", exact: true }).waitFor();
});

test("headings fit below those of the page", async (t) => {
  const page = await openAnswer(t);
  await page.evaluate(() => {
    const answer = markdown(document.getElementById("answer"), labels);
    answer.append("# One\n###### Six");
    answer.end();
  });
  await shows(page.getByRole("heading", { level: 3 }), "One");
  await shows(page.getByRole("heading", { level: 6 }), "Six");
});

test("the answer reads from right to left if it begins so", async (t) => {
  const page = await openAnswer(t);
  const directions = await page.evaluate(() => ["שלום", "1. hello שלום", "42"].map((text) => {
    const element = document.createElement("div");
    const answer = markdown(element, labels);
    answer.append(text);
    answer.end();
    return element.dir;
  }));
  assert.deepEqual(directions, ["rtl", "ltr", ""]);
});

const sample = (lang) => readFile(new URL(`markdown-${lang}.md`, import.meta.url), "utf8");

for (const lang of ["en", "zh"]) {
  for (const [width, colorScheme] of [[900, "light"], [900, "dark"], [360, "light"], [360, "dark"]]) {
    test(`a long answer fits: ${lang}, ${width} px, ${colorScheme}`, async (t) => {
      const page = await openAnswer(t, { viewport: { width, height: 1600 }, colorScheme });
      await page.evaluate((text) => {
        // In a shadow root, as in the widget.
        const root = document.getElementById("answer");
        const shadow = root.attachShadow({ mode: "open" });
        shadow.adoptedStyleSheets = [...document.styleSheets].map(({ cssRules }) => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync([...cssRules].map(({ cssText }) => cssText).join(""));
          return sheet;
        });
        const element = shadow.appendChild(document.createElement("div"));
        element.className = "markdown";
        const answer = markdown(element, labels);
        answer.append(text);
        answer.end();
      }, await sample(lang));
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      await picture(page, `markdown ${lang} ${width} ${colorScheme}`);
    });
  }
}

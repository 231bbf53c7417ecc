// The Markdown renderer that the page and the widget share: outside a browser, and in Chromium.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { begin, created, nextFrame, render, script, serialize } from "./markdown/dom.js";
import * as fuzz from "./markdown/fuzz.js";
import { long } from "./markdown/long.js";
import { openAnswer } from "./markdown/page.js";
import { picture, shows } from "./support.js";

const read = (name) => readFile(new URL(`markdown/${name}`, import.meta.url), "utf8");
const { unfinished, ...finished } = JSON.parse(await read("cases.json"));
const hostile = JSON.parse(await read("hostile.json"));

for (const [name, cases] of Object.entries(finished)) {
  test(`syntax: ${name}`, () => {
    for (const [text, html] of cases) {
      assert.equal(serialize(render(text)), html, text);
      assert.equal(fuzz.exact(render(...text)), fuzz.exact(render(text)), `${text}, by letter`);
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

test("the file can be part of an inline script", () => {
  assert.doesNotMatch(script, /<!--|<\/?script/i);
});

/** Renders each text in the browser. */
const renderAll = (page, texts) =>
  page.evaluate((texts) => texts.map((text) => serialize(render(text))), texts);

test("the browser renders the same", async (t) => {
  const page = await openAnswer(t);
  const cases = Object.values(finished).flat();
  const rendered = await renderAll(page, cases.map(([text]) => text));
  cases.forEach(([text, html], i) => assert.equal(rendered[i], html, text));
});

test("hostile Markdown runs, loads and links nothing", async (t) => {
  const page = await openAnswer(t);
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  const { targets, uses, texts } = hostile;
  const links = targets.flatMap((target) => uses.map((use) => use.replace("TARGET", () => target)));
  const results = await page.evaluate((texts) => texts.map((text) => {
    const element = render(text, document.getElementById("answer"));
    // What the browser makes of a target counts.
    const protocols = [...element.querySelectorAll("a")].map(({ protocol }) => protocol);
    const other = protocols.find((name) => !["http:", "https:", "mailto:"].includes(name));
    return { text, found: other ?? forbidden(element) };
  }), [...links, ...texts]);
  for (const { text, found } of results) assert.equal(found, "", text);
  assert.deepEqual(requests, []);
});

const rounds = +(process.env.MARKDOWN_ROUNDS ?? 5000);
const seed = +(process.env.MARKDOWN_SEED ?? 1);

test("random Markdown keeps its letters, however it is cut", () => {
  for (let round = 0; round < rounds; round++) {
    const next = fuzz.random(seed + round);
    const text = fuzz.randomText(next);
    const message = `seed ${seed + round}: ${JSON.stringify(text)}`;
    const whole = render(text);
    assert.equal(fuzz.missingLetters(text, whole), "", message);
    assert.equal(fuzz.forbidden(whole), "", message);
    const answer = begin();
    for (const piece of fuzz.randomCuts(text, next)) {
      answer.append(piece);
      if (next(3)) nextFrame();
      assert.equal(fuzz.forbidden(answer.element), "", message);
    }
    answer.end();
    assert.equal(fuzz.exact(answer.element), fuzz.exact(whole), message);
    assert.equal(answer.source(), text);
  }
});

test("long random Markdown is the same, however it is cut", () => {
  for (let round = 0; round < rounds / 200; round++) {
    const next = fuzz.random(seed + round);
    const lines = Array.from({ length: 80 }, () => fuzz.randomText(next));
    // Every other is one paragraph.
    const text = round % 2 ? lines.join("") : lines.join(". ").replace(/[\r\n]/g, " ");
    const answer = begin();
    for (let from = 0, size; from < text.length; from += size) {
      size = 1 + next(1000);
      answer.append(text.slice(from, from + size));
      if (next(3)) nextFrame();
    }
    answer.end();
    assert.equal(fuzz.exact(answer.element), fuzz.exact(render(text)), `seed ${seed + round}`);
  }
});

test("random Markdown is the same in the browser", async (t) => {
  const page = await openAnswer(t);
  const texts = Array.from({ length: 300 }, (_, i) => fuzz.randomText(fuzz.random(seed + i)));
  const whole = await renderAll(page, texts);
  texts.forEach((text, i) => assert.equal(whole[i], serialize(render(text)), text));
  const cuts = texts.slice(0, 30).map((text, i) => fuzz.randomCuts(text, fuzz.random(i)));
  const streamed = await page.evaluate((cuts) => Promise.all(cuts.map(async (pieces) => {
    const element = document.createElement("div");
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

test("a frame makes few nodes, however long the answer", () => {
  for (const [name, text] of Object.entries(long)) {
    for (const size of [500, text.length]) {
      const answer = begin();
      for (let from = 0; from < text.length; from += size) {
        answer.append(text.slice(from, from + size));
        for (let before = created(); nextFrame(); before = created()) {
          assert.ok(created() - before < 6000, `${name}: ${created() - before} nodes in a frame`);
        }
      }
      answer.end();
      assert.equal(fuzz.exact(answer.element), fuzz.exact(render(text)), name);
    }
  }
});

test("a long line of marks does not stop what follows", () => {
  const answer = begin();
  answer.append(`${"=".repeat(20_000)}\n\ntext`);
  for (let frame = 0; frame < 100 && nextFrame(); frame++);
  assert.deepEqual(answer.element.childNodes.map(({ textContent }) => textContent),
    ["=".repeat(20_000), "text"]);
});

test("a table takes a long line from its paragraph", () => {
  const text = `${"a. ".repeat(900)}\n| ${"b. ".repeat(900)} |\n|---|\n| c |`;
  const [paragraph, table] = render(...text).childNodes;
  assert.equal(paragraph.textContent, "a. ".repeat(900).trim());
  assert.equal(table.textContent, `${"b. ".repeat(900).trim()}c`);
});

test("the parts of a long block are laid out in sections", () => {
  const parts = (part) => Array.from({ length: 200 }, (_, i) => part(i)).join("");
  const sizes = ({ childNodes }) => childNodes.map((child) => child.childNodes.length);
  const sections = ({ childNodes }) => childNodes.filter(({ className }) => className === "section");
  const sectionSizes = (element) => sections(element).map(({ childNodes }) => childNodes.length);

  const rows = parts((i) => `| ${i} |\n`);
  const [table] = render("| a |\n|---|\n", rows).firstChild.childNodes;
  const bodies = table.childNodes.filter(({ localName }) => localName === "tbody");
  assert.deepEqual(bodies.map(({ childNodes }) => childNodes.length), [64, 64, 9]);
  assert.equal(table.textContent, `a${rows.replace(/\D/g, "")}`);

  assert.deepEqual(sectionSizes(render(parts((i) => `${i}\n\n`))), [64, 64, 8]);
  assert.deepEqual(sectionSizes(render(parts((i) => `> ${i}\n>\n`)).firstChild), [64, 64, 8]);
  const [item] = render("- a\n\n", parts((i) => `  ${i}\n\n`)).firstChild.childNodes;
  assert.deepEqual(sectionSizes(item), [64, 64, 9]);
  assert.deepEqual(sizes(render(parts((i) => `- ${i}\n`))), [64, 64, 64, 8]);
  // Those of a list count as parts of what the list is in.
  const [text, list] = [parts((i) => `${i}\n\n`), parts((i) => `- ${i}\n`)];
  const before = text.slice(0, text.indexOf("62\n"));
  assert.deepEqual(sectionSizes(render(before, list, "\n", text)), [64, 64, 64, 8]);

  const sentences = parts((i) => `${i} ${"word ".repeat(20)}end. `);
  for (const text of [sentences, `# ${sentences}`]) {
    const [paragraph] = render(text).childNodes;
    assert.equal(sections(paragraph).length, 7);
    assert.equal(paragraph.textContent, sentences.trim());
  }
});

test("a list counts on in its sections, and becomes loose from where it does", () => {
  const items = (from, gap) => Array.from({ length: 70 }, (_, i) => `${from + i}. a\n${gap}`).join("");
  const attributes = (...texts) => render(...texts).childNodes.map((list) => list.attributes);
  assert.deepEqual(attributes(items(0, "")), [{ start: "0" }, { start: "64", class: "more" }]);
  assert.deepEqual(attributes("1989. a"), [{ start: "1989", class: "wide" }]);
  assert.deepEqual(attributes(items(1, "\n")),
    [{ class: "loose" }, { class: "loose more", start: "65" }]);
  assert.deepEqual(attributes(items(1, ""), "\n71. b"), [{}, { class: "more loose", start: "65" }]);
});

test("the columns of a long table stay as they are", async (t) => {
  const page = await openAnswer(t);
  const [text, rest] = [70, 71].map((size, i) =>
    (i ? "" : "| a | b |\n|---|---|\n") + "| c | d |\n".repeat(size));
  const columns = (...pieces) => page.evaluate(async (pieces) => {
    const element = document.getElementById("answer");
    element.replaceChildren();
    const answer = markdown(element, labels);
    const widths = [];
    for (const piece of pieces) {
      answer.append(piece);
      while (answer.isBehind()) await new Promise(requestAnimationFrame);
      const [{ cells }] = element.querySelector("table").rows;
      widths.push(Array.from(cells, (cell) => cell.offsetWidth).join());
    }
    answer.end();
    return widths;
  }, pieces);
  const wide = `| ${"word ".repeat(9)} | e |\n`;
  const [before, after] = await columns(text, wide + rest);
  assert.equal(after, before);
  const [narrow, wider] = await columns("| a | b |\n|---|---|\n| c | d |\n", wide);
  assert.notEqual(wider, narrow);

  const hidden = await page.evaluate((text) => render(text).innerHTML, text);
  assert.doesNotMatch(hidden, /<col/);
});

test("excessive Markdown takes no excessive time", async (t) => {
  const page = await openAnswer(t);
  const repeat = (part, length = 50_000) => part.repeat(length / part.length);
  const steps = (part) => Array.from({ length: 400 }, (_, i) => part.repeat(i) + "- a\n").join("");
  const texts = [
    ...hostile.repeated.map((part) => repeat(part)), steps("  "), steps("> "), steps("`"),
    repeat("> ", 2000) + "a", repeat("- ", 2000) + "a", repeat("*") + "a" + repeat("*"),
    repeat("**a ", 4000) + repeat("a** ", 4000), "[a](" + repeat(" "), "[a](b \"" + repeat("a"),
    "https://a/" + repeat("."), "https://a/" + repeat("/北", 10_000), "<a " + repeat("b"),
    "# a" + repeat(" ") + "#", "| a |\n|---|\n" + repeat("|"),
    repeat("|a") + "\n" + repeat("|-") + "\n" + repeat("|b"),
  ];
  for (const text of texts) {
    const { time, wrong } = await page.evaluate(async (text) => {
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
      return { time: performance.now() - start, wrong: forbidden(element) };
    }, text);
    assert.ok(time < 10_000, `${time} ms: ${text.slice(0, 20)}`);
    assert.equal(wrong, "", text.slice(0, 20));
  }
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
    const pieces = [" more\n", "- three\n\n", "## He", "ading\n\n```js\n", "let a;\n", "```\n"];
    for (const piece of pieces) await show(piece);
    answer.end();
    const gone = nodes.filter((node) => !node.isConnected).length;
    return { selection: String(getSelection()), nodes: nodes.length, gone };
  });
  assert.deepEqual(kept, { selection: "First paragraph", nodes: 3, gone: 0 });
});

test("code and tables scroll by keyboard, and code is copied", async (t) => {
  const permissions = ["clipboard-read", "clipboard-write"];
  const page = await openAnswer(t, { viewport: { width: 360, height: 640 }, permissions });
  const code = "let a = 1;\n\tlet b;" + " // ".repeat(50);
  const row = `| ${"wide ".repeat(99)} | ${"text ".repeat(99)} |`;
  await page.evaluate((text) => render(text, document.getElementById("answer")),
    `\`\`\`js\n${code}\n\`\`\`\n\n| a | b |\n|---|---|\n${row}`);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  for (const name of ["Code: js", "Table"]) {
    await page.getByRole("region", { name }).focus();
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
  await page.evaluate(() => render("# One\n###### Six", document.getElementById("answer")));
  await shows(page.getByRole("heading", { level: 3 }), "One");
  await shows(page.getByRole("heading", { level: 6 }), "Six");
});

test("the first letter decides the direction", async (t) => {
  const page = await openAnswer(t);
  const texts = ["שלום", "1. hello שלום", "42"];
  const directions = await page.evaluate((texts) => texts.map((text) => render(text).dir), texts);
  assert.deepEqual(directions, ["rtl", "ltr", ""]);
});

for (const language of ["en", "zh"]) {
  for (const width of [900, 360]) {
    for (const colorScheme of ["light", "dark"]) {
      test(`a long answer fits: ${language}, ${width} px, ${colorScheme}`, async (t) => {
        const page = await openAnswer(t, { viewport: { width, height: 1600 }, colorScheme });
        await page.evaluate((text) => {
          // In a shadow root, as in the widget.
          const shadow = document.getElementById("answer").attachShadow({ mode: "open" });
          const sheet = new CSSStyleSheet();
          const { cssRules } = document.styleSheets[0];
          sheet.replaceSync([...cssRules].map(({ cssText }) => cssText).join("\n"));
          shadow.adoptedStyleSheets = [sheet];
          shadow.append(render(text));
          shadow.firstChild.className = "markdown";
        }, await read(`${language}.md`));
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
        await picture(page, `markdown ${language} ${width} ${colorScheme}`);
      });
    }
  }
}

// The chat bubble, on pages that know nothing of it, in another origin than the function.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { forEachTarget, holds, openPage, picture, root, shows, startFunction, startSite } from "./support.js";

/** A foreign page with the widget in it. `html(url)` is the page, for the function at `url`. */
async function openWidget(t, target, { html, attributes = "", settings, headers, ...options } = {}) {
  const site = await startSite(t, headers);
  const running = await startFunction(t, target, { ASK_ORIGINS: site.origin, ...settings });
  const shop = `<!doctype html><html lang="en"><title>A shop</title><body><h1>A shop</h1><p>${"Shoes and laces. ".repeat(50)}</p>
    <script src="${running.url}widget.js" ${attributes}></script>`;
  site.pages["/"] = html?.(running.url) ?? shop;
  const page = await openPage(t, options);
  await page.goto(site.origin + "/");
  const widget = page.locator("ask-widget");
  return {
    ...running, site, page, widget, box: widget.locator("textarea"), bubble: widget.locator(".bubble"),
    dialog: widget.locator("dialog"), talk: widget.locator(".talk"),
  };
}

const ask = async (box, question) => {
  await box.fill(question);
  await box.press("Enter");
};
const idle = (page) => holds(page, () => !document.querySelector("ask-widget").shadowRoot.querySelector(".busy"));
const focused = (page) => page.evaluate(() => document.activeElement.shadowRoot?.activeElement.tagName ?? document.activeElement.tagName);

forEachTarget((target) => {
  test("the bubble asks from a foreign page and shows the answer", async (t) => {
    const { page, provider, box, bubble, talk } = await openWidget(t, target, {
      attributes: 'data-title="Help desk" data-token="for-everybody" data-greeting="Hello! How can I help?" data-placeholder="Ask about shoes"',
      settings: { ASK_PUBLIC_TOKEN: "for-everybody" },
    });
    await page.getByRole("button", { name: "Help desk" }).click();
    await page.getByRole("dialog", { name: "Help desk" }).waitFor();
    await shows(talk, "Hello! How can I help?");
    await page.getByPlaceholder("Ask about shoes").waitFor();
    await ask(box, "What is Rust?");
    const first = await provider.next();
    assert.deepEqual(first.messages, [{ role: "user", content: "What is Rust?" }]);
    if (target.streams) {
      first.send("A lang");
      await shows(talk, "A lang");
    } else first.send("A lang");
    first.end("uage.");
    await idle(page);
    await shows(talk, "A language.");

    await ask(box, "Since when?");
    const second = await provider.next();
    assert.deepEqual(second.messages.map(({ content }) => content), ["What is Rust?", "A language.", "Since when?"]);
    second.end("Since 2015.");
    await idle(page);
    await picture(page, `widget ${target.name}`);
    await bubble.click();
  });

  test("a strict policy of the page does not keep the widget from working", async (t) => {
    const policy = "default-src 'none'; script-src http://127.0.0.1:*; connect-src http://127.0.0.1:*; require-trusted-types-for 'script'";
    const { page, provider, box, bubble, talk } = await openWidget(t, target, { headers: { "Content-Security-Policy": policy } });
    await bubble.click();
    assert.equal(await talk.evaluate((element) => getComputedStyle(element).overflowY), "auto");
    await ask(box, "Hello");
    (await provider.next()).end("Welcome.");
    await idle(page);
    await shows(talk, "Welcome.");
  });

  test("loaded early and twice, the widget is there once", async (t) => {
    const { page, widget } = await openWidget(t, target, {
      html: (url) => `<!doctype html><head><script src="${url}widget.js" data-title="The first"></script>
        <script src="${url}widget.js" async></script></head><body><h1>A shop</h1><script src="${url}widget.js" defer></script></body>`,
    });
    await page.getByRole("button", { name: "The first" }).waitFor();
    assert.equal(await widget.count(), 1);
  });

  test("an answer that holds HTML stays text", async (t) => {
    const { page, provider, box, bubble, talk } = await openWidget(t, target);
    const html = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    await bubble.click();
    await ask(box, "HTML?");
    (await provider.next()).end(html);
    await idle(page);
    await shows(talk, html);
    assert.equal(await talk.locator("script, img").count(), 0);
  });

  test("the keyboard opens it, asks, stops, and leaves it where it came from", async (t) => {
    const { page, provider, box, dialog, talk, bubble } = await openWidget(t, target);
    await page.evaluate(() => {
      window.shortcuts = [];
      addEventListener("keydown", (event) => shortcuts.push(event.key));
    });
    await bubble.focus();
    await page.keyboard.press("Enter");
    await dialog.waitFor();
    assert.equal(await bubble.getAttribute("aria-expanded"), "true");
    assert.equal(await focused(page), "TEXTAREA");
    await page.keyboard.type("One");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    const call = await provider.next();
    assert.equal(call.messages[0].content, "One\ntwo");
    await page.keyboard.press("Tab");
    await page.getByRole("button", { name: "Stop" }).waitFor();
    await page.keyboard.press("Enter");
    await shows(talk.locator(".note"), "Stopped.");
    call.end();

    assert.equal(await box.inputValue(), "One\ntwo");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    // The browser tells of the closing a moment after it.
    await bubble.and(page.locator("[aria-expanded=false]")).waitFor();
    assert.equal(await focused(page), "BUTTON");
    assert.deepEqual(await page.evaluate(() => shortcuts), []);
  });

  test("on a phone it fills the screen and keeps the focus", async (t) => {
    const { page, dialog, bubble, provider, box } = await openWidget(t, target, {
      html: (url) => `<!doctype html><meta name="viewport" content="width=device-width"><body><h1>A shop</h1>
        <button>Buy</button><script src="${url}widget.js"></script>`,
      viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true, colorScheme: "dark", reducedMotion: "reduce",
    });
    await bubble.tap();
    assert.deepEqual(await dialog.boundingBox(), { x: 0, y: 0, width: 360, height: 640 });
    const seen = new Set();
    for (let step = 0; step < 12; step++) {
      seen.add(await focused(page));
      assert.notEqual(await page.evaluate(() => document.activeElement.textContent), "Buy");
      await page.keyboard.press("Tab");
    }
    assert.ok(seen.has("TEXTAREA") && seen.has("BUTTON"));
    await ask(box, "Hello");
    (await provider.next()).end("Good evening. What can I do for you?");
    await idle(page);
    await picture(page, `widget narrow dark ${target.name}`);
    await page.getByRole("button", { name: "Close" }).tap();
    await dialog.waitFor({ state: "hidden" });
    await bubble.waitFor();
  });

  test("neither page nor widget dresses the other", async (t) => {
    const { page, dialog, bubble, talk, provider, box } = await openWidget(t, target, {
      html: (url) => `<!doctype html><style>
          html { font-size: 40px } body { color: red; letter-spacing: 1em; text-align: right }
          * { color: red; line-height: 3 } p, button, dialog, textarea, body > * { display: none !important }
        </style><body><h1>A shop</h1><script src="${url}widget.js"></script>`,
    });
    const before = await page.evaluate(() => document.styleSheets.length + document.adoptedStyleSheets.length);
    await bubble.click();
    await ask(box, "Hello");
    (await provider.next()).end("Welcome.");
    await idle(page);
    assert.deepEqual(await talk.locator("p").evaluate((element) => {
      const { color, fontSize, letterSpacing, textAlign } = getComputedStyle(element);
      return { color, fontSize, letterSpacing, textAlign };
    }), { color: "rgb(34, 37, 42)", fontSize: "15px", letterSpacing: "normal", textAlign: "start" });
    assert.ok((await dialog.boundingBox()).width >= 360);
    assert.equal(before, await page.evaluate(() => document.styleSheets.length + document.adoptedStyleSheets.length));
  });

  test("it speaks the language that the page asks for", async (t) => {
    const { page, provider, box, bubble, talk } = await openWidget(t, target, {
      attributes: 'data-lang="zh"', expected: /OPENAI_MODEL/,
    });
    await page.getByRole("button", { name: "提问" }).click();
    await page.getByPlaceholder("输入问题").waitFor();
    await ask(box, "你好");
    (await provider.next()).fail(404, { error: { message: "no", code: "model_not_found" } });
    await shows(talk.locator(".bad"), "聊天暂时不可用。");
    await bubble.click();
  });

  test("the example shows the bubble", async (t) => {
    const example = await readFile(join(root, "examples/widget.html"), "utf8");
    const { page, provider, box, talk } = await openWidget(t, target, {
      html: (url) => example.replaceAll("http://127.0.0.1:9000/", url),
    });
    await page.getByRole("button", { name: "Ask the baker" }).click();
    await ask(box, "Is there rye?");
    (await provider.next()).end("Every morning.");
    await idle(page);
    await shows(talk, "Every morning.");
    await picture(page, `example ${target.name}`);
  });
});

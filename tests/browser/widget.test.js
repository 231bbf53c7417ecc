// The chat bubble, on pages that know nothing of it, in another origin than the function.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { forEachTarget, holds, openPage, picture, root, shows, startFunction, startSite, targets } from "./support.js";

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

  test("visitors read a sentence, and the console has the cause", async (t) => {
    const { page, provider, box, bubble, talk } = await openWidget(t, target, { expected: /^ask-widget: / });
    await bubble.click();
    for (const [status, code, sentence] of [
      [404, "model_not_found", "This chat is not available right now."],
      [401, "invalid_api_key", "This chat is not available right now."],
    ]) {
      const logged = page.waitForEvent("console", (message) => /^ask-widget: /.test(message.text()));
      await ask(box, "What is Rust?");
      (await provider.next()).fail(status, { error: { message: "no", code } });
      await shows(talk.locator(".bad"), sentence);
      assert.doesNotMatch(await talk.innerText(), /OPENAI|API|model/);
      assert.match((await logged).text(), /OPENAI_MODEL|OPENAI_API_KEY/);
      assert.equal(await box.inputValue(), "What is Rust?");
    }
    const logged = page.waitForEvent("console", (message) => /^ask-widget: /.test(message.text()));
    await ask(box, "x".repeat(9000));
    await shows(talk.locator(".bad"), "This question is too long.");
    assert.match((await logged).text(), /question_too_long/);
  });

  test("a page that the function does not know gets a sentence", async (t) => {
    const { page, site, box, bubble, talk } = await openWidget(t, target, {
      settings: { ASK_ORIGINS: "https://shop.example" }, expected: /CORS policy/,
    });
    const warning = page.waitForEvent("console", (message) => message.type() === "warning");
    await bubble.click();
    await ask(box, "Hello");
    await shows(talk.locator(".bad"), "This chat is not available right now.");
    assert.ok((await warning).text().includes(`ASK_ORIGINS must list ${site.origin}`));
    assert.equal(await box.inputValue(), "Hello");
  });

  test("the example shows the bubble", async (t) => {
    const example = await readFile(`${root}examples/widget.html`, "utf8");
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

const [web] = targets;

test("the chat is loaded when it is opened, or a sentence says that it is not", async (t) => {
  const { page, widget, bubble, dialog, stop } = await openWidget(t, web, { expected: /^ask-widget: / });
  const requests = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await page.reload();
  assert.ok(requests.includes("/widget.js") && !requests.includes("/chat.js"), `${requests}`);
  await page.route("**/chat.js", (route) => route.abort(), { times: 1 });
  const logged = page.waitForEvent("console", (message) => /^ask-widget: /.test(message.text()));
  await bubble.click();
  await shows(widget.locator("[role=status]"), "This chat is not available right now.");
  assert.match((await logged).text(), /chat\.js could not be loaded/);
  assert.equal(await dialog.count(), 0);
  await stop();
});

test("a policy with a nonce admits the chat too", async (t) => {
  const { provider, page, box, bubble, talk } = await openWidget(t, web, {
    html: (url) => `<!doctype html><body><h1>A shop</h1><script nonce="once" src="${url}widget.js"></script>`,
    headers: { "Content-Security-Policy": "default-src 'none'; script-src 'nonce-once' 'strict-dynamic'; connect-src *" },
  });
  await bubble.click();
  await ask(box, "Hello");
  (await provider.next()).end("Welcome.");
  await idle(page);
  await shows(talk, "Welcome.");
});

test("the conversation goes along to the next page of the site", async (t) => {
  const { site, page, provider, box, bubble, dialog, talk } = await openWidget(t, web);
  site.pages["/next"] = site.pages["/"].replace("<h1>", '<input autofocus><h1>');
  await bubble.click();
  await ask(box, "What is Rust?");
  (await provider.next()).end("- A **language**");
  await idle(page);
  await page.goto(`${site.origin}/next`);
  await shows(talk.locator("li strong"), "language");
  // It is open as before, but does not take the focus.
  assert.equal(await focused(page), "INPUT");
  await ask(box, "Since when?");
  const call = await provider.next();
  const contents = call.messages.map(({ content }) => content);
  assert.deepEqual(contents, ["What is Rust?", "- A **language**", "Since when?"]);
  call.end("Since 2015.");
  await idle(page);
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByRole("button", { name: "Close" }).click();
  await dialog.waitFor({ state: "hidden" });

  await page.goto(`${site.origin}/`);
  assert.equal(await dialog.count(), 0);
  await bubble.click();
  await dialog.waitFor();
  assert.equal(await talk.locator("article").count(), 0);
});

test("visitors who ask too often may try again", async (t) => {
  const { page, provider, box, bubble, talk } = await openWidget(t, web, {
    settings: { ASK_RATE: "1" }, expected: /ask-widget: .*429 rate/,
  });
  await bubble.click();
  await ask(box, "First");
  (await provider.next()).end("One.");
  await idle(page);
  await ask(box, "Second");
  await shows(talk.locator(".bad"), "There are too many questions right now.");
});

test("the newest line stays in view, and the model is not named", async (t) => {
  const { page, provider, box, bubble, talk } = await openWidget(t, web);
  const atEnd = (talk) => talk.scrollTop + talk.clientHeight >= talk.scrollHeight - 2;
  await bubble.click();
  await ask(box, "Count");
  const call = await provider.next();
  for (let i = 0; i < 40; i++) {
    call.send(`Line ${i}\n\n`);
    if (i % 10 === 9) await shows(talk, `Line ${i}`);
  }
  call.end("The end");
  await idle(page);
  await page.waitForFunction(atEnd, await talk.elementHandle());
  await page.mouse.move(...await talk.boundingBox().then(({ x, y }) => [x + 50, y + 50]));
  await page.mouse.wheel(0, -400);
  await page.getByRole("button", { name: "Go to the newest line" }).click();
  await page.waitForFunction(atEnd, await talk.elementHandle());
  assert.doesNotMatch(await talk.innerText(), /gpt/);
});

test("an answer is copied as its source", async (t) => {
  const { page, provider, box, bubble } = await openWidget(t, web, {
    permissions: ["clipboard-read", "clipboard-write"],
  });
  await bubble.click();
  await ask(box, "What is Rust?");
  (await provider.next()).end("A **language**.");
  await idle(page);
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "A **language**.");
});

test("colour, theme and position are the page's to choose", async (t) => {
  for (const [attributes, expected] of [
    ["", { brand: "rgb(47, 111, 94)", on: "rgb(255, 255, 255)", sheet: "rgb(255, 255, 255)", left: false }],
    ['data-theme="dark"', { brand: "rgb(124, 196, 173)", on: "rgb(16, 32, 26)", sheet: "rgb(31, 34, 37)", left: false }],
    ['data-color="#ffdd00" data-position="left"', { brand: "rgb(255, 221, 0)", on: "rgb(0, 0, 0)", sheet: "rgb(255, 255, 255)", left: true }],
    ['data-color="navy" data-theme="dark"', { brand: "rgb(0, 0, 128)", on: "rgb(255, 255, 255)", sheet: "rgb(31, 34, 37)", left: false }],
    ['data-color="no colour" data-theme="other" data-position="top"', { brand: "rgb(47, 111, 94)", on: "rgb(255, 255, 255)", sheet: "rgb(255, 255, 255)", left: false }],
  ]) {
    const { bubble, dialog } = await openWidget(t, web, { attributes });
    await bubble.click();
    await dialog.waitFor();
    const [brand, on] = await bubble.evaluate((element) => {
      const { backgroundColor, color } = getComputedStyle(element);
      return [backgroundColor, color];
    });
    const sheet = await dialog.evaluate((element) => getComputedStyle(element).backgroundColor);
    const left = (await bubble.boundingBox()).x < 100 && (await dialog.boundingBox()).x < 100;
    assert.deepEqual({ brand, on, sheet, left }, expected, attributes);
  }
});

test("an automatic theme is that of the browser", async (t) => {
  const { bubble, dialog } = await openWidget(t, web, { attributes: 'data-theme="auto"', colorScheme: "dark" });
  await bubble.click();
  assert.equal(await dialog.evaluate((element) => getComputedStyle(element).backgroundColor), "rgb(31, 34, 37)");
});

test("the chat is enlarged, and made small again", async (t) => {
  const { page, bubble, dialog } = await openWidget(t, web, { viewport: { width: 1280, height: 900 } });
  await bubble.click();
  const sizes = [];
  for (const name of ["Enlarge", "Shrink", "Enlarge"]) {
    sizes.push(await dialog.boundingBox());
    await page.getByRole("button", { name }).click();
  }
  assert.deepEqual(sizes.map(({ width }) => width), [384, 760, 384]);
  assert.ok(sizes[1].height > sizes[0].height && sizes[1].y > 0);
});

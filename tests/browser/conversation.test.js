// The conversation on the ask page: kept, marked, tried again, followed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, assistant, idle, openAsk, user } from "./page.js";
import { forEachTarget, holds, shows, targets } from "./support.js";

const [web] = targets;
const turns = (page) => page.locator("article").count();

forEachTarget((target) => {
  test("the conversation survives a reload and the way back", async (t) => {
    const { page, url, provider, box, answers } = await openAsk(t, target);
    await ask(box, "What is Rust?");
    (await provider.next()).end("A **language**.");
    await idle(page);
    await page.reload();
    await shows(answers.locator("strong"), "language");
    await page.goto(`${url}robots.txt`);
    await page.goBack();
    await shows(answers.locator("strong"), "language");

    await ask(box, "Since when?");
    const call = await provider.next();
    const messages = [user("What is Rust?"), assistant("A **language**."), user("Since when?")];
    assert.deepEqual(call.messages, messages);
    call.end("Since 2015.");
    await idle(page);
    await page.getByRole("button", { name: "New conversation" }).click();
    await page.reload();
    await page.locator("#hello").waitFor();
    assert.equal(await turns(page), 0);
  });

  test("a failed turn is marked, and trying again replaces it", async (t) => {
    const { page, provider, box, answers } = await openAsk(t, target);
    await ask(box, "What is Rust?");
    (await provider.next()).fail(404, { error: { message: "no", code: "model_not_found" } });
    await page.locator("article.failed").waitFor();
    await page.reload();
    await shows(page.locator(".failed .bad"), "OPENAI_MODEL");
    await page.getByRole("button", { name: "Try again" }).click();
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("What is Rust?")]);
    call.end("A language.");
    await idle(page);
    assert.equal(await answers.innerText(), "A language.");
    assert.equal(await page.locator(".failed, .bad").count(), 0);
    assert.equal(await box.inputValue(), "");
  });

  test("a finish reason is said in words, and the model is named", async (t) => {
    const { page, provider, box } = await openAsk(t, target, { settings: { OPENAI_MODEL: "stand-in" } });
    for (const [reason, sentence] of [
      ["length", "The answer reached its length limit."],
      ["content_filter", "The rest of the answer was filtered."],
    ]) {
      await ask(box, `What is ${reason}?`);
      (await provider.next()).end("Half of", reason);
      await shows(page.locator("article:last-child .note"), sentence);
      await shows(page.locator("article:last-child .model"), "stand-in");
      await idle(page);
    }
  });
});

test("an answer that is left in the middle has failed after the reload", async (t) => {
  const { page, provider, box, answers } = await openAsk(t, web);
  await ask(box, "Tell me");
  const call = await provider.next();
  call.send("Once upon");
  await shows(answers, "Once upon");
  await page.reload();
  await shows(page.locator(".failed .answer"), "Once upon");
  await shows(page.locator(".failed .note"), "The answer broke off");
  await page.getByRole("button", { name: "Try again" }).click();
  const again = await provider.next();
  assert.deepEqual(again.messages, [user("Tell me")]);
  again.end("Done.");
  await idle(page);
  assert.equal(await turns(page), 1);
});

test("a deadline is said in words", async (t) => {
  const { page, box } = await openAsk(t, web);
  const body = 'data: {"text":"Half"}\n\ndata: {"text":"","finish_reason":"deadline"}\n\ndata: [DONE]\n\n';
  const reply = { contentType: "text/event-stream", body };
  await page.route("**/*", (route) => route.fulfill(reply), { times: 1 });
  await ask(box, "Tell me");
  await shows(page.locator(".note"), "Time ran out before the answer was complete.");
});

test("a reader who scrolls up stays there, and a button leads to the end", async (t) => {
  const { page, provider, box } = await openAsk(t, web, { viewport: { width: 800, height: 600 } });
  const latest = page.getByRole("button", { name: "Go to the newest line" });
  const atEnd = () => scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
  await ask(box, "Count");
  const call = await provider.next();
  for (let i = 0; i < 60; i++) {
    call.send(`Line ${i}\n\n`);
    // Only what is more than a screen at once is shown from its beginning.
    if (i % 10 === 9) await shows(page.locator(".answer"), `Line ${i}`);
  }
  await holds(page, atEnd);
  assert.equal(await latest.isVisible(), false);

  await page.mouse.move(400, 200);
  await page.mouse.wheel(0, -500);
  await latest.waitFor();
  const before = await page.evaluate(() => scrollY);
  for (let i = 60; i < 90; i++) call.send(`Line ${i}\n\n`);
  await shows(page.locator(".answer"), "Line 89");
  assert.equal(await page.evaluate(() => scrollY), before);

  await latest.click();
  await holds(page, atEnd);
  assert.equal(await latest.isVisible(), false);
  call.send("Line 90\n\n".repeat(5));
  call.end("The end");
  await idle(page);
  await holds(page, atEnd);
});

test("a model that is slow to begin is still thinking", async (t) => {
  const { page, provider, box, answers } = await openAsk(t, web);
  await page.clock.install();
  await ask(box, "What is the answer?");
  const call = await provider.next();
  const thinking = page.getByText("Still thinking…").first();
  await page.clock.runFor(7000);
  assert.equal(await thinking.isVisible(), false);
  await page.clock.runFor(2000);
  await thinking.waitFor();
  call.end("42, of course.");
  await page.clock.runFor(100);
  await shows(answers, "42, of course.");
  await page.clock.runFor(100);
  assert.equal(await page.locator(".foot").getByText("Still thinking…").count(), 0);
});

for (const [name, script] of [
  ["full", () => { Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); }; }],
  ["blocked", () => {
    for (const storage of ["sessionStorage", "localStorage"]) {
      Object.defineProperty(window, storage, { get() { throw new DOMException("", "SecurityError"); } });
    }
  }],
]) {
  test(`a ${name} storage is no error`, async (t) => {
    const { page, provider, box, answers } = await openAsk(t, web);
    await page.addInitScript(script);
    await page.reload();
    await ask(box, "First");
    (await provider.next()).end("One.");
    await idle(page);
    await ask(box, "Second");
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("First"), assistant("One."), user("Second")]);
    call.end("Two.");
    await idle(page);
    await shows(answers, "Two.");
  });
}

test("what is stored by others counts as no conversation", async (t) => {
  const { page } = await openAsk(t, web);
  for (const stored of ["{", "null", "[1]", '[{"question":1,"answer":2}]', '{"question":"a"}']) {
    await page.evaluate((stored) => sessionStorage.setItem("conversation /", stored), stored);
    await page.reload();
    await page.locator("#hello").waitFor();
    assert.equal(await turns(page), 0, stored);
  }
});

test("forced colours show borders instead of backgrounds", async (t) => {
  const { page, provider, box } = await openAsk(t, web, { forcedColors: "active" });
  await ask(box, "What is Rust?");
  (await provider.next()).end("A `language`.");
  await idle(page);
  for (const selector of [".question", ".answer code", "#go", "#composer"]) {
    const [width, color] = await page.locator(selector).evaluate((element) => {
      const { borderTopWidth, borderTopColor } = getComputedStyle(element);
      return [borderTopWidth, borderTopColor];
    });
    assert.equal(width, "1px", selector);
    assert.doesNotMatch(color, /^rgba\(.*, 0\)$/, selector);
  }
});

test("the composer is in the middle until the first question", async (t) => {
  const { page, provider, box } = await openAsk(t, web, { viewport: { width: 900, height: 800 } });
  const middle = async () => {
    const { y, height } = await page.locator("#composer").boundingBox();
    return y + height / 2;
  };
  assert.ok(Math.abs(await middle() - 400) < 80);
  await ask(box, "What is Rust?");
  assert.ok(await middle() > 700);
  (await provider.next()).end("A language.");
  await idle(page);
});

test("the page has the name of ASK_TITLE", async (t) => {
  const { page } = await openAsk(t, web, { settings: { ASK_TITLE: 'Ask "us" <b>& them</b>' } });
  assert.equal(await page.title(), 'Ask "us" <b>& them</b>');
  await page.getByRole("heading", { name: 'Ask "us" <b>& them</b>', level: 1 }).waitFor();
});

test("the console names ASK_ORIGINS if there is no response", async (t) => {
  const { page, box, stop } = await openAsk(t, web);
  const warning = page.waitForEvent("console", (message) => message.type() === "warning");
  await stop();
  await ask(box, "Hello");
  assert.match((await warning).text(), /CORS.*ASK_ORIGINS must list http:\/\/127/);
});

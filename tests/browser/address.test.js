// Addresses of the ask page: with a question, a token, a signature; and without JavaScript.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { ask, idle, openAsk, user } from "./page.js";
import { forEachTarget, openPage, shows, startFunction, startSite, targets } from "./support.js";

const [web] = targets;
const signingKey = "a key of sixteen characters or more";

/** Returns the query of a link that is signed for a question. */
function signed(question) {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const text = `ask1\n/\n${exp}\nq\n${question}`;
  const sig = createHmac("sha256", signingKey).update(text).digest("base64url");
  return String(new URLSearchParams({ question, exp, sig }));
}

forEachTarget((target) => {
  test("?format=html asks the question of its address once", async (t) => {
    const { page, url, provider, answers } = await openAsk(t, target, {
      query: "?format=html&question=What%20is%20C%2B%2B%3F",
    });
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("What is C++?")]);
    call.end("A **language**.");
    await idle(page);
    await shows(answers.locator("strong"), "language");
    assert.equal(page.url(), url);
    await page.reload();
    await shows(answers, "A language.");
    assert.equal(provider.asked.length, 0);
  });

  test("the question of a link on another site waits for Enter", async (t) => {
    const site = await startSite(t);
    const settings = { ASK_ORIGINS: site.origin, ASK_PUBLIC_TOKEN: "let-me-in" };
    const { page, url, provider, box } = await openAsk(t, target, { settings, query: "?token=let-me-in" });
    const href = `${url}?format=html&question=Spend+the+token`;
    site.pages["/"] = `<!doctype html><title>A shop</title><a href="${href}">Ask</a>`;
    await page.goto(site.origin + "/");
    await page.getByRole("link").click();
    await page.waitForURL(url);
    assert.equal(await box.inputValue(), "Spend the token");
    assert.equal(await page.locator("article").count(), 0);
    assert.equal(provider.asked.length, 0);
    await box.press("Enter");
    (await provider.next()).end("Spent.");
    await idle(page);
  });

  test("a signed link for one question asks by its own query", async (t) => {
    const { page, provider, answers } = await openAsk(t, target, {
      settings: { ASK_PUBLIC_TOKEN: "let-me-in", ASK_SIGNING_KEY: signingKey },
      query: `?format=html&${signed("What is Rust?")}`,
    });
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("What is Rust?")]);
    call.end("A language.");
    await idle(page);
    assert.equal(await answers.innerText(), "A language.");
    await ask(page.locator("#box"), "Another question");
    await page.locator("#gate").waitFor();
    assert.equal(provider.asked.length, 0);
  });

  test("without JavaScript the form asks", async (t) => {
    const { page, provider, box } = await openAsk(t, target, {
      settings: { ASK_PUBLIC_TOKEN: "let-me-in" }, javaScriptEnabled: false,
    });
    await page.locator("footer > noscript").waitFor();
    await box.fill("What is Rust?");
    await page.locator("[name=token]").fill("let-me-in");
    const clicked = page.getByRole("button", { name: "Send" }).click();
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("What is Rust?")]);
    call.end("A language.");
    await clicked;
    assert.equal(await page.locator("body").innerText(), "A language.");
  });
});

test("a question in the address begins a new conversation", async (t) => {
  const { page, url, provider, box } = await openAsk(t, web);
  await ask(box, "First");
  (await provider.next()).end("One.");
  await idle(page);
  await page.goto(`${url}?format=html&q=Second`);
  const call = await provider.next();
  assert.deepEqual(call.messages, [user("Second")]);
  call.end("Two.");
  await idle(page);
  assert.equal(await page.locator("article").count(), 1);
});

test("the model of the address goes along with each question", async (t) => {
  const { page, url, provider, box } = await openAsk(t, web, {
    settings: { OPENAI_MODEL: "small,large" }, query: "?model=large",
  });
  for (const question of ["First", "Second"]) {
    const sent = page.waitForRequest((request) => request.method() === "POST");
    await ask(box, question);
    (await provider.next()).end("Yes.");
    await idle(page);
    assert.equal((await sent).url(), `${url}?model=large`);
  }
});

test("a copied link opens the question, without the token", async (t) => {
  const { page, url, provider, box } = await openAsk(t, web, {
    settings: { ASK_PUBLIC_TOKEN: "let-me-in" }, query: "?token=let-me-in",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  await ask(box, "What is C++ & why?");
  (await provider.next()).end("A language.");
  await idle(page);
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(link, `${url}?format=html&question=What+is+C%2B%2B+%26+why%3F`);
  await page.goto(link);
  const call = await provider.next();
  assert.deepEqual(call.messages, [user("What is C++ & why?")]);
  call.end("A language.");
  await idle(page);
});

test("a token is remembered on the device if that is wanted", async (t) => {
  const settings = { ASK_PUBLIC_TOKEN: "let-me-in" };
  for (const keep of [false, true]) {
    const { page, url, provider, box } = await openAsk(t, web, { settings });
    await ask(box, "First");
    await page.locator("#key").fill("let-me-in");
    if (keep) await page.getByLabel("Remember on this device").check();
    await page.locator("#key").press("Enter");
    (await provider.next()).end("One.");
    await idle(page);
    // Another tab has another session.
    const tab = await page.context().newPage();
    await tab.goto(url);
    await ask(tab.locator("#box"), "Second");
    if (!keep) {
      await tab.locator("#gate").waitFor();
      continue;
    }
    (await provider.next()).end("Two.");
    await idle(tab);
    assert.equal(await tab.locator("#gate").isVisible(), false);
  }
});

test("a token that is no longer valid is forgotten", async (t) => {
  const { page, box } = await openAsk(t, web, { settings: { ASK_PUBLIC_TOKEN: "let-me-in" } });
  await page.evaluate(() => localStorage.setItem("token /", "old"));
  await page.reload();
  await ask(box, "Hello");
  await shows(page.locator("#why"), "The access token was not accepted.");
  assert.equal(await page.evaluate(() => localStorage.length), 0);
});

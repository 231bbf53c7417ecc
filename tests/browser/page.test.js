// The ask page, as both functions serve it to a browser.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { ask, assistant, idle, openAsk, user } from "./page.js";
import { forEachTarget, holds, listen, openPage, picture, shows, startFunction, targets } from "./support.js";

test("pieces that are cut anywhere come together again", async (t) => {
  const { url } = await startFunction(t, targets[0]);
  const html = await (await fetch(url, { headers: { Accept: "text/html" } })).text();
  const bytes = Buffer.from('id: 1\r\ndata: {"text":"你好"}\r\n\r\ndata:{"text":", "}\n\n: still here\n\ndata: {"text":"Welt 🌍"}\n\ndata: [DONE]');
  let reply;
  const asked = new Promise((resolve) => {
    reply = (response) => resolve(response.writeHead(200, { "Content-Type": "text/event-stream" }));
  });
  const port = await listen(t, (request, response) => {
    if (request.method === "POST") reply(response);
    else response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(html);
  });
  const page = await openPage(t);
  await page.goto(`http://127.0.0.1:${port}/`);
  await ask(page.locator("#box"), "Hello");
  const response = await asked;
  // Each cut lies in the middle of an event or a character; what came before it is on the page before the rest is sent.
  const cuts = [["text\":\", ", 4, "你好"], ["🌍", 2, "你好,"], ["[DONE]", 3, "你好, Welt 🌍"]];
  let sent = 0;
  for (const [mark, inside, shown] of cuts) {
    const cut = bytes.indexOf(mark) + inside;
    response.write(bytes.subarray(sent, cut));
    sent = cut;
    await holds(page, (text) => document.querySelector(".answer").textContent === text, shown);
  }
  response.end(bytes.subarray(sent));
  await idle(page);
  assert.equal(await page.locator(".note").count(), 0);
});

forEachTarget((target) => {
  test("a question is answered, and the conversation goes along with the next", async (t) => {
    const { page, provider, box, answers } = await openAsk(t, target);
    await ask(box, "What is Rust?");
    const first = await provider.next();
    assert.deepEqual(first.messages, [user("What is Rust?")]);
    first.end("A language. 一门语言。");
    await idle(page);
    assert.equal(await answers.innerText(), "A language. 一门语言。");
    assert.equal(await box.inputValue(), "");

    await ask(box, "Since when?");
    const second = await provider.next();
    assert.deepEqual(second.messages, [user("What is Rust?"), assistant("A language. 一门语言。"), user("Since when?")]);
    second.end("Since 2015.");
    await idle(page);
    await shows(answers, "Since 2015.");
  });

  if (target.streams) {
    test("the answer grows as it is written", async (t) => {
      const { page, provider, box, answers } = await openAsk(t, target);
      await ask(box, "Count");
      const call = await provider.next();
      for (const [piece, whole] of [["One", "One"], [", two", "One, two"], [", three", "One, two, three"]]) {
        call.send(piece);
        await holds(page, (text) => document.querySelector(".answer").textContent === text, whole);
      }
      assert.equal(await page.locator("#go").getAttribute("aria-label"), "Stop");
      call.end();
      await idle(page);
      assert.equal(await answers.textContent(), "One, two, three");
    });

    test("stopping keeps what has come and ends the provider's work", async (t) => {
      const { page, provider, box, answers } = await openAsk(t, target);
      await ask(box, "Tell me everything");
      const call = await provider.next();
      call.send("In the beginning");
      await shows(answers, "In the beginning");
      await page.locator("#go").click();
      await shows(page.locator(".note"), "Stopped.");
      await call.gone;
      assert.equal(await answers.textContent(), "In the beginning");
      assert.equal(await box.inputValue(), "");

      await ask(box, "Go on");
      const next = await provider.next();
      assert.deepEqual(next.messages, [user("Tell me everything"), assistant("In the beginning"), user("Go on")]);
      next.end("was the word.");
      await idle(page);
    });

    test("an answer that breaks off says so, and is not sent along", async (t) => {
      const { page, provider, box, answers } = await openAsk(t, target);
      await ask(box, "Tell me");
      const call = await provider.next();
      call.send("Once upon");
      await shows(answers, "Once upon");
      call.breakOff();
      await page.locator(".bad").waitFor();
      await idle(page);
      assert.equal(await answers.textContent(), "Once upon");
      assert.equal(await box.inputValue(), "Tell me");
      await box.press("Enter");
      const again = await provider.next();
      assert.deepEqual(again.messages, [user("Tell me")]);
      again.end("Done.");
      await idle(page);
    });

    test("a connection that is lost in the middle of an answer says so", async (t) => {
      const { page, provider, box, answers } = await openAsk(t, target);
      await page.route("**/*", async (route) => {
        if (route.request().method() === "GET") return route.continue();
        await route.fulfill({ contentType: "text/event-stream", body: 'data: {"text":"Half a"}\r\n\r\ndata: {"te' });
      });
      await ask(box, "Tell me");
      await shows(page.locator(".bad"), "The answer broke off before its end.");
      assert.equal(await answers.textContent(), "Half a");
      assert.equal(provider.asked.length, 0);
    });
  }

  test("stopping before anything has come gives the question back", async (t) => {
    const { page, provider, box } = await openAsk(t, target);
    await ask(box, "Anybody there?");
    const call = await provider.next();
    await page.keyboard.press("Escape");
    await shows(page.locator(".note"), "Stopped.");
    assert.equal(await box.inputValue(), "Anybody there?");
    call.end("Yes.");
  });

  test("an answer that holds HTML stays text", async (t) => {
    const { page, provider, box, answers } = await openAsk(t, target, { permissions: ["clipboard-read", "clipboard-write"] });
    const html = "<script>alert(1)</script>\n<img src=x onerror=alert(2)>\n<b>bold</b> &amp;";
    await ask(box, "<i>HTML?</i>");
    (await provider.next()).end(html);
    await idle(page);
    assert.equal(await answers.textContent(), html.replace("&amp;", "&"));
    assert.equal(await page.locator("main :is(script, img, b, i)").count(), 0);

    await page.getByRole("button", { name: "Copy", exact: true }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), html);
  });

  test("an error is shown as its sentence, and the question comes back", async (t) => {
    const { page, provider, box } = await openAsk(t, target);
    await ask(box, "What is Rust?");
    (await provider.next()).fail(404, { error: { message: "The model does not exist", code: "model_not_found" } });
    await shows(page.locator(".bad"), "OPENAI_MODEL");
    assert.doesNotMatch(await page.locator(".bad").innerText(), /[{}]/);
    assert.equal(await box.inputValue(), "What is Rust?");
    await shows(page.locator("#status"), "OPENAI_MODEL");

    await box.press("Enter");
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("What is Rust?")]);
    call.end("A language.");
    await idle(page);
  });

  test("what stands between the page and the function may fail in its own words", async (t) => {
    const { page, box } = await openAsk(t, target);
    for (const [body, sentence] of [["upstream timed out", "upstream timed out"], ["", "The server replied with status 504."]]) {
      await page.route("**/*", (route) => route.fulfill({ status: 504, contentType: "text/plain", body }), { times: 1 });
      await ask(box, "Hello");
      await shows(page.locator(".bad"), sentence);
    }
  });

  test("a server out of reach is a sentence of its own", async (t) => {
    const { page, box, stop } = await openAsk(t, target);
    await stop();
    await ask(box, "Hello");
    await shows(page.locator(".bad"), "The server could not be reached.");
    assert.equal(await box.inputValue(), "Hello");
  });

  test("a token in the address leaves it and is remembered", async (t) => {
    const { page, provider, box } = await openAsk(t, target, {
      settings: { ASK_PUBLIC_TOKEN: "let-me-in" }, query: "?token=let-me-in&theme=plain#top",
    });
    const { origin } = new URL(page.url());
    assert.equal(page.url(), `${origin}/?theme=plain#top`);
    await ask(box, "First");
    (await provider.next()).end("Welcome.");
    await idle(page);

    await page.reload();
    await ask(box, "Second");
    (await provider.next()).end("Welcome back.");
    await shows(page.locator(".answer"), "Welcome back.");
    await idle(page);
    assert.equal(await page.locator("#gate").isVisible(), false);
  });

  test("without the token the page asks for it, and then asks the question", async (t) => {
    const { page, provider, box, answers } = await openAsk(t, target, { settings: { ASK_PUBLIC_TOKEN: "let-me-in" } });
    const key = page.locator("#key");
    await ask(box, "What is Rust?");
    await shows(page.locator("#why"), "An access token is needed.");
    assert.equal(await key.getAttribute("type"), "password");
    assert.equal(await page.evaluate(() => document.activeElement.id), "key");
    await picture(page, `token ${target.name}`);
    await page.keyboard.type("wrong");
    const refused = page.waitForResponse((response) => response.status() === 401);
    await page.keyboard.press("Enter");
    await refused;
    await shows(page.locator("#why"), "The access token was not accepted.");
    assert.equal(provider.asked.length, 0);

    await key.fill("let-me-in");
    await page.keyboard.press("Enter");
    (await provider.next()).end("A language.");
    await idle(page);
    assert.equal(await answers.innerText(), "A language.");
    assert.equal(await page.locator("#gate").isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.id), "box");
    assert.equal(await page.locator("article").count(), 1);
    assert.doesNotMatch(page.url(), /let-me-in/);
  });

  test("a signed link opens the page and asks without a token", async (t) => {
    const key = "a key of sixteen characters or more";
    const exp = Math.floor(Date.now() / 1000) + 600;
    const sig = createHmac("sha256", key).update(`ask1\n/\n${exp}`).digest("base64url");
    const { page, provider, box, answers } = await openAsk(t, target, {
      settings: { ASK_PUBLIC_TOKEN: "let-me-in", ASK_SIGNING_KEY: key }, query: `?exp=${exp}&sig=${sig}`,
    });
    await ask(box, "What is Rust?");
    (await provider.next()).end("A language.");
    await idle(page);
    assert.equal(await answers.innerText(), "A language.");
  });

  test("a link that has expired says so and lets a token take its place", async (t) => {
    const { page, provider, box, answers } = await openAsk(t, target, {
      settings: { ASK_PUBLIC_TOKEN: "let-me-in", ASK_SIGNING_KEY: "a key of sixteen characters or more" }, query: "?exp=1000000000&sig=c2ln",
    });
    await ask(box, "What is Rust?");
    await shows(page.locator("#why"), /link/);
    await page.locator("#key").fill("let-me-in");
    await page.keyboard.press("Enter");
    (await provider.next()).end("A language.");
    await idle(page);
    assert.equal(await answers.innerText(), "A language.");
  });

  test("a conversation that grows too long loses its beginning and goes on", async (t) => {
    const { page, provider, box } = await openAsk(t, target, { settings: { ASK_MAX_QUESTION: "40" } });
    for (const [question, answer] of [["Question one", "Answer one"], ["Question two", "And a second answer"]]) {
      await ask(box, question);
      (await provider.next()).end(answer);
      await idle(page);
    }
    await ask(box, "x".repeat(41));
    await page.locator(".bad").waitFor();
    await idle(page);
    await ask(box, "Three");
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("Question two"), assistant("And a second answer"), user("Three")]);
    call.end("3");
    await shows(page.locator(".note"), "its beginning was not sent along");
  });

  test("the page speaks Chinese to a Chinese browser, its errors included", async (t) => {
    const { page, provider, box } = await openAsk(t, target, { locale: "zh-CN" });
    assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
    await shows(page.locator("#hello"), "想问点什么？");
    assert.equal(await box.getAttribute("placeholder"), "输入问题");
    await ask(box, "什么是 Rust？");
    (await provider.next()).fail(404, { error: { message: "no", code: "model_not_found" } });
    await shows(page.locator(".bad"), /[一-龥].*OPENAI_MODEL|OPENAI_MODEL.*[一-龥]/);
    await ask(box, "什么是 Rust？");
    (await provider.next()).end("Rust 是一门注重性能和内存安全的编程语言。\n\n它没有垃圾回收：所有权在编译时检查。");
    await idle(page);
    await picture(page, `chinese ${target.name}`);
  });

  test("the page fits a narrow screen", async (t) => {
    const { page, provider, box } = await openAsk(t, target, {
      viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true, colorScheme: "dark",
    });
    await ask(box, "Why does a word like Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft not break?");
    (await provider.next()).end(`It does: ${"a".repeat(200)}\n\n${"A line of an answer that is long. ".repeat(40)}`);
    await idle(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    const button = await page.locator("#go").boundingBox();
    assert.ok(button.x + button.width <= 360 && button.y + button.height <= 640 && button.width >= 40 && button.height >= 40);
    // An answer that comes whole is shown from the beginning of its turn.
    const top = await page.locator("h2").evaluate((element) => element.getBoundingClientRect().top);
    assert.ok(target.streams || top >= 0 && top < 40, `${top}`);
    await picture(page, `narrow dark ${target.name}`);
  });

  test("the keyboard is enough", async (t) => {
    const { page, provider, box } = await openAsk(t, target);
    await holds(page, () => document.activeElement.id === "box");
    await page.keyboard.type("One line");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("and another");
    assert.equal(await box.inputValue(), "One line\nand another");
    await page.keyboard.press("Enter");
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("One line\nand another")]);
    await page.keyboard.press("Escape");
    await shows(page.locator(".note"), "Stopped.");
    call.end("Too late");

    await page.keyboard.press("Enter");
    (await provider.next()).end("Fine.");
    await idle(page);
    for (const name of ["Add a picture", "Copy link", "Copy", "New conversation"]) {
      await page.keyboard.press("Shift+Tab");
      const focused = () => document.activeElement.ariaLabel ?? document.activeElement.textContent;
      assert.equal(await page.evaluate(focused), name);
    }
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("article").count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement.id), "box");

    await page.keyboard.type("Afresh");
    await page.keyboard.press("Enter");
    const fresh = await provider.next();
    assert.deepEqual(fresh.messages, [user("Afresh")]);
    fresh.end("Yes.");
    await idle(page);
  });

  test("an Enter that chooses a word while composing does not send", async (t) => {
    const { page, provider, box } = await openAsk(t, target, { locale: "zh-CN" });
    await box.focus();
    const keyboard = await page.context().newCDPSession(page);
    await keyboard.send("Input.imeSetComposition", { text: "nihao", selectionStart: 5, selectionEnd: 5 });
    // As Chromium delivers it while an input method is at work: the key, but no text of its own.
    await keyboard.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
    await keyboard.send("Input.dispatchKeyEvent", { type: "keyUp", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
    assert.equal(await page.locator("article").count(), 0);
    await keyboard.send("Input.insertText", { text: "你好" });
    assert.equal(await box.inputValue(), "你好");
    await page.keyboard.press("Enter");
    const call = await provider.next();
    assert.deepEqual(call.messages, [user("你好")]);
    call.end("你好！");
    await idle(page);
  });

  test("a screen reader hears the answer once, when it is whole", async (t) => {
    const { page, provider, box } = await openAsk(t, target);
    await page.evaluate(() => {
      window.heard = [];
      const status = document.querySelector("[role=status]");
      new MutationObserver(() => heard.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
    });
    assert.equal(await page.locator("main[aria-live], main [aria-live], [role=log]").count(), 0);
    await page.getByRole("textbox", { name: "Your question" }).waitFor();
    await page.getByRole("button", { name: "Send" }).waitFor();
    await ask(box, "Count");
    const call = await provider.next();
    call.send("One, ");
    call.send("two, ");
    call.end("three.");
    await idle(page);
    await holds(page, () => heard.length > 1);
    assert.deepEqual(await page.evaluate(() => heard), ["Waiting for the answer…", "One, two, three."]);
    await page.getByRole("heading", { name: "Count", level: 2 }).waitFor();
  });

  test("a new conversation forgets the question under way", async (t) => {
    const { page, provider, box } = await openAsk(t, target);
    await ask(box, "Slow one");
    const slow = await provider.next();
    await page.getByRole("button", { name: "New conversation" }).click();
    await page.locator("#hello").waitFor();
    assert.equal(await box.inputValue(), "");
    slow.end("Late.");
    await ask(box, "Quick one");
    const quick = await provider.next();
    assert.deepEqual(quick.messages, [user("Quick one")]);
    quick.end("Here.");
    await idle(page);
    assert.equal(await page.locator(".answer").innerText(), "Here.");
  });

  test("the page runs under a policy that allows its own script and style alone", async (t) => {
    const { page, url } = await openAsk(t, target);
    const reply = await page.goto(url);
    assert.equal(reply.headers()["content-type"], "text/html; charset=utf-8");
    assert.match(reply.headers()["content-security-policy"], /default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';/);
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).display), "flex");
    await picture(page, `wide ${target.name}`);
  });
});

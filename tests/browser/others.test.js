// Widgets that others wrote, pointed at the functions as their documents say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { forEachTarget, openPage, picture, shows, startFunction, startSite } from "./support.js";

/** A site with `html(url)`, the function at `url`. */
async function openSite(t, target, html, options) {
  const site = await startSite(t);
  const running = await startFunction(t, target, { ASK_ORIGINS: site.origin });
  site.pages["/"] = `<!doctype html><html lang="en"><meta charset="utf-8"><body>${html(running.url)}`;
  const page = await openPage(t, options);
  const open = () => page.goto(site.origin + "/");
  return { ...running, page, open };
}

const deepChat = (connect) => (url) => `<deep-chat connect='${JSON.stringify({ url, ...connect })}'
    errorMessages='{"displayServiceErrorMessages": true}'></deep-chat>
  <script type="module" src="/deep-chat/dist/deepChat.bundle.js"></script>`;

const n8n = (options) => (url) => `<link rel="stylesheet" href="/@n8n/chat/dist/style.css"><div id="n8n-chat"></div>
  <script type="module">
    import { createChat } from "/@n8n/chat/dist/chat.bundle.es.js";
    createChat({ webhookUrl: "${url}", mode: "fullscreen", chatInputKey: "question", ...${JSON.stringify(options)} });
  </script>`;

forEachTarget((target) => {
  for (const [mode, connect] of [["whole", {}], ["streamed", { stream: true }]]) {
    test(`deep-chat shows a ${mode} answer`, async (t) => {
      const { page, open, provider } = await openSite(t, target, deepChat(connect));
      await open();
      const input = page.locator("deep-chat #text-input");
      await input.click();
      await input.pressSequentially("What is Rust?");
      await input.press("Enter");
      const call = await provider.next();
      assert.deepEqual(call.messages, [{ role: "user", content: "What is Rust?" }]);
      const answer = page.locator("deep-chat .ai-message-text");
      call.send("A language");
      if (call.stream) await shows(answer, "A language");
      call.end(" for systems.");
      await shows(answer, "A language for systems.");
      await picture(page, `deep-chat ${mode} ${target.name}`);
    });
  }

  test("deep-chat shows an error as its sentence", async (t) => {
    const { page, open, provider } = await openSite(t, target, deepChat({}), { expected: /OPENAI_MODEL/ });
    await open();
    const input = page.locator("deep-chat #text-input");
    await input.click();
    await input.pressSequentially("What is Rust?");
    await input.press("Enter");
    (await provider.next()).fail(404, { error: { message: "no", code: "model_not_found" } });
    await shows(page.locator("deep-chat .error-message-text"), "OPENAI_MODEL");
  });

  for (const [mode, options] of [
    ["whole", {}],
    ["streamed", { enableStreaming: true }],
    ["whole, by GET,", { webhookConfig: { method: "GET" } }],
  ]) {
    test(`n8n's chat shows a ${mode} answer`, async (t) => {
      const { page, url, open, provider } = await openSite(t, target, n8n(options));
      const session = page.waitForResponse((reply) =>
        reply.url().startsWith(url) && /loadPreviousSession/.test(reply.url() + reply.request().postData()) && reply.request().method() !== "OPTIONS");
      await open();
      assert.deepEqual(await (await session).json(), { data: [] });
      assert.equal(provider.asked.length, 0);

      const input = page.locator(".chat-input textarea");
      await input.fill("What is Rust?");
      await input.press("Enter");
      const call = await provider.next();
      assert.deepEqual(call.messages, [{ role: "user", content: "What is Rust?" }]);
      const answer = page.locator(".chat-message-from-bot");
      call.send("A language");
      if (call.stream) await shows(answer, "A language");
      call.end(" for systems.");
      await shows(answer, "A language for systems.");
      await picture(page, `n8n ${mode} ${target.name}`);
    });
  }
});

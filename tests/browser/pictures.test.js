// Pictures in a question on the ask page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { idle, openAsk } from "./page.js";
import { forEachTarget, holds, picture, shows, targets } from "./support.js";

const [web] = targets;

/** Draws a PNG file of this size in the page. Returns its bytes. */
async function png(page, width, height) {
  const base64 = await page.evaluate(([width, height]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = "teal";
    context.fillRect(0, 0, width, height / 2);
    return canvas.toDataURL("image/png").split(",")[1];
  }, [width, height]);
  return Buffer.from(base64, "base64");
}

/** Returns the width, the height and the lowest left pixel of a data URL. */
const measure = (page, url) => page.evaluate(async (src) => {
  const image = Object.assign(new Image(), { src });
  await image.decode();
  const context = document.createElement("canvas").getContext("2d");
  context.drawImage(image, 0, 1 - image.height);
  return [image.width, image.height, ...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}, url);

const choose = async (page, ...files) => {
  const before = await page.locator("#pictures img").count();
  await page.locator("#files").setInputFiles(
    files.map((buffer) => ({ name: "picture.png", mimeType: "image/png", buffer })));
  await holds(page, (count) => document.querySelectorAll("#pictures img").length === count,
    before + files.length);
};
const urlsOf = ({ messages }) => messages.map(({ content }) =>
  typeof content === "string" ? [] : content.flatMap(({ image_url }) => image_url?.url ?? []));

forEachTarget((target) => {
  test("a picture is made smaller, and only the newest one is sent", async (t) => {
    const { page, provider, box } = await openAsk(t, target);
    const ask = async (question) => {
      await box.fill(question);
      await box.press("Enter");
      const call = await provider.next();
      call.end("I see.");
      await idle(page);
      return call;
    };
    await choose(page, await png(page, 3136, 1000));
    const first = await ask("What is this?");
    assert.equal(first.messages[0].content[0].text, "What is this?");
    const [[url]] = urlsOf(first);
    assert.match(url, /^data:image\/jpeg;base64,/);
    // White where the picture is transparent.
    assert.deepEqual(await measure(page, url), [1568, 500, 255, 255, 255]);
    await page.getByRole("img", { name: "Picture 1" }).waitFor();
    await picture(page, `pictures ${target.name}`);

    assert.deepEqual(urlsOf(await ask("And its colour?")), [[url], [], []]);
    await choose(page, await png(page, 10, 10), await png(page, 20, 10));
    const third = urlsOf(await ask("And these?"));
    assert.deepEqual(third.map((urls) => urls.length), [0, 0, 0, 0, 2]);
    assert.deepEqual((await measure(page, third[4][1])).slice(0, 2), [20, 10]);

    const stored = await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
    assert.ok(stored.includes("And these?") && !stored.includes("data:"), stored);
    await page.reload();
    await shows(page.locator(".question"), "[Picture 1] What is this?");
    assert.deepEqual(urlsOf(await ask("Still there?")).flat(), []);
  });
});

test("pictures are pasted and dropped", async (t) => {
  const { page, provider, box } = await openAsk(t, web);
  const bytes = [...await png(page, 8, 8)];
  await page.evaluate((bytes) => {
    const transfer = () => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" }));
      return data;
    };
    const options = { bubbles: true, cancelable: true };
    const box = document.getElementById("box");
    box.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: transfer() }));
    for (const type of ["dragover", "drop"]) {
      const event = new DragEvent(type, { ...options, dataTransfer: transfer() });
      if (document.body.dispatchEvent(event)) throw new Error(`the browser handles ${type}`);
    }
  }, bytes);
  await holds(page, () => document.querySelectorAll("#pictures img").length === 2);
  // A picture is a question of its own.
  await box.press("Enter");
  const call = await provider.next();
  assert.deepEqual(urlsOf(call).map((urls) => urls.length), [2]);
  assert.equal(await page.locator("#pictures img").count(), 0);
  call.fail(404, { error: { message: "no", code: "model_not_found" } });
  await page.locator(".failed").waitFor();
  // They come back with the question.
  assert.equal(await page.locator("#pictures img").count(), 2);
  await page.getByRole("button", { name: "Try again" }).click();
  const again = await provider.next();
  assert.deepEqual(urlsOf(again).map((urls) => urls.length), [2]);
  again.end("I see.");
  await idle(page);
  assert.equal(await page.locator("#pictures img").count(), 0);
});

test("text is pasted as before", async (t) => {
  const { page, box } = await openAsk(t, web);
  const isHandled = await box.evaluate((box) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", "text");
    return !box.dispatchEvent(new ClipboardEvent("paste", { clipboardData, cancelable: true }));
  });
  assert.equal(isHandled, false);
  assert.equal(await page.locator("#pictures img").count(), 0);
});

test("four pictures are the most, and each can be removed", async (t) => {
  const { page } = await openAsk(t, web);
  const bytes = await png(page, 8, 8);
  await choose(page, bytes, bytes, bytes, bytes);
  await page.locator("#files").setInputFiles({ name: "five.png", mimeType: "image/png", buffer: bytes });
  await shows(page.getByRole("alert"), "A question takes 4 pictures at most.");
  assert.equal(await page.locator("#pictures img").count(), 4);
  await page.getByRole("button", { name: "Remove: Picture 2" }).click();
  assert.equal(await page.locator("#pictures img").count(), 3);
  await page.getByRole("alert").waitFor({ state: "hidden" });
});

test("a file that is no picture is refused with a sentence", async (t) => {
  const { page } = await openAsk(t, web);
  await page.locator("#files").setInputFiles(
    { name: "notes.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await shows(page.getByRole("alert"), "The browser cannot read this file as a picture.");
  assert.equal(await page.locator("#pictures img").count(), 0);
});

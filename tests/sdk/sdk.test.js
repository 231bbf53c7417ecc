// OpenAI's own SDK for Node, with nothing changed but the address and the key.
import assert from "node:assert/strict";
import { Blob } from "node:buffer";
import { test } from "node:test";
import OpenAI, { AuthenticationError, NotFoundError, toFile } from "openai";

const client = new OpenAI({ baseURL: `${process.env.ASK_WEB}/v1`, apiKey: process.env.TOKEN, maxRetries: 0 });
const messages = [{ role: "user", content: "你好" }];

test("a chat is answered", async () => {
  const { data, response } = await client.chat.completions.create({ model: "m", messages }).withResponse();
  assert.equal(data.choices[0].message.content, "You asked: 你好 好😀");
  assert.equal(response.headers.get("x-request-id"), "req_1");
});

test("a streamed chat comes in pieces", async () => {
  const pieces = [];
  for await (const chunk of await client.chat.completions.create({ model: "m", messages, stream: true })) {
    pieces.push(chunk.choices[0].delta.content ?? "");
  }
  assert.deepEqual(pieces, ["You asked: ", "你好", " 好😀", ""]);
});

test("models are listed", async () => {
  const models = await client.models.list();
  assert.deepEqual(models.data.map(({ id }) => id), ["m"]);
});

test("a file is uploaded", async () => {
  const file = await toFile(new Blob(["x".repeat(1_000_000)]), "f.jsonl");
  assert.equal((await client.files.create({ file, purpose: "batch" })).bytes, 1_000_000);
});

test("the provider's error is the SDK's error", async () => {
  await assert.rejects(
    client.chat.completions.create({ model: "none", messages }),
    (error) => error instanceof NotFoundError && error.code === "model_not_found",
  );
});

test("without the token there is no key to borrow", async () => {
  const stranger = client.withOptions({ apiKey: "other" });
  await assert.rejects(stranger.models.list(), (error) => error instanceof AuthenticationError && error.status === 401);
});

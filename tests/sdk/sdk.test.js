// Node clients of OpenAI's API, with only the address and the key changed.
// The last tests are the AI SDK's clients of the question endpoint.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import {
  APICallError,
  TextStreamChatTransport,
  callCompletionApi,
  generateText,
  streamText,
} from "ai";
import OpenAI, { AuthenticationError, NotFoundError, toFile } from "openai";

const { ASK_TOKEN, ASK_WEB, OPENAI_API_KEY, UPSTREAM } = process.env;
const question = "你好";
const messages = [{ role: "user", content: question }];
const expected = JSON.parse(readFileSync("expected.json"));

// Every address gives every client the same results.
const addresses = {
  direct: [`${UPSTREAM}/v1`, OPENAI_API_KEY],
  proxy: [`${ASK_WEB}/v1`, ASK_TOKEN],
  "proxy below a stage": [`${ASK_WEB}/release/v1`, ASK_TOKEN],
};

// Returns the texts of a stream without the empty ones that begin and end it.
const texts = async (stream, text = (chunk) => chunk) => {
  const found = [];
  for await (const chunk of stream) found.push(text(chunk));
  return found.filter(Boolean);
};

// Returns the error of this class that the promise is rejected with.
const error = (kind, promise) =>
  promise.then(assert.fail, (error) => (error instanceof kind ? error : Promise.reject(error)));

// Returns the upstream's sentence in that error.
const upstreamError = async (kind, promise) =>
  /The model .* exist|$/.exec((await error(kind, promise)).message)[0];

const openai = (baseURL, apiKey) => {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const stranger = client.withOptions({ apiKey: "other" });
  const chat = (options) => client.chat.completions.create({ model: "m", messages, ...options });
  const response = (options) =>
    client.responses.create({ model: "m", input: question, ...options });
  const upload = async () => {
    const file = await toFile(Buffer.alloc(1_000_000, "x"), "f.jsonl");
    return client.files.create({ file, purpose: "batch" });
  };
  return {
    chat: async () => (await chat()).choices[0].message.content,
    "streamed chat": async () =>
      texts(await chat({ stream: true }), ({ choices }) => choices[0].delta.content),
    response: async () => (await response()).output_text,
    "streamed response": async () => {
      const text = ({ type, delta }) => type === "response.output_text.delta" && delta;
      return texts(await response({ stream: true }), text);
    },
    "response events": async () => texts(await response({ stream: true }), ({ type }) => type),
    models: async () => (await client.models.list()).data.map(({ id }) => id),
    upload: async () => (await upload()).bytes,
    "request id": async () => (await chat())._request_id,
    error: () => upstreamError(NotFoundError, chat({ model: "none" })),
    "wrong key": async () => (await error(AuthenticationError, stranger.models.list())).status,
  };
};

// `model` makes a model of the AI SDK, which calls this endpoint: chat or response.
const aiSdk = (model, endpoint) => {
  const ask = (name) => ({ model: model(name), prompt: question, maxRetries: 0 });
  return {
    [endpoint]: async () => (await generateText(ask("m"))).text,
    [`streamed ${endpoint}`]: () => texts(streamText(ask("m")).textStream),
    error: () => upstreamError(APICallError, generateText(ask("none"))),
  };
};

const langchain = (baseURL, apiKey) => {
  const chat = (model) =>
    new ChatOpenAI({ model, apiKey, maxRetries: 0, configuration: { baseURL } });
  return {
    chat: async () => (await chat("m").invoke(question)).content,
    "streamed chat": async () => texts(await chat("m").stream(question), ({ content }) => content),
    error: () => upstreamError(NotFoundError, chat("none").invoke(question)),
  };
};

const clients = {
  openai,
  "@ai-sdk/openai": (baseURL, apiKey) => aiSdk(createOpenAI({ baseURL, apiKey }), "response"),
  "@ai-sdk/openai.chat": (baseURL, apiKey) => aiSdk(createOpenAI({ baseURL, apiKey }).chat, "chat"),
  "@ai-sdk/openai-compatible": (baseURL, apiKey) =>
    aiSdk(createOpenAICompatible({ name: "ask", baseURL, apiKey }), "chat"),
  "@langchain/openai": langchain,
};

for (const [client, calls] of Object.entries(clients)) {
  for (const [address, [baseURL, key]] of Object.entries(addresses)) {
    for (const [call, run] of Object.entries(calls(baseURL, key))) {
      test(`${client}, ${address}: ${call}`, async () => {
        assert.deepEqual(await run(), expected[call]);
      });
    }
  }
}

// The code behind `useChat` and `useCompletion`. It shows a body of any content type as text.
// `useChat` is known by its messages; `useCompletion` has to name the format.
const api = `${ASK_WEB}/`;

const useChat = async (token) => {
  const headers = { Authorization: `Bearer ${token}` };
  const transport = new TextStreamChatTransport({ api, headers });
  const stream = await transport.sendMessages({
    chatId: "chat-1",
    trigger: "submit-message",
    messages: [
      { id: "1", role: "user", parts: [{ type: "text", text: "Hello" }] },
      {
        id: "2",
        role: "assistant",
        parts: [{ type: "step-start" }, { type: "text", text: "Hi", state: "done" }],
      },
      { id: "3", role: "user", parts: [{ type: "text", text: question }] },
    ],
  });
  return (await texts(stream, ({ delta }) => delta)).join("");
};

const useCompletion = async (token) => {
  let failure;
  const text = await callCompletionApi({
    api: `${api}?format=text`,
    prompt: question,
    headers: { Authorization: `Bearer ${token}` },
    body: {},
    streamProtocol: "text",
    setCompletion() {},
    setLoading() {},
    setAbortController() {},
    setError: (error) => (failure = error),
  });
  if (failure) throw failure;
  return text;
};

for (const [name, ask] of Object.entries({ useChat, useCompletion })) {
  test(`${name}: text`, async () => assert.equal(await ask(ASK_TOKEN), expected.chat));
  test(`${name}: error`, () => assert.rejects(ask("other"), { message: /^The token is/ }));
}

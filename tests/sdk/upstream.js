// The upstream: a stand-in for OpenAI's API with the endpoints that the clients call.
// Prints its port and exits when its standard input ends.
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

const created = 1_700_000_000;
const answer = (question) => ["You asked: ", question, " 好😀"];

// Compresses as providers do: whole replies, if the client accepts gzip.
const json = ({ request, response }, status, body) => {
  const text = JSON.stringify(body);
  const gzip = /\bgzip\b/.test(request.headers["accept-encoding"]);
  response.writeHead(status, {
    "content-type": "application/json",
    "x-request-id": "req_1",
    ...(gzip && { "content-encoding": "gzip" }),
  });
  response.end(gzip ? gzipSync(text) : text);
};

const error = (exchange, status, code, message) =>
  json(exchange, status, { error: { message, type: "invalid_request_error", param: null, code } });

const events = ({ response }, texts) => {
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_1" });
  for (const text of texts) response.write(`${text}\n\n`);
  response.end();
};

const chat = (exchange, { model, messages, stream }) => {
  const texts = answer(messages.at(-1).content);
  const completion = (object, choice) =>
    ({ id: "chatcmpl-1", object, created, model, choices: [{ index: 0, ...choice }] });
  if (!stream) {
    const message = { role: "assistant", content: texts.join(""), refusal: null };
    return json(exchange, 200, {
      ...completion("chat.completion", { message, finish_reason: "stop" }),
      usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 },
    });
  }
  const chunk = (delta, finish_reason = null) =>
    `data: ${JSON.stringify(completion("chat.completion.chunk", { delta, finish_reason }))}`;
  events(exchange, [
    chunk({ role: "assistant", content: "" }),
    ...texts.map((content) => chunk({ content })),
    chunk({}, "stop"),
    "data: [DONE]",
  ]);
};

// https://platform.openai.com/docs/api-reference/responses-streaming
const respond = (exchange, { model, input, stream }) => {
  const content = typeof input === "string" ? input : input.at(-1).content;
  const texts = answer(typeof content === "string" ? content : content[0].text);
  const part = (text) => ({ type: "output_text", text, annotations: [], logprobs: [] });
  const message = (status, content) =>
    ({ id: "msg_1", type: "message", role: "assistant", status, content });
  const result = (status, output, usage = null) => ({
    id: "resp_1", object: "response", created_at: created, status, model, output, usage,
    error: null, incomplete_details: null, instructions: null, metadata: {},
    parallel_tool_calls: true, tool_choice: "auto", tools: [], temperature: 1, top_p: 1,
  });
  const whole = part(texts.join(""));
  const completed = result("completed", [message("completed", [whole])], {
    input_tokens: 1, input_tokens_details: { cached_tokens: 0 },
    output_tokens: 3, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 4,
  });
  if (!stream) return json(exchange, 200, completed);
  const at = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const steps = [
    ["created", { response: result("in_progress", []) }],
    ["in_progress", { response: result("in_progress", []) }],
    ["output_item.added", { output_index: 0, item: message("in_progress", []) }],
    ["content_part.added", { ...at, part: part("") }],
    ...texts.map((delta) => ["output_text.delta", { ...at, delta, logprobs: [] }]),
    ["output_text.done", { ...at, text: whole.text, logprobs: [] }],
    ["content_part.done", { ...at, part: whole }],
    ["output_item.done", { output_index: 0, item: completed.output[0] }],
    ["completed", { response: completed }],
  ];
  events(exchange, steps.map(([name, fields], sequence_number) => {
    const type = `response.${name}`;
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number, ...fields })}`;
  }));
};

const upload = (exchange, body) => {
  // The file lies between the blank line of its part and the next boundary.
  const boundary = /boundary=(.+)$/.exec(exchange.request.headers["content-type"])[1];
  const parts = body.toString("latin1").split(`--${boundary}`);
  const part = parts.find((part) => part.includes("filename="));
  const bytes = part.slice(part.indexOf("\r\n\r\n") + 4, -2).length;
  json(exchange, 200, {
    id: "file-1", object: "file", created_at: created, filename: "f.jsonl", purpose: "batch",
    status: "processed", bytes,
  });
};

const server = createServer(async (request, response) => {
  const exchange = { request, response };
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const endpoint = `${request.method} ${request.url}`;
  if (request.headers.authorization !== `Bearer ${process.env.OPENAI_API_KEY}`) {
    return error(exchange, 401, "invalid_api_key", "Incorrect API key provided");
  }
  if (endpoint === "GET /v1/models") {
    const data = [{ id: "m", object: "model", created, owned_by: "me" }];
    return json(exchange, 200, { object: "list", data });
  }
  if (endpoint === "POST /v1/files") return upload(exchange, body);
  const handler = { "POST /v1/chat/completions": chat, "POST /v1/responses": respond }[endpoint];
  if (!handler) return error(exchange, 404, null, `Invalid URL (${endpoint})`);
  const fields = JSON.parse(body);
  if (fields.model === "none") {
    return error(exchange, 404, "model_not_found", "The model `none` does not exist");
  }
  handler(exchange, fields);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();

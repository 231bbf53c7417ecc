// A provider with the end points that the SDKs are tried on. Prints its port, and ends with its standard input.
import { createServer } from "node:http";

const KEY = "sk-server-of-the-provider";

const json = (response, status, body) => {
  response.writeHead(status, { "content-type": "application/json", "x-request-id": "req_1" });
  response.end(JSON.stringify(body));
};

const error = (response, status, code, message) =>
  json(response, status, { error: { message, type: "invalid_request_error", param: null, code } });

const piece = (delta, finish_reason = null) =>
  ({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] });

const complete = (response, { model, messages, stream }) => {
  if (model === "none") return error(response, 404, "model_not_found", "The model `none` does not exist");
  const words = ["You asked: ", messages.at(-1).content, " 好😀"];
  if (!stream) {
    const message = { role: "assistant", content: words.join("") };
    return json(response, 200, {
      id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 },
    });
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const content of words) response.write(`data: ${JSON.stringify(piece({ content }))}\n\n`);
  response.end(`data: ${JSON.stringify(piece({}, "stop"))}\n\ndata: [DONE]\n\n`);
};

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (request.headers.authorization !== `Bearer ${KEY}`) return error(response, 401, "invalid_api_key", "Incorrect API key");
  switch (`${request.method} ${request.url}`) {
    case "POST /v1/chat/completions":
      return complete(response, JSON.parse(body));
    case "GET /v1/models":
      return json(response, 200, { object: "list", data: [{ id: "m", object: "model", created: 1, owned_by: "me" }] });
    case "POST /v1/files": {
      // The file is what stands between its part's empty line and the next boundary.
      const boundary = /boundary=(.+)$/.exec(request.headers["content-type"])[1];
      const part = body.toString("latin1").split(`--${boundary}`).find((part) => part.includes("filename="));
      const bytes = part.slice(part.indexOf("\r\n\r\n") + 4, -2).length;
      return json(response, 200, { id: "file-1", object: "file", bytes, created_at: 1, filename: "f.jsonl", purpose: "batch" });
    }
    default:
      return error(response, 404, null, `${request.method} ${request.url}`);
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();

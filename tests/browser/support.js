// The parts of each test: a stand-in provider, the functions as processes, pages of a foreign origin, Chromium.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";
import { after, describe } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const binaries = process.env.BINARIES ?? join(root, "target/debug");

/** The functions under test: `start(t, settings)` resolves to a running one. */
export const targets = [
  {
    name: "the Web function",
    streams: true,
    start: (t, settings) => serve(t, (port) =>
      spawn(join(binaries, "ask-web"), { env: { HOST: "127.0.0.1", PORT: port, ...settings }, stdio })),
  },
  {
    name: "the event function",
    streams: false,
    // The local platform has a guard of its own against foreign pages; unless a test is about it, the function's counts.
    async start(t, settings, allowed = ["--allow-origin", "*"]) {
      const directory = await mkdtemp(join(tmpdir(), "ask-"));
      t.after(() => rm(directory, { recursive: true }));
      await copyFile(join(root, "bootstrap"), join(directory, "bootstrap"));
      await symlink(join(binaries, "ask"), join(directory, "ask"));
      const variables = Object.entries(settings).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
      return serve(t, (port) => spawn(join(binaries, "scf-emulator"),
        ["--listen", `127.0.0.1:${port}`, ...allowed, ...variables, join(directory, "bootstrap")],
        { env: { PATH: process.env.PATH }, stdio }));
    },
  },
];

/** Declares the same tests for each function. */
export const forEachTarget = (declare) => {
  for (const target of targets) describe(target.name, () => declare(target));
};

export const stdio = ["ignore", "pipe", "pipe"];
const patience = 15_000; // Milliseconds until a condition that a test waits for is given up.

/** Rejects once a test has waited long enough for something. */
const late = (complaint) => new Promise((_, reject) => setTimeout(() => reject(new Error(complaint)), patience).unref());

/** A queue whose `next` waits, until patience ends with the complaint. `left` is what nobody has taken yet. */
function queue(complaint) {
  const left = [];
  const waiting = [];
  return {
    left,
    push: (item) => { if (waiting.length) waiting.shift()(item); else left.push(item); },
    next: () => left.length ? Promise.resolve(left.shift())
      : Promise.race([new Promise((resolve) => waiting.push(resolve)), late(complaint)]),
  };
}

/** Starts a process on a free port, waits until it accepts connections, and ends it with the test. */
export async function serve(t, start) {
  const port = await freePort();
  const child = start(String(port));
  const exit = new Promise((resolve, reject) => child.once("exit", resolve).once("error", reject));
  let said = "";
  child.stderr.on("data", (bytes) => { said += bytes; });
  const log = queue(`${child.spawnfile} has logged nothing`);
  for (const output of [child.stdout, child.stderr]) createInterface(output).on("line", log.push);
  const stop = () => {
    child.kill();
    return Promise.race([exit, late("the process has not ended on SIGTERM")]);
  };
  t.after(stop);
  const gone = exit.then((code) => { throw new Error(`${child.spawnfile} ended with ${code} before it listened: ${said}`); });
  gone.catch(() => {});
  await Promise.race([accepting(port), gone, late(`${child.spawnfile} does not listen`)]);
  return { url: `http://127.0.0.1:${port}/`, log, stop };
}

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

const accepting = (port) => new Promise((resolve) => {
  const knock = () => net.connect(port, "127.0.0.1")
    .once("connect", function connected() { this.destroy(); resolve(); })
    .once("error", () => setTimeout(knock, 10));
  knock();
});

/** Serves `answer(request, response)` at 127.0.0.1 until the test ends, and upgrades if told to; resolves to the port. */
export const listen = (t, answer, upgrade) => new Promise((resolve) => {
  const server = http.createServer(answer);
  if (upgrade) server.on("upgrade", upgrade);
  server.listen(0, "127.0.0.1", () => resolve(server.address().port));
  t.after(() => { server.closeAllConnections(); server.close(); });
});

/** An OpenAI-compatible provider whose every answer is given, piece by piece, by the test. */
async function startProvider(t) {
  const calls = queue("no question has reached the provider");
  const port = await listen(t, async (request, response) => {
    assert.equal(`${request.method} ${request.url}`, "POST /v1/chat/completions");
    calls.push(new Call(await json(request), response));
  }, ({ url }, socket) => calls.push({ upgrade: url, end: () => socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") }));
  return {
    url: `http://127.0.0.1:${port}/v1`,
    /** The next question, or WebSocket, that reaches the provider. */
    next: calls.next,
    /** Those that no test has taken yet. */
    asked: calls.left,
  };
}

class Call {
  #response;
  #whole = "";

  constructor({ messages, stream }, response) {
    this.messages = messages;
    this.stream = stream;
    this.#response = response;
    /** Resolves when the function hangs up. */
    this.gone = new Promise((resolve) => response.once("close", resolve));
  }

  send(piece) {
    if (this.stream) this.#chunk({ delta: { content: piece } }); else this.#whole += piece;
  }

  end(piece = "", finish_reason = "stop") {
    this.send(piece);
    if (!this.stream) {
      const message = { role: "assistant", content: this.#whole };
      return this.fail(200, { model: "stand-in", choices: [{ message, finish_reason }] });
    }
    this.#chunk({ delta: {}, finish_reason });
    this.#response.end("data: [DONE]\n\n");
  }

  fail(status, body) {
    this.#response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }

  breakOff() {
    this.#response.destroy();
  }

  #chunk(choice) {
    if (!this.#response.headersSent) this.#response.writeHead(200, { "Content-Type": "text/event-stream" });
    this.#response.write(`data: ${JSON.stringify({ object: "chat.completion.chunk", choices: [choice] })}\n\n`);
  }
}

/** A function with its provider. What comes after the settings is the target's own. */
export async function startFunction(t, target, settings = {}, ...more) {
  const provider = await startProvider(t);
  const server = await target.start(t, { OPENAI_BASE_URL: provider.url, OPENAI_API_KEY: "test-key", ...settings }, ...more);
  return { provider, ...server };
}

/** A site of somebody else's, on another host than the functions: `pages` are HTML by path, the rest is read from node_modules. */
export async function startSite(t, headers = {}) {
  const pages = {};
  const types = { js: "text/javascript", mjs: "text/javascript", css: "text/css" };
  const port = await listen(t, async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname in pages) {
      return response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...headers }).end(pages[pathname]);
    }
    const file = await readFile(new URL("node_modules" + pathname, import.meta.url)).catch(() => null);
    response.writeHead(file ? 200 : 404, { "Content-Type": types[pathname.split(".").pop()] ?? "text/plain" }).end(file);
  });
  return { origin: `http://localhost:${port}`, pages };
}

let launching;
after(async () => (await launching)?.close());

/** A page in a browser profile of its own. What the browser complains about fails the test, unless it is a reply's status or `expected`. */
export async function openPage(t, { expected, ...options } = {}) {
  launching ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--no-proxy-server",
      // Nothing beyond this machine is asked for: deep-chat would fetch a font.
      // The names of strangers' pages point here, one of them as a rebound name does.
      "--host-resolver-rules=" + [
        "MAP evil.test 127.0.0.1", "MAP rebound.test 127.0.0.1", "MAP * ~NOTFOUND",
        ...["localhost", "*.localhost", "127.0.0.1", "0.0.0.0", "::ffff:7f00:1"].map((name) => `EXCLUDE ${name}`),
      ],
    ],
  });
  const context = await (await launching).newContext({ locale: "en-US", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !/^Failed to load resource/.test(text) && !expected?.test(text)) complaints.push(text);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  return page;
}

/** Waits until the element holds the text. */
export const shows = (locator, text) => locator.filter({ hasText: text }).first().waitFor();

/** Waits until `condition`, evaluated in the page, holds. */
export const holds = (page, condition, argument) => page.waitForFunction(condition, argument);

/** Keeps a picture for human eyes. */
export const picture = (page, name) =>
  page.screenshot({ path: fileURLToPath(new URL(`screenshots/${name}.png`, import.meta.url)), animations: "disabled" });

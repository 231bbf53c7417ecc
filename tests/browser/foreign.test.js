// Pages of strangers, in a browser on the machine on which a local server holds a key: they can do nothing with it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { binaries, listen, openPage, serve, startFunction, stdio, targets } from "./support.js";

const [web, emulated] = targets;

/** The servers that people start on their own machine, each told whom to admit in its own way. */
const servers = [
  { name: "ask-web", start: web.start },
  {
    name: "the local platform",
    start: (t, { ASK_ORIGINS, ASK_HOSTS, ...settings }) => emulated.start(t, settings,
      ASK_ORIGINS ? ["--allow-origin", ASK_ORIGINS, "--allow-host", ASK_HOSTS] : []),
  },
  {
    name: "the example",
    start: (t, settings) => serve(t, (port) =>
      spawn(join(binaries, "examples/local"), { env: { PATH: process.env.PATH, PORT: port, ...settings }, stdio })),
  },
];

/**
 * What a page can do to make a browser ask. Each is run in the page, gets the address of the question endpoint, the
 * question, the same as an address, and that of a WebSocket; and returns what the page could read, where it could.
 */
const ways = {
  "fetch": ({ link }) => fetch(link).then((reply) => reply.text()),
  "fetch with text": ({ ask, question }) => fetch(ask, { method: "POST", body: question }).then((reply) => reply.text()),
  "fetch with JSON": ({ ask, question }) =>
    fetch(ask, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ question }) })
      .then((reply) => reply.text()),
  "fetch with a token": ({ link }) => fetch(link, { headers: { Authorization: "Bearer guessed" } }).then((reply) => reply.text()),
  "fetch without CORS": ({ link }) => fetch(link, { mode: "no-cors" }).then((reply) => reply.text()),
  "fetch with text without CORS": ({ ask, question }) =>
    fetch(ask, { mode: "no-cors", method: "POST", body: question, referrerPolicy: "no-referrer" }).then((reply) => reply.text()),
  "fetch that outlives the page": ({ link }) => fetch(link, { mode: "no-cors", keepalive: true }).then((reply) => reply.text()),
  "XMLHttpRequest": ({ link }) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    Object.assign(request, { onload: () => resolve(request.responseText), onerror: reject });
    request.open("POST", link);
    request.send();
  }),
  "a worker": ({ link }) => new Promise((resolve, reject) => {
    const code = `fetch(${JSON.stringify(link)}, { mode: "no-cors" }).then((reply) => reply.text()).then(postMessage, () => postMessage(null))`;
    const worker = new Worker(URL.createObjectURL(new Blob([code])));
    Object.assign(worker, { onmessage: ({ data }) => resolve(data), onerror: reject });
  }),
  "a beacon": ({ ask, question }) => { navigator.sendBeacon(ask, question); },
  "EventSource": ({ link }) => new Promise((resolve, reject) => {
    const source = new EventSource(link);
    Object.assign(source, { onmessage: ({ data }) => resolve(data), onerror: reject });
  }).finally(() => window.stop()),
  "a WebSocket": ({ socket }) => new Promise((resolve, reject) => {
    const opened = new WebSocket(socket, ["realtime", "openai-insecure-api-key.sk-own"]);
    Object.assign(opened, { onopen: () => resolve("opened"), onerror: reject });
  }),
  "an image": ({ link }) => add("img", { src: link }),
  "an image that hides its page": ({ link }) => add("img", { referrerPolicy: "no-referrer", src: link }),
  "a script": ({ link }) => add("script", { src: link }),
  "a module": ({ link }) => import(link),
  "a style sheet": ({ link }) => add("link", { rel: "stylesheet", href: link }),
  "a picture in a style": ({ link }) => { document.body.style.background = `url("${link}")`; },
  "a video": ({ link }) => { added("video", { src: link }); },
  "an object": ({ link }) => { added("object", { data: link }); },
  "a preload": ({ link }) => { added("link", { rel: "preload", as: "image", href: link }); },
  "a prefetch": ({ link }) => { added("link", { rel: "prefetch", href: link }); },
  "a frame": ({ link }) => { added("iframe", { src: link }); },
  "a frame without an origin": ({ link }) => { added("iframe", { sandbox: "allow-scripts", srcdoc: `<img src="${link}">` }); },
  "a window": ({ link }) => { window.open(link); },
  "a window without an opener": ({ link }) => { window.open(link, "_blank", "noopener,noreferrer"); },
  "a link that pings": ({ link }) => { added("a", { href: "#", ping: link }).click(); },
  "a form in a frame": ({ ask, question }) => {
    submit({ action: ask, method: "get", target: added("iframe", { name: question }).name }, "question", question);
  },
  "a form that posts in a frame": ({ ask, question }) => {
    submit({ action: ask, method: "post", target: added("iframe", { name: question }).name }, "question", question);
  },
};

/** The same, where the page gives way to the reply. */
const departures = {
  "a link": ({ link }) => { setTimeout(() => added("a", { href: link, rel: "noreferrer" }).click()); },
  "another address": ({ link }) => { setTimeout(() => location.assign(link)); },
  "a refresh": ({ link }) => { setTimeout(() => added("meta", { httpEquiv: "refresh", content: `0;url=${link}` })); },
  "a form": ({ ask, question }) => { submit({ action: ask, method: "get" }, "question", question); },
  "a form that posts": ({ ask, question }) => { submit({ action: ask, method: "post" }, "question", question); },
  "a form that posts text": ({ ask, question }) => { submit({ action: ask, method: "post", enctype: "text/plain" }, question, ""); },
};

/** The page of a stranger, with what the ways share. */
const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>A stranger's</title><link rel="icon" href="data:,"><body><script>
  const added = (name, properties) => document.body.appendChild(Object.assign(document.createElement(name), properties));
  const add = (name, properties) => new Promise((resolve, reject) =>
    added(name, { onload: () => resolve("loaded"), onerror: () => reject(new Error("not loaded")), ...properties }));
  const submit = (properties, name, value) => {
    const form = added("form", properties);
    form.append(Object.assign(document.createElement("input"), { name, value }));
    setTimeout(() => form.submit());
  };
</script>`;

/**
 * Lets a page of a stranger try each way towards the server at `base`, and `check(name, reading)` each: `reading` is what
 * the page could read, once it knows.
 */
async function attack(t, { open, base }, check) {
  const page = await openPage(t, { expected: /./ });
  await open(page);
  const others = [];
  page.context().on("page", (other) => others.push(other));
  for (const [name, way] of Object.entries({ ...ways, ...departures })) {
    const ask = `${base}ask`;
    const query = `?question=${encodeURIComponent(name)}`;
    const socket = `${base.replace("http", "ws")}v1/realtime${query}`;
    const reading = page.evaluate(way, { ask, question: name, link: ask + query, socket }).catch(() => null);
    await check(name, reading).catch((error) => { throw new Error(`by ${name}`, { cause: error }); });
    if (name in departures) {
      await page.waitForURL(`${ask}**`);
      await open(page);
    }
    while (others.length) await others.pop().close();
  }
}

/** Answers the questions of the page that the server itself shows, and of a program that is no browser. */
async function answersItsOwn(t, { url, provider }) {
  const page = await openPage(t);
  await page.goto(url);
  await page.locator("#box").fill("the server's own page");
  await page.locator("#box").press("Enter");
  const call = await provider.next();
  assert.equal(call.messages[0].content, "the server's own page");
  call.end("An answer.");
  await page.locator(".answer").filter({ hasText: "An answer." }).waitFor();

  // As curl asks: without any header of a browser's.
  const reply = new Promise((resolve, reject) => http.get(`${url}ask?question=curl`, resolve).once("error", reject));
  (await provider.next()).end("An answer.");
  assert.equal(await text(await reply), "An answer.");
}

const rebound = "rebound.test";

/** A stranger's page at a host, and what it takes for the address of the server: how to open the one, and the other. */
async function stranger(t, from, to, server) {
  if (from === rebound) return rebind(t, server);
  const port = await listen(t, (_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end(html));
  return { open: (page) => page.goto(`http://${from}:${port}/`), base: server.url.replace("127.0.0.1", to) };
}

/** The page is the stranger's, and then its name is pointed at the server: to the browser, both are one site. */
async function rebind(t, server) {
  const relay = net.createServer((socket) => {
    const onwards = net.connect(new URL(server.url).port, "127.0.0.1");
    socket.on("data", (bytes) => {
      if (String(bytes).startsWith("GET /stranger ")) socket.end(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n${html}`);
      else onwards.write(bytes);
    });
    onwards.pipe(socket);
    socket.on("error", () => {}).on("close", () => onwards.destroy());
    onwards.on("error", () => socket.destroy());
  });
  await new Promise((resolve) => relay.listen(0, "127.0.0.1", resolve));
  t.after(() => relay.close());
  const base = `http://${rebound}:${relay.address().port}/`;
  return { open: (page) => page.goto(`${base}stranger`), base };
}

for (const server of servers) {
  for (const [where, from, to] of [
    ["of another site", "evil.test", "127.0.0.1"],
    ["of another port", "127.0.0.1", "127.0.0.1"],
    ["of another site, by a name of this machine,", "evil.test", "app.localhost"],
    ["of another site, by the address that stands for all", "evil.test", "0.0.0.0"],
    ["of another site, by an address of IPv6", "evil.test", "[::ffff:7f00:1]"],
    ["of a rebound name", rebound, rebound],
  ]) {
    test(`no page ${where} drives ${server.name}`, async (t) => {
      const running = await startFunction(t, server);
      const { log, provider } = running;
      log.left.length = 0;
      await attack(t, await stranger(t, from, to, running), async (name, reading) => {
        // It came to the server, and ended there: refused, not fetched ahead of time, or with what a browser asks first.
        let line;
        do line = await log.next(); while (!/\/(ask|v1\/realtime)[ "]/.test(line));
        assert.match(line, /\b(403|503)\b|OPTIONS/);
        const read = await reading;
        // Who rebinds a name reads the refusal, and nothing else.
        if (from !== rebound) assert.equal(read ?? "", "");
      });
      assert.equal(provider.asked.length, 0);
      await answersItsOwn(t, running);
    });
  }

  test(`every way leads to ${server.name} where it admits all`, async (t) => {
    const running = await startFunction(t, server, { ASK_ORIGINS: "*", ASK_HOSTS: rebound });
    for (const [from, to] of [["evil.test", "127.0.0.1"], [rebound, rebound]]) {
      await attack(t, await stranger(t, from, to, running), async (name, reading) => {
        // What a browser fetches ahead of time is answered to nobody.
        if (name === "a prefetch") return;
        const call = await running.provider.next();
        const asked = call.messages?.[0].content ?? decodeURIComponent(call.upgrade.split("=")[1]);
        // A form sends its text with a name.
        assert.equal(asked.replace(/=$/, ""), name);
        call.end("An answer.");
        if (name === "fetch") assert.equal(await reading, "An answer.");
      });
    }
  });
}

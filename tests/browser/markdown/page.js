// A page with the renderer in it, in Chromium.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { listen, openPage } from "../support.js";
import { labels, script, serialize } from "./dom.js";

const read = (path) => readFile(new URL(path, import.meta.url), "utf8");
const style = await read("../../../core/src/response/page/markdown.css");
const checks = (await read("fuzz.js")).replace(/^export /gm, "");
const sha256 = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** The colours that the page and the widget define, and that they begin by resetting all styles. */
const css = `
  :root { color-scheme: light dark; }
  * { box-sizing: border-box; margin: 0; font: inherit; color: inherit; }
  body {
    --ink: light-dark(#22252a, #e8e6e1); --soft: light-dark(#666a71, #a0a4ab);
    --line: light-dark(#dedad3, #363b40); --mark: light-dark(#2f6f5e, #7cc4ad);
    --tint: light-dark(#e9f0ec, #22302b);
    margin: 0 1rem; font: 1rem/1.65 system-ui, sans-serif;
    background: light-dark(#fbfaf8, #16181a); color: var(--ink);
  }
  ${style}`;

/** Opens a page with an empty answer. Its policy allows nothing but this script and style. */
export async function openAnswer(t, options) {
  const policy = `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(css)}`;
  const headers = { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy };
  const html = `<!doctype html><html lang="en"><meta charset="utf-8">
    <meta name="viewport" content="width=device-width"><title>Answer</title><style>${css}</style>
    <div id="answer" class="markdown"></div><script>${script}</script>`;
  const port = await listen(t, (request, response) => response.writeHead(200, headers).end(html));
  const page = await openPage(t, options);
  const known = `forbidden, serialize: ${serialize}, render: ${render}`;
  await page.addInitScript(
    `${checks} Object.assign(globalThis, { labels: ${JSON.stringify(labels)}, ${known} })`);
  await page.goto(`http://127.0.0.1:${port}/`);
  return page;
}

/** Renders a whole text, in the browser. */
function render(text, element = document.createElement("div")) {
  element.replaceChildren();
  const answer = markdown(element, labels);
  answer.append(text);
  answer.end();
  return element;
}

// Measures how long the page stands still while an answer of 100 kB is rendered, in 2,000 pieces.
//   node markdown/speed.js [part of a shape's name]
// Prints per shape, with the pieces as fast as possible and then with one each millisecond:
// the frames, the longest time between two, the tasks over 50 ms, and the longest task by CPU time,
// which says more on a busy machine.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { long } from "./long.js";

const source = (name) =>
  readFile(new URL(`../../../core/src/response/page/${name}`, import.meta.url), "utf8");
const [page, style, script] = await Promise.all(
  ["ask.html", "markdown.css", "markdown.js"].map(source),
);
const pageStyle = page.match(/<style>([^]*?)<\/style>/)[1];
const html = `<!doctype html><meta charset="utf-8"><style>${pageStyle}${style}</style>
  <main><article><div id="answer" class="answer markdown"></div></article></main>
  <script>${script}</script>`;

/** Streams a text into the page, which follows its end. */
async function stream({ text, pause }) {
  const tasks = [];
  new PerformanceObserver((list) => {
    tasks.push(...list.getEntries().map(({ duration }) => duration));
  }).observe({ entryTypes: ["longtask"] });
  const times = [];
  let streaming = true;
  requestAnimationFrame(function frame(time) {
    times.push(time);
    scrollTo(0, document.body.scrollHeight);
    if (streaming) requestAnimationFrame(frame);
  });
  const { port1, port2 } = new MessageChannel();
  const turn = () =>
    new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
  const element = document.getElementById("answer");
  const labels = { copy: "Copy", copied: "Copied", code: "Code", table: "Table" };
  // Loading fonts takes its time once.
  const first = markdown(element, labels);
  first.append("# A **b** *c* 中文 **中文** `d`");
  first.end();
  await new Promise((resolve) => setTimeout(resolve, 500));
  element.replaceChildren();
  tasks.length = times.length = 0;
  const answer = markdown(element, labels);
  const size = Math.ceil(text.length / 2000);
  const start = performance.now();
  for (let i = 0; i < 2000; i++) {
    do await turn();
    while (performance.now() < start + i * pause);
    answer.append(text.slice(i * size, (i + 1) * size));
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  streaming = false;
  const before = performance.now();
  answer.end();
  const end = performance.now() - before;
  return { gaps: times.slice(1).map((time, i) => time - times[i]), tasks, end };
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
for (const [name, text] of Object.entries(long)) {
  if (!name.includes(process.argv[2] ?? "")) continue;
  for (const pause of [0, 1]) {
    const tab = await browser.newPage({ viewport: { width: 900, height: 800 } });
    await tab.setContent(html);
    await browser.startTracing(tab, { categories: ["toplevel", "devtools.timeline"] });
    const { gaps, tasks, end } = await tab.evaluate(stream, { text, pause });
    const { traceEvents } = JSON.parse(await browser.stopTracing());
    const main = traceEvents.find(({ name }) => name === "Layout").tid;
    const cpu = traceEvents.filter(
      ({ name, tid, tdur }) => tid === main && tdur && name.endsWith("RunTask"),
    );
    const longest = (numbers) => Math.round(Math.max(0, ...numbers));
    console.log(
      [
        name.padEnd(28),
        pause ? "1 ms apart" : "at once   ",
        `${gaps.length} frames`.padStart(10),
        `gap ${longest(gaps)} ms`.padStart(10),
        `${tasks.length} long (${longest(tasks)} ms)`.padStart(16),
        `CPU ${longest(cpu.map(({ tdur }) => tdur / 1000))} ms`.padStart(10),
        `end() ${Math.round(end)} ms`,
      ].join("  "),
    );
    await tab.close();
  }
}
await browser.close();

// Measures how long the real page stands still while an answer of 100 kB comes in 2,000 pieces.
//   BINARIES=… node speed.js [part of a shape's name]
// Prints per shape, with the pieces as fast as possible and then with one each millisecond:
// the frames, the longest time between two, the tasks over 50 ms, and the longest task by the clock
// and by CPU time. A task that takes far less CPU than time had to wait for the machine.
import { setImmediate, setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";
import { long } from "./markdown/long.js";
import { listen, startFunction, targets } from "./support.js";

const ends = [];
const t = { after: (end) => ends.push(end) };
const { url } = await startFunction(t, targets[0]);
const html = await (await fetch(url, { headers: { Accept: "text/html" } })).text();

let send; // Streams the answer to a question.
const port = await listen(t, async (request, response) => {
  if (request.method === "GET") return response.setHeader("Content-Type", "text/html").end(html);
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  await send((text) => response.write(`data: ${JSON.stringify({ text })}\n\n`));
  response.end("data: [DONE]\n\n");
});

/** Returns a function that sends a text in 2,000 pieces, this many milliseconds apart. */
const pieces = (text, pause) => async (write) => {
  const size = Math.ceil(text.length / 2000);
  const start = performance.now();
  for (let i = 0; i < 2000; i++) {
    // A loop that waits would take a core from the browser.
    const wait = start + i * pause - performance.now();
    await (wait > 0 ? setTimeout(wait) : setImmediate());
    write(text.slice(i * size, (i + 1) * size));
  }
};

/** Records frames and long tasks from now on. */
function record() {
  window.times = [];
  window.tasks = [];
  new PerformanceObserver((list) => {
    tasks.push(...list.getEntries().map(({ duration }) => duration));
  }).observe({ entryTypes: ["longtask"] });
  requestAnimationFrame(function frame(time) {
    times.push(time);
    requestAnimationFrame(frame);
  });
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
for (const [name, text] of Object.entries(long)) {
  if (!name.includes(process.argv[2] ?? "")) continue;
  for (const pause of [0, 1]) {
    const page = await browser.newPage({ viewport: { width: 900, height: 800 } });
    await page.goto(`http://127.0.0.1:${port}/`);
    const ask = async () => {
      await page.locator("#box").fill("Go");
      await page.locator("#box").press("Enter");
      await page.waitForFunction(() => !document.querySelector(".busy"), null, { timeout: 0 });
    };
    // Loading fonts takes its time once.
    send = (write) => write("# A **b** *c* 中文 **中文** `d`");
    await ask();
    send = pieces(text, pause);
    await browser.startTracing(page, { categories: ["toplevel", "devtools.timeline"] });
    await page.evaluate(record);
    await ask();
    const { times, tasks } = await page.evaluate(() => ({ times, tasks }));
    const { traceEvents } = JSON.parse(await browser.stopTracing());
    const main = traceEvents.find(({ name }) => name === "Layout").tid;
    const ran = traceEvents.filter(
      ({ name, tid, tdur }) => tid === main && tdur && name.endsWith("RunTask"),
    );
    const longest = (numbers) => Math.round(Math.max(0, ...numbers));
    console.log(
      [
        name.padEnd(28),
        pause ? "1 ms apart" : "at once   ",
        `${times.length} frames`.padStart(10),
        `gap ${longest(times.slice(1).map((time, i) => time - times[i]))} ms`.padStart(10),
        `${tasks.length} long`.padStart(7),
        `task ${longest(ran.map(({ dur }) => dur / 1000))} ms`.padStart(11),
        `CPU ${longest(ran.map(({ tdur }) => tdur / 1000))} ms`.padStart(10),
      ].join("  "),
    );
    await page.close();
  }
}
await browser.close();
for (const end of ends.reverse()) await end();
process.exit();

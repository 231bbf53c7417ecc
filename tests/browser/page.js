// The ask page in a browser, as tests use it.
import { holds, openPage, startFunction } from "./support.js";

/** A running function and its page. */
export async function openAsk(t, target, { settings, query = "", ...options } = {}) {
  const running = await startFunction(t, target, settings);
  const page = await openPage(t, options);
  await page.goto(running.url + query);
  return { ...running, page, box: page.locator("#box"), answers: page.locator(".answer") };
}

export const ask = async (box, question) => {
  await box.fill(question);
  await box.press("Enter");
};
export const idle = (page) => holds(page, () => !document.querySelector(".busy"));
export const user = (content) => ({ role: "user", content });
export const assistant = (content) => ({ role: "assistant", content });

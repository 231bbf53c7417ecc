// A chat bubble for any page: <script src="https://<the function>/widget.js"></script>. Options, all of them
// optional: data-title, data-token (the public one), data-lang ("en", "zh"), data-placeholder, data-greeting.
(() => {
"use strict";
if (window.askWidget) return;
window.askWidget = true;
const script = document.currentScript;
const option = script.dataset;
const T = /^zh/i.test(option.lang || navigator.language) ? {
  lang: "zh-CN", title: "提问", box: "输入问题", send: "发送", stop: "停止", close: "关闭",
  waiting: "正在等待回答…", stopped: "已停止。", trimmed: "对话过长，较早的内容没有一并发送。",
  network: "无法连接服务器，请检查网络后重试。", broken: "回答中断了，内容不完整。",
  status: (code) => `服务器返回了状态 ${code}。`,
  ended: (reason) => ({
    length: "回答达到长度上限，没有写完。", content_filter: "回答的后一部分被服务商过滤了。", deadline: "时间已到，回答没有写完。",
  })[reason] ?? `回答提前结束了（${reason}）。`,
} : {
  lang: "en", title: "Ask", box: "Your question", send: "Send", stop: "Stop", close: "Close",
  waiting: "Waiting for the answer…", stopped: "Stopped.",
  trimmed: "The conversation has grown too long: its beginning was not sent along.",
  network: "The server could not be reached. Check the connection and try again.", broken: "The answer broke off before its end.",
  status: (code) => `The server replied with status ${code}.`,
  ended: (reason) => ({
    length: "The answer reached its length limit.", content_filter: "The provider filtered the rest of the answer.",
    deadline: "Time ran out before the answer was complete.",
  })[reason] ?? `The answer ended early (${reason}).`,
};

// protocol: ask.html and widget.js hold the same text down to "end of protocol", and a test compares them.
// Resolves when the answer is complete, with a finish reason other than `stop`. Rejects with a message
// for the reader. A conversation that is too long for the server loses its oldest turns from `messages`.
async function ask(url, messages, token, signal, show) {
  const failure = (sentence, status) => Object.assign(new Error(sentence), { status });
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream", "Accept-Language": T.lang };
  if (token) headers.Authorization = "Bearer " + token;
  const body = JSON.stringify({ messages });
  const reply = await fetch(url, { method: "POST", headers, body, signal }).catch(() => { throw failure(T.network); });
  if (reply.status === 413 && messages.length > 1) {
    messages.splice(0, 2 * Math.ceil((messages.length - 1) / 4));
    return ask(url, messages, token, signal, show);
  }
  if (!reply.ok) {
    let sentence = (await reply.text().catch(() => "")).trim();
    try {
      const { error, message } = JSON.parse(sentence);
      sentence = [error, error?.message, message].find((text) => text && typeof text === "string") || sentence;
    } catch { /* not JSON: the text is the sentence */ }
    throw failure(sentence.slice(0, 1000) || T.status(reply.status), reply.status);
  }
  const pieces = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let reason = "";
  for (let rest = "", ended = false; !ended;) {
    const { value, done } = await pieces.read().catch(() => ({ done: true }));
    ended = done;
    const lines = (rest + (done ? "\n" : value)).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return reason;
      let event = {};
      try { event = JSON.parse(data); } catch { /* cut off in the middle */ }
      if (event.error) throw failure(event.error);
      reason = event.finish_reason || reason;
      if (event.text) show(event.text);
    }
  }
  throw failure(T.broken);
}
// end of protocol

const style = `
:host { all: initial !important; }
* { box-sizing: border-box; margin: 0; font: inherit; color: inherit; }
.root {
  --sheet: #fff; --ink: #22252a; --soft: #666a71; --line: #dedad3; --mark: #2f6f5e; --on-mark: #fff; --tint: #e9f0ec; --bad: #a3312a;
  position: fixed; z-index: 2147483647; right: max(20px, env(safe-area-inset-right)); bottom: max(20px, env(safe-area-inset-bottom));
  color-scheme: light dark; color: var(--ink);
  font: 15px/1.6 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Noto Sans SC", "Microsoft YaHei", sans-serif;
}
@media (prefers-color-scheme: dark) {
  .root { --sheet: #1f2225; --ink: #e8e6e1; --soft: #a0a4ab; --line: #363b40; --mark: #7cc4ad; --on-mark: #10201a; --tint: #22302b; --bad: #f0a39b; }
}
@media print { .root { display: none; } }
button { display: grid; place-items: center; width: 36px; height: 36px; padding: 0; border: 0; border-radius: 50%; background: none; cursor: pointer; }
svg { width: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.bubble, .go { background: var(--mark); color: var(--on-mark); }
.bubble { width: 56px; height: 56px; box-shadow: 0 4px 16px #0004; }
.bubble svg { width: 26px; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
dialog {
  position: absolute; inset: auto 0 72px auto; width: 380px; height: min(600px, 100dvh - 112px); padding: 0; overflow: hidden;
  border: 1px solid var(--line); border-radius: 20px; background: var(--sheet); color: inherit; box-shadow: 0 12px 40px #0003;
}
dialog[open] { display: flex; flex-direction: column; animation: rise .18s ease-out; }
@keyframes rise { from { opacity: 0; transform: translateY(8px); } }
header { display: flex; align-items: center; justify-content: space-between; padding: 8px 8px 8px 20px; border-bottom: 1px solid var(--line); }
h2 { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.talk { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 20px; }
.talk > * { width: fit-content; margin-bottom: 16px; white-space: pre-wrap; overflow-wrap: anywhere; }
.talk:focus-visible { outline-offset: -2px; }
.talk .question { max-width: 85%; margin-left: auto; padding: 6px 14px; border-radius: 18px; background: var(--tint); }
.talk .note { margin-top: -8px; font-size: 13px; color: var(--soft); }
.talk .bad { color: var(--bad); }
.busy::after { content: ""; display: inline-block; width: 9px; height: 9px; margin-inline-start: 4px; border-radius: 50%; background: var(--mark); animation: pulse 1.2s ease-in-out infinite; }
@keyframes pulse { 50% { opacity: .25; } }
form { display: flex; align-items: end; gap: 8px; margin: 0 12px max(12px, env(safe-area-inset-bottom)); padding: 4px; border: 1px solid var(--line); border-radius: 22px; }
form:focus-within { border-color: var(--mark); outline: 2px solid var(--mark); outline-offset: -1px; }
textarea { flex: 1; min-width: 0; max-height: 120px; padding: 5px 12px; border: 0; outline: 0 !important; background: none; font-size: 16px; resize: none; field-sizing: content; }
::placeholder { color: var(--soft); opacity: 1; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 480px) {
  dialog { position: fixed; inset: 0; width: 100%; max-width: 100%; height: 100%; max-height: 100%; border: 0; border-radius: 0; }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }`;

function build() {
  const element = (tag, properties, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const icon = (path) => {
    const [svg, line] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.ariaHidden = "true";
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  };
  const arrow = icon("M12 19V5m-6 6 6-6 6 6"), square = icon("M7 7h10v10H7z"), cross = icon("M6 6l12 12M18 6 6 18");
  const title = option.title || T.title;
  const status = element("p", { className: "unseen", role: "status" });
  const talk = element("div", { className: "talk", tabIndex: 0, role: "group", ariaLabel: title });
  const box = element("textarea", { rows: 1, dir: "auto", enterKeyHint: "send", placeholder: option.placeholder || T.box, ariaLabel: T.box });
  const go = element("button", { className: "go" });
  const close = element("button", { ariaLabel: T.close, title: T.close }, cross);
  const form = element("form", {}, box, go);
  const dialog = element("dialog", { ariaLabel: title, lang: T.lang },
    element("header", {}, element("h2", {}, title), close), talk, form, status);
  const bubble = element("button", { className: "bubble", ariaLabel: title, title, ariaHasPopup: "dialog", ariaExpanded: "false" },
    icon("M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-8l-5 4v-4H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z"));
  const say = (className, text, tag = "p") => talk.appendChild(element(tag, { className, dir: "auto" }, text));

  let past = []; // Complete exchanges, as the model is sent them.
  let asking = null; // The AbortController of the question under way.
  const setAsking = (value) => {
    asking = value;
    go.ariaLabel = go.title = value ? T.stop : T.send;
    go.replaceChildren(value ? square : arrow);
  };

  async function send() {
    const question = box.value.trim();
    if (!question || asking) return;
    box.value = "";
    status.textContent = T.waiting;
    say("question", question, "h3");
    const text = new Text();
    const answer = say("busy", text);
    talk.scrollTop = talk.scrollHeight;
    const control = new AbortController();
    setAsking(control);
    const note = (sentence, kind = "") => {
      say("note " + kind, sentence);
      status.textContent = `${text.data} ${sentence}`;
    };
    const messages = [...past, { role: "user", content: question }];
    const keep = () => { past = [...messages, { role: "assistant", content: text.data }]; };
    try {
      const reason = await ask(new URL(".", script.src), messages, option.token, control.signal, (piece) => {
        const following = talk.scrollTop + talk.clientHeight > talk.scrollHeight - 60;
        text.appendData(piece);
        if (following) talk.scrollTop = talk.scrollHeight;
      });
      status.textContent = text.data;
      if (reason) note(T.ended(reason));
      if (messages.length <= past.length) note(T.trimmed);
      keep();
    } catch (error) {
      const stopped = control.signal.aborted;
      note(stopped ? T.stopped : error.message, stopped ? "" : "bad");
      if (stopped && text.data) keep(); else box.value ||= question;
    }
    answer.className = "";
    if (!text.data) answer.remove();
    setAsking(null);
    talk.scrollTop = talk.scrollHeight;
  }

  // Beside the page on a wide screen; on a phone it covers the page, which must then not take the focus.
  bubble.onclick = () => {
    if (dialog.open) return dialog.close();
    if (matchMedia("(max-width: 480px)").matches) dialog.showModal(); else dialog.show();
    bubble.ariaExpanded = "true";
    box.focus();
  };
  close.onclick = () => dialog.close();
  dialog.onclose = () => {
    bubble.ariaExpanded = "false";
    bubble.focus();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (asking) asking.abort(); else send();
  };
  dialog.onkeydown = (event) => {
    // An Enter that ends an IME composition chooses a word; in Safari only its key code tells.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") dialog.close();
    if (event.key !== "Enter" || event.shiftKey || event.target !== box) return;
    event.preventDefault();
    send();
  };

  const host = document.createElement("ask-widget");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet(); // Works under a content security policy that forbids inline styles.
  sheet.replaceSync(style);
  shadow.adoptedStyleSheets = [sheet];
  shadow.append(element("div", { className: "root" }, dialog, bubble));
  // What is typed here is no keyboard shortcut of the page's.
  for (const type of ["keydown", "keypress", "keyup"]) shadow.addEventListener(type, (event) => event.stopPropagation());
  setAsking(null);
  if (option.greeting) say("", option.greeting);
  document.body.append(host);
}

if (document.body) build(); else addEventListener("DOMContentLoaded", build);
})();

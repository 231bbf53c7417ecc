// The chat of the page and the widget: its texts, its protocol, its storage, and the conversation
// between the elements of either. It is served together with markdown.js and the styles.

const THINKING_AFTER = 8000; // Milliseconds without text.
const ANNOUNCE_AFTER = 100; // Milliseconds. By then the layout is done, which `innerText` needs.
const NEAR = 80; // Pixels from the end at which the reader counts as being there.
const MAX_LINK = 8000; // Characters of an address.

/** Returns the texts in the language of a tag, such as zh-CN. */
const texts = (tag) => /^zh/i.test(tag) ? {
  lang: "zh-CN", title: "提问", box: "输入问题", send: "发送", stop: "停止",
  fresh: "新对话", latest: "跳到最新内容",
  copy: "复制", copied: "已复制", link: "复制链接", again: "重试",
  code: "代码", table: "表格", picture: "图片",
  waiting: "正在等待回答…", thinking: "还在思考…", stopped: "已停止。",
  trimmed: "对话过长，较早的内容没有一并发送。",
  network: "无法连接服务器，请检查网络后重试。", broken: "回答中断了，内容不完整。",
  status: (status) => `服务器返回了状态 ${status}。`,
  ended: (reason) => ({
    length: "回答达到长度上限，没有写完。", content_filter: "回答的后一部分被过滤了。",
    deadline: "时间已到，回答没有写完。",
  })[reason] ?? `回答提前结束了（${reason}）。`,
} : {
  lang: "en", title: "Ask", box: "Your question", send: "Send", stop: "Stop",
  fresh: "New conversation", latest: "Go to the newest line",
  copy: "Copy", copied: "Copied", link: "Copy link", again: "Try again",
  code: "Code", table: "Table", picture: "Picture",
  waiting: "Waiting for the answer…", thinking: "Still thinking…", stopped: "Stopped.",
  trimmed: "The conversation has grown too long: its beginning was not sent along.",
  network: "The server could not be reached. Check the connection and try again.",
  broken: "The answer broke off before its end.",
  status: (status) => `The server replied with status ${status}.`,
  ended: (reason) => ({
    length: "The answer reached its length limit.",
    content_filter: "The rest of the answer was filtered.",
    deadline: "Time ran out before the answer was complete.",
  })[reason] ?? `The answer ended early (${reason}).`,
};

/** Returns a storage that is empty if the browser blocks it or it is full. */
const storage = (name) => ({
  get(key) {
    try {
      return window[name].getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      window[name].removeItem(key);
      if (value) window[name].setItem(key, value);
    } catch { /* The conversation goes on without it. */ }
  },
});
const ofTab = storage("sessionStorage");

/** Creates an element. */
const element = (tag, className, ...children) => {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
};

/** Returns whether a key belongs to an input method. In Safari, only its code shows it. */
const isComposing = (event) => event.isComposing || event.keyCode === 229;

/**
 * Asks, and calls `onText` with each piece of the answer. Resolves to the model and the finish
 * reason, which is empty for `stop`. Rejects with a message for the reader, and with the `status`
 * and the `code` of the response if there was one.
 *
 * If the conversation is too long for the server, `messages` loses its oldest turns. `byQuery` is
 * set if the URL holds the question.
 */
async function ask({ url, token, byQuery, messages, T, signal, onText }) {
  const failure = (message, facts) => Object.assign(new Error(message), facts);
  const headers = { Accept: "text/event-stream", "Accept-Language": T.lang };
  if (token) headers.Authorization = "Bearer " + token;
  const options = { headers, signal };
  if (!byQuery) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify({ messages }) });
  }
  const response = await fetch(url, options).catch(() => {
    if (!signal.aborted) {
      console.warn(`No response from ${url.split("?")[0]}: if CORS is the reason, `
        + `ASK_ORIGINS must list ${location.origin}`);
    }
    throw failure(T.network);
  });
  const { status } = response;
  if (status === 413 && messages.length > 1) {
    messages.splice(0, 2 * Math.ceil((messages.length - 1) / 4));
    return ask({ url, token, byQuery, messages, T, signal, onText });
  }
  if (!response.ok) {
    let text = (await response.text().catch(() => "")).trim();
    try {
      const { error, message } = JSON.parse(text);
      text = [error, error?.message, message].find((found) => found?.trim?.()) || text;
    } catch { /* The text is the message. */ }
    const code = response.headers.get("X-Error-Code");
    throw failure(text.slice(0, 1000) || T.status(status), { status, code });
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let reason = "";
  for (let rest = "", ended = false; !ended;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    ended = done;
    const lines = (rest + (done ? "\n" : value)).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return { reason, model: response.headers.get("X-Model") };
      let event = {};
      try {
        event = JSON.parse(data);
      } catch { /* The stream ended inside of it. */ }
      if (event.error) throw failure(event.error, { status });
      reason = event.finish_reason || reason;
      if (event.text) onText(event.text);
    }
  }
  throw failure(T.broken, { status, isBroken: true });
}

// The members of a turn that are stored. Pictures are not: `pictures` is their number.
const STORED = ["question", "pictures", "answer", "model", "note", "failed", "forgotten"];

/** Returns the stored turns. Anything else in their place counts as no turns. */
function storedTurns(key) {
  try {
    return JSON.parse(ofTab.get(key)).filter(({ question, answer }) => question.at && answer.at);
  } catch {
    return [];
  }
}

/**
 * Holds a conversation: sends what `box` contains, shows the turns in `talk`, and stores them under
 * `key`. `root` has the class `empty` without turns, and `asking` while it waits.
 *
 * - `endpoint(question)` returns the URL, the token and `byQuery`.
 * - `explain(error)` returns a sentence, or an empty one if the turn is to be dropped.
 * - `takePictures()` returns data URLs, and `givePictures(urls)` takes them back.
 * - `link(question)` returns an address with the question.
 */
function chat({
  T, key, root, talk, scroller, form, box, go, fresh, latest, status,
  endpoint, explain, takePictures = () => [], givePictures, link,
}) {
  const turns = [];
  let asking = null; // The AbortController of the question under way.
  let following = true; // The end of the conversation stays in view.
  let lastTop = 0;

  const save = () => ofTab.set(key, turns.length ? JSON.stringify(turns, STORED) : "");

  function setAsking(control) {
    asking = control;
    root.classList.toggle("asking", !!control);
    root.classList.toggle("empty", !turns.length);
    fresh.hidden = !turns.length;
    go.ariaLabel = go.title = control ? T.stop : T.send;
  }

  /** Keeps the end in view, if the reader has not scrolled up. */
  function follow() {
    const end = scroller.scrollHeight - scroller.clientHeight;
    const last = turns.at(-1)?.article;
    if (following && last) {
      // What grows by more than a screen at once is shown from its beginning.
      following = end - scroller.scrollTop <= scroller.clientHeight;
      scroller.scrollTop = following ? end : last.offsetTop - 16;
    }
    latest.hidden = end - scroller.scrollTop < NEAR;
  }

  const toEnd = () => {
    following = true;
    scroller.scrollTop = scroller.scrollHeight;
  };

  function button(label, action) {
    const made = element("button", "", label);
    made.type = "button";
    made.onclick = () => action(made);
    return made;
  }

  const copyButton = (label, text) => button(label, async (made) => {
    await navigator.clipboard.writeText(text);
    made.textContent = status.textContent = T.copied;
    setTimeout(() => { made.textContent = label; }, 1500);
  });

  function again(turn) {
    if (asking) return;
    remove(turn);
    if (box.value.trim() === turn.question) {
      box.value = "";
      takePictures();
    }
    box.focus();
    send(turn.question, turn.urls);
  }

  /** Appends a turn. Returns the element of its answer and functions to change it. */
  function show(turn) {
    const pictures = Array.from({ length: turn.pictures }, (_, i) => {
      const alt = `${T.picture} ${i + 1}`;
      const src = turn.urls?.[i];
      return src ? Object.assign(new Image(), { src, alt }) : `[${alt}] `;
    });
    const shown = element("span", "pictures", ...pictures);
    const question = element("h2", "question", ...(turn.pictures ? [shown] : []), turn.question);
    const answer = element("div", "answer markdown");
    const dot = element("span", "dot");
    const foot = element("div", "foot", dot);
    question.dir = "auto";
    turn.article = element("article", "turn busy", question, answer, foot);
    talk.append(turn.article);
    const text = markdown(answer, T);

    function end() {
      text.end();
      turn.article.className = turn.failed ? "turn failed" : "turn";
      if (turn.note) {
        const isBad = turn.failed && turn.note !== T.stopped;
        answer.after(element("p", isBad ? "note bad" : "note", turn.note));
      }
      foot.replaceChildren();
      // Pictures are gone after a reload.
      if (turn.failed && (turn.urls || !turn.pictures)) {
        foot.append(button(T.again, () => again(turn)));
      }
      const address = !turn.failed && !turn.pictures && link?.(turn.question);
      if (navigator.clipboard) { // Without HTTPS there is none.
        if (turn.answer) foot.append(copyButton(T.copy, turn.answer));
        if (address?.length < MAX_LINK) foot.append(copyButton(T.link, address));
      }
      if (turn.model) foot.append(element("span", "model", turn.model));
    }
    function append(piece) {
      if (foot.lastChild !== dot) foot.replaceChildren(dot);
      text.append(piece);
    }
    /** Waits until the answer is shown. A hidden page has no frames. */
    async function catchUp() {
      while (text.isBehind() && !document.hidden) await new Promise(requestAnimationFrame);
    }
    const think = () => foot.append(element("span", "", T.thinking));
    return { answer, append, catchUp, end, think };
  }

  function remove(turn) {
    turns.splice(turns.indexOf(turn), 1);
    turn.article.remove();
  }

  /** Returns the conversation. It holds pictures of one question only, the newest with any. */
  function messagesOf(sent) {
    const newest = sent.findLast(({ urls }) => urls?.length);
    return sent.flatMap((turn) => {
      const text = turn.question || `[${T.picture}]`;
      const parts = () => [
        ...(turn.question ? [{ type: "text", text }] : []),
        ...turn.urls.map((url) => ({ type: "image_url", image_url: { url } })),
      ];
      return [
        { role: "user", content: turn === newest ? parts() : text },
        { role: "assistant", content: turn.answer },
      ];
    }).slice(0, -1);
  }

  async function send(question, urls = []) {
    const last = turns.at(-1);
    if (last?.failed && !last.answer) remove(last);
    // If the page is left now, the stored turn has failed.
    const turn = {
      question, urls, pictures: urls.length, answer: "", failed: true, note: T.broken,
    };
    turns.push(turn);
    const view = show(turn);
    const control = new AbortController();
    setAsking(control);
    save();
    toEnd();
    status.textContent = T.waiting;
    const thinking = setTimeout(() => {
      view.think();
      status.textContent = T.thinking;
    }, THINKING_AFTER);
    const sent = turns.filter((each) => each === turn || !each.failed && !each.forgotten);
    const messages = messagesOf(sent);
    const request = {
      ...endpoint(question), messages, T, signal: control.signal,
      onText(piece) {
        clearTimeout(thinking);
        turn.answer += piece;
        view.append(piece);
      },
    };
    const { reason, model, error } = await ask(request).catch((error) => ({ error }));
    clearTimeout(thinking);
    if (asking !== control) return; // A new conversation has begun.
    if (error) {
      const stopped = control.signal.aborted;
      turn.failed = !(stopped && turn.answer);
      turn.note = stopped ? T.stopped : explain(error);
      if (turn.failed && !box.value) {
        box.value = question;
        givePictures?.(urls);
      }
    } else {
      const forgotten = sent.slice(0, -(messages.length + 1) / 2);
      for (const each of forgotten) each.forgotten = true;
      const notes = [reason && T.ended(reason), forgotten.length && T.trimmed];
      Object.assign(turn, { failed: false, model, note: notes.filter(Boolean).join(" ") });
    }
    save();
    await view.catchUp();
    if (asking !== control) return;
    view.end();
    setTimeout(() => {
      if (!turn.article.isConnected || asking) return;
      status.textContent = [view.answer.innerText, turn.note].filter(Boolean).join("\n");
    }, ANNOUNCE_AFTER);
    if (turn.failed && !turn.note) {
      remove(turn);
      save();
      status.textContent = "";
    }
    setAsking(null);
  }

  /** Shows the stored turns instead of the present ones. */
  function restore() {
    stop();
    for (const { article } of turns) article.remove();
    turns.length = 0;
    for (const turn of storedTurns(key)) {
      turns.push(turn);
      const view = show(turn);
      view.append(turn.answer);
      view.end();
    }
    setAsking(null);
  }

  function stop() {
    asking?.abort();
  }

  function clear() {
    ofTab.set(key, "");
    restore();
    status.textContent = "";
    box.focus();
  }

  function submit() {
    if (asking) return;
    const question = box.value.trim();
    const urls = takePictures();
    if (!question && !urls.length) return;
    box.value = "";
    send(question, urls);
  }

  form.onsubmit = (event) => {
    event.preventDefault();
    if (asking) stop(); else submit();
  };
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    submit();
  });
  fresh.onclick = clear;
  latest.ariaLabel = latest.title = T.latest;
  latest.onclick = () => {
    toEnd();
    box.focus();
  };
  // Only scrolling up ends the following: text that has just come moves the end, not the reader.
  const scrolled = scroller === document.documentElement ? document : scroller;
  scrolled.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller;
    const isNear = scrollHeight - clientHeight - scrollTop < NEAR;
    following = isNear || following && scrollTop >= lastTop;
    lastTop = scrollTop;
    latest.hidden = isNear;
  });
  // A page that comes back as it was left may be older than what is stored.
  addEventListener("pageshow", ({ persisted }) => { if (persisted) restore(); });
  addEventListener("pagehide", () => { if (asking) save(); });
  restore();
  new ResizeObserver(follow).observe(talk);
  return { submit, stop, clear };
}

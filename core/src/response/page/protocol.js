// The texts of the page and the widget in both languages, and the way in which both ask.

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

/**
 * Asks, and calls `onText` with each piece of the answer. Resolves to the model and the finish
 * reason, which is empty for `stop`. Rejects with a message for the reader, and with the `status`
 * and the `code` of the response if there was one.
 *
 * If the conversation is too long for the server, `messages` loses its oldest turns.
 */
async function ask({ url, token, messages, T, signal, onText }) {
  const failure = (message, facts) => Object.assign(new Error(message), facts);
  const headers = {
    "Content-Type": "application/json", Accept: "text/event-stream", "Accept-Language": T.lang,
  };
  if (token) headers.Authorization = "Bearer " + token;
  const body = JSON.stringify({ messages });
  const response = await fetch(url, { method: "POST", headers, body, signal }).catch(() => {
    if (!signal.aborted) {
      console.warn(`No response from ${url.split("?")[0]}: if CORS is the reason, `
        + `ASK_ORIGINS must list ${location.origin}`);
    }
    throw failure(T.network);
  });
  const { status } = response;
  if (status === 413 && messages.length > 1) {
    messages.splice(0, 2 * Math.ceil((messages.length - 1) / 4));
    return ask({ url, token, messages, T, signal, onText });
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

// The conversation of the page and the widget, between the elements of either. It needs protocol.js
// and markdown.js, and is served together with them.

const THINKING_AFTER = 8000; // Milliseconds without text.
const ANNOUNCE_AFTER = 100; // Milliseconds. By then the layout is done, which `innerText` needs.
const NEAR = 80; // Pixels from the end at which the reader counts as being there.
const MAX_LINK = 8000; // Characters of an address.

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
 * - `endpoint(question)` returns the URL and the token.
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
    const last = turns.at(-1);
    if (last?.isBehind()) return;
    const end = scroller.scrollHeight - scroller.clientHeight;
    if (following && last) {
      // What grows by more than a screen at once is shown from its beginning.
      following = end - scroller.scrollTop <= scroller.clientHeight;
      scroller.scrollTop = following ? end : last.article.offsetTop - 16;
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
    turn.isBehind = text.isBehind;

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
    follow();
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

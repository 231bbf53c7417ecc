// The dialog of the widget. widget.js imports it, together with the rest of chat.js.

const isPhone = () => matchMedia("(max-width: 480px)").matches;

/** Returns the texts for visitors. They can change no setting, so none is named. */
const visitorTexts = (T) => T.lang === "en" ? {
  close: "Close", enlarge: "Enlarge", shrink: "Shrink",
  busy: "There are too many questions right now. Please try again in a minute.",
  long: "This question is too long. Please shorten it.",
  filtered: "There is no answer to this question.",
  late: "The answer took too long. Please try again.",
} : {
  close: "关闭", enlarge: "放大", shrink: "缩小",
  busy: "现在提问的人太多，请稍后再试。", long: "问题太长，请缩短后再试。",
  filtered: "这个问题没有可显示的回答。", late: "回答用时过长，请重试。",
};

export const STYLE = "STYLE"; // The server inserts the style sheets.

/** Builds the dialog beside the bubble. Returns functions that open and close it. */
export function panel({ root, bubble, icon, option, title, unavailable, url, stateKey }) {
  const T = texts(option.lang || navigator.language);
  Object.assign(T, visitorTexts(T));
  const button = (className, label, ...paths) => {
    const made = element("button", `icon ${className}`, ...paths.map(icon));
    made.type = "button";
    made.ariaLabel = made.title = label;
    return made;
  };
  const openKey = stateKey + " open";
  const status = Object.assign(element("p", "unseen"), { role: "status" });
  const talk = element("div", "");
  const scroller = element("div", "talk", talk);
  Object.assign(scroller, { tabIndex: 0, role: "group", ariaLabel: title });
  const box = Object.assign(element("textarea", ""), {
    rows: 1, dir: "auto", enterKeyHint: "send", placeholder: option.placeholder || T.box,
  });
  box.ariaLabel = T.box;
  const go = button("go", T.send, "M12 19V5m-6 6 6-6 6 6", "M7 7h10v10H7z");
  go.type = "submit";
  go.firstChild.classList.add("send");
  go.lastChild.classList.add("stop");
  const fresh = button("fresh", T.fresh, "M12 5v14M5 12h14");
  const enlarge = button("enlarge", T.enlarge, "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7");
  const close = button("close", T.close, "M6 6l12 12M18 6 6 18");
  const latest = button("latest", T.latest, "M12 5v14m6-6-6 6-6-6");
  const form = element("form", "composer", box, go);
  const dialog = element("dialog", "",
    element("header", "", element("h1", "name", title), fresh, enlarge, close),
    scroller, element("div", "bottom", latest, form), status);
  dialog.ariaLabel = title;
  dialog.lang = T.lang;
  if (option.greeting) {
    const greeting = element("p", "greeting", option.greeting);
    greeting.dir = "auto";
    talk.append(greeting);
  }
  root.prepend(dialog);

  /** Returns a sentence for visitors. The console has the cause. */
  function explain({ message, status, code, isBroken }) {
    if (!status) return navigator.onLine ? unavailable : message;
    console.error(`ask-widget: ${message} (${[status, code].filter(Boolean).join(" ")})`);
    if (isBroken) return message;
    if (status === 429) return T.busy;
    if (status === 413) return T.long;
    return { answer_filtered: T.filtered, deadline: T.late }[code] ?? unavailable;
  }

  const endpoint = { url: new URL(".", url).href, token: option.token };
  chat({
    T, key: stateKey, root, talk, scroller, form, box, go, fresh, latest, status,
    endpoint: () => endpoint, explain,
  });

  // Beside the page on a wide screen. On a phone it covers the page, which must not take the focus.
  function open() {
    if (isPhone()) dialog.showModal(); else dialog.show();
    bubble.ariaExpanded = "true";
    ofTab.set(openKey, "1");
  }
  close.onclick = () => dialog.close();
  dialog.onclose = () => {
    bubble.ariaExpanded = "false";
    ofTab.set(openKey, "");
    bubble.focus();
  };
  dialog.onkeydown = (event) => {
    if (event.key === "Escape" && !isComposing(event)) dialog.close();
  };
  enlarge.onclick = () => {
    enlarge.ariaLabel = enlarge.title =
      dialog.classList.toggle("large") ? T.shrink : T.enlarge;
  };
  return {
    toggle() {
      if (dialog.open) return dialog.close();
      open();
      box.focus();
    },
    reopen() {
      if (isPhone() || dialog.open) return;
      const { activeElement } = document;
      open();
      activeElement?.focus(); // The dialog has taken it.
    },
  };
}

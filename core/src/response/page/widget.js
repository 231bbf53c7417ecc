// A chat bubble for any page: <script src="https://<the function>/widget.js"></script>. All options
// may be left out: data-title, data-token (the public one), data-lang (en, zh), data-placeholder,
// data-greeting, data-color, data-theme (auto, light, dark), data-position (right, left).
//
// The bubble alone is in this file. The chat is loaded when it is opened.
(() => {
"use strict";
if (window.askWidget) return;
window.askWidget = true;
const STYLE = "STYLE"; // The server inserts the style sheets.
const script = document.currentScript;
const option = script.dataset;
const isChinese = /^zh/i.test(option.lang || navigator.language);
const title = option.title || (isChinese ? "提问" : "Ask");
const unavailable =
  isChinese ? "聊天暂时不可用。" : "This chat is not available right now.";
const BUBBLE =
  "M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-8l-5 4v-4H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z";
const stateKey = `ask-widget ${script.src}`;

/** Creates an icon of lines. */
function icon(path) {
  const [svg, line] = ["svg", "path"].map((tag) =>
    document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** Applies a colour, with black or white on it. An invalid colour counts as none. */
function paint(root, color) {
  if (!color || !CSS.supports("color", color)) return;
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  const linear = [...context.getImageData(0, 0, 1, 1).data].map((value) => (value / 255) ** 2.2);
  const isBright = .2126 * linear[0] + .7152 * linear[1] + .0722 * linear[2] > .3;
  root.classList.add("branded");
  root.style.setProperty("--brand", color);
  root.style.setProperty("--on-brand", isBright ? "#000" : "#fff");
}

/** Applies a style sheet. This works under a content security policy without inline styles. */
function dress(shadow, style) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, sheet];
}

function build() {
  const host = document.createElement("ask-widget");
  const shadow = host.attachShadow({ mode: "open" });
  const root = document.createElement("div");
  const bubble = document.createElement("button");
  const failure = document.createElement("p");
  root.className = "root";
  if (option.position === "left") root.classList.add("left");
  if (["light", "dark"].includes(option.theme)) root.classList.add(option.theme);
  paint(root, option.color);
  bubble.className = "bubble";
  bubble.ariaLabel = bubble.title = title;
  bubble.ariaHasPopup = "dialog";
  bubble.ariaExpanded = "false";
  bubble.append(icon(BUBBLE));
  failure.className = "failure";
  failure.role = "status";
  root.append(bubble, failure);
  dress(shadow, STYLE);
  shadow.append(root);

  let loading = null;
  const load = () => loading ??= import(new URL("chat.js", script.src).href).then(
    ({ STYLE: style, panel }) => {
      dress(shadow, style);
      return panel({ root, bubble, icon, option, title, unavailable, url: script.src, stateKey });
    });
  async function open() {
    failure.textContent = "";
    try {
      return await load();
    } catch (error) {
      loading = null;
      failure.textContent = unavailable;
      console.error("ask-widget: chat.js could not be loaded:", error);
    }
  }
  bubble.onclick = async () => (await open())?.toggle();
  // What is typed here is no keyboard shortcut of the page's.
  for (const type of ["keydown", "keypress", "keyup"]) {
    shadow.addEventListener(type, (event) => event.stopPropagation());
  }
  document.body.append(host);
  // The chat stays open while the visitor walks through the pages of a site.
  try {
    if (sessionStorage.getItem(stateKey + " open")) open().then((panel) => panel?.reopen());
  } catch { /* The browser blocks the storage. */ }
}

if (document.body) build(); else addEventListener("DOMContentLoaded", build);
})();

// The ask page.

const $ = (id) => document.getElementById(id);
const T = { ...texts(navigator.language), ...(/^zh/i.test(navigator.language) ? {
  hello: "想问点什么？", keys: "Enter 发送 · Shift+Enter 换行 · Esc 停止",
  token: "访问令牌", enter: "继续", keep: "在此设备上记住",
  needed: "需要访问令牌。", refused: "访问令牌不正确。",
  attach: "添加图片", remove: "移除", unreadable: "浏览器无法读取这个文件，请换一张图片。",
  tooMany: (most) => `一个问题最多 ${most} 张图片。`,
} : {
  hello: "What would you like to know?",
  keys: "Enter sends · Shift+Enter starts a new line · Esc stops",
  token: "Access token", enter: "Continue", keep: "Remember on this device",
  needed: "An access token is needed.", refused: "The access token was not accepted.",
  attach: "Add a picture", remove: "Remove",
  unreadable: "The browser cannot read this file as a picture.",
  tooMany: (most) => `A question takes ${most} pictures at most.`,
}) };
const { dataset } = document.body;
T.title = dataset.title || T.title;

document.documentElement.lang = T.lang;
document.title = T.title;
for (const place of document.querySelectorAll("[data-text]")) {
  place.textContent = T[place.dataset.text];
}
const [box, gate, field, hintPlace] = ["box", "gate", "key", "hint"].map($);
box.placeholder = box.ariaLabel = T.box;
field.placeholder = T.token;

function hint(text) {
  hintPlace.textContent = text;
  hintPlace.hidden = !text;
}

// A token or a question leaves the address bar: the token must not be bookmarked or shared, and a
// reload must not ask again. Functions below one origin have tokens and conversations of their own.
const address = new URL(location);
const { searchParams } = address;
const ofDevice = storage("localStorage");
const tokenKey = "token " + location.pathname;
let token = ofTab.get(tokenKey) || ofDevice.get(tokenKey);
if (searchParams.has("token")) {
  token = searchParams.get("token");
  ofTab.set(tokenKey, token);
  searchParams.delete("token");
}

// As the server finds it.
const NAMES = ["question", "q", "prompt", "message", "chatInput", "input", "text"];
let asked = "";
let query = ""; // With which a signed link for one question asks.
if (searchParams.get("format") === "html") {
  const values = NAMES.flatMap((name) => searchParams.getAll(name));
  asked = values.map((value) => value.trim()).find(Boolean) ?? "";
  searchParams.delete("format");
  query = address.search;
  for (const name of NAMES) searchParams.delete(name);
}
history.replaceState(null, "", address);

/** Returns the address of the page with these parameters, and with the model if it has one. */
function addressWith(parameters) {
  const url = new URL(location.pathname, location.origin);
  const model = searchParams.get("model");
  url.search = new URLSearchParams({ ...parameters, ...(model && { model }) });
  return url;
}

/** A signed link opens the page, which asks with the signature until it has a token. */
function endpoint(question) {
  const { exp, sig } = Object.fromEntries(searchParams);
  if (!exp || !sig || token) return { url: addressWith({}).href, token };
  // A question in the query takes precedence over the messages.
  if (asked && question === asked) return { url: location.pathname + query };
  return { url: addressWith({ exp, sig }).href };
}

/** Returns the sentence for an error. Without a valid token, the page asks for one instead. */
function explain(error) {
  if (error.status !== 401) return error.message;
  $("why").textContent =
    token ? T.refused : searchParams.has("sig") ? error.message : T.needed;
  token = null;
  ofTab.set(tokenKey);
  ofDevice.set(tokenKey);
  gate.hidden = false;
  field.focus();
  return "";
}

const images = pictures({
  T, list: $("pictures"), button: $("attach"), input: $("files"), box, hint,
});
const conversation = chat({
  T, key: "conversation " + location.pathname, root: document.body,
  talk: $("talk"), scroller: document.documentElement, form: $("composer"), box,
  go: $("go"), fresh: $("fresh"), latest: $("latest"), status: $("status"),
  endpoint, explain, takePictures: images.take, givePictures: images.give,
  link: (question) => addressWith({ format: "html", question }).href,
});

gate.onsubmit = (event) => {
  event.preventDefault();
  token = field.value.trim();
  ofTab.set(tokenKey, token);
  if ($("keep").checked) ofDevice.set(tokenKey, token);
  field.value = "";
  gate.hidden = true;
  box.focus();
  conversation.submit();
};
onkeydown = (event) => {
  if (event.key === "Escape" && !isComposing(event)) conversation.stop();
};
if (asked) {
  conversation.clear();
  box.value = asked;
  if ("asks" in dataset) conversation.submit();
}

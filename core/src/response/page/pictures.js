// Pictures of the question that is being written: chosen, pasted or dropped.

const MAX_PICTURES = 4;
const MAX_SIDE = 1568; // Pixels. Models make larger ones smaller.
const MAX_URL = 1_400_000; // Characters. Four of them fit into a request of 6 MB.

/** Returns a smaller copy of a picture as a JPEG data URL. Rejects if it cannot be read. */
async function shrink(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // JPEG has no transparency.
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  let url = "";
  for (const quality of [.85, .7, .5, .3]) {
    url = canvas.toDataURL("image/jpeg", quality);
    if (url.length <= MAX_URL) break;
  }
  return url;
}

/** Lets pictures be added. Returns functions that take them for a question and give them back. */
function pictures({ T, list, button, input, box, hint }) {
  let urls = [];

  function draw() {
    list.replaceChildren(...urls.map((src, i) => {
      const alt = `${T.picture} ${i + 1}`;
      const cross = button.firstElementChild.cloneNode(true);
      cross.firstElementChild.setAttribute("d", "M6 6l12 12M18 6 6 18");
      const remove = element("button", "", Object.assign(new Image(), { src, alt }), cross);
      remove.type = "button";
      remove.ariaLabel = remove.title = `${T.remove}: ${alt}`;
      remove.onclick = () => {
        give(urls.filter((_, other) => other !== i));
        box.focus();
      };
      return remove;
    }));
  }

  function give(given) {
    urls = given;
    hint("");
    draw();
  }

  async function add(files) {
    hint("");
    box.focus();
    for (const file of files) {
      const url = await shrink(file).catch(() => hint(T.unreadable));
      if (!url) continue;
      if (urls.length < MAX_PICTURES) urls.push(url); else hint(T.tooMany(MAX_PICTURES));
      draw();
    }
  }

  button.hidden = false;
  button.ariaLabel = button.title = T.attach;
  button.onclick = () => input.click();
  input.onchange = () => {
    add([...input.files]);
    input.value = "";
  };
  box.addEventListener("paste", (event) => {
    const { files } = event.clipboardData;
    if (!files.length) return;
    event.preventDefault();
    add([...files]);
  });
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  const setDropping = (isDropping) => document.body.classList.toggle("dropping", isDropping);
  ondragover = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    setDropping(true);
  };
  ondragleave = (event) => { if (!event.relatedTarget) setDropping(false); };
  ondrop = (event) => {
    setDropping(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  };

  return {
    take() {
      const taken = urls;
      give([]);
      return taken;
    },
    give,
  };
}

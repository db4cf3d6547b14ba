// The page that uploads a file into a pool: piece by piece, from where the host has it. A pause, a reload of the page or
// a broken connection costs one piece: the same file under the same name goes on.
const form = document.querySelector("[data-upload]");
const words = form.dataset;
const file = form.elements.file;
const name = form.elements.name;
const begin = form.querySelector("[data-begin]");
const pause = form.querySelector("[data-pause]");
const bar = form.querySelector("progress");
const said = form.querySelector("[data-said]");
const problem = form.querySelector("[data-problem]");
const token = form.elements.csrfmiddlewaretoken.value;
const piece = Number(words.piece);
const PAUSES = [1, 2, 4, 8, 15, 15, 15, 15]; // seconds between attempts
let going = null; // an AbortController while it goes on

class Refused extends Error {}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${bytes.toLocaleString(document.documentElement.lang, { maximumFractionDigits: unit > 1 ? 1 : 0 })} ${units[unit]}`;
}

function say(text, isProblem = false) {
  said.textContent = isProblem ? "" : text;
  problem.textContent = isProblem ? text : "";
  problem.hidden = !isProblem;
}

async function ask(url, options) {
  const answer = await fetch(url, {
    credentials: "same-origin",
    ...options,
    headers: { "X-CSRFToken": token, Accept: "application/json" },
    signal: going.signal,
  });
  const isJson = (answer.headers.get("Content-Type") || "").startsWith("application/json");
  const told = isJson ? await answer.json() : {};
  if (answer.ok) {
    return told;
  }
  if (answer.status === 409 && Number.isInteger(told.received)) {
    return told; // it goes on elsewhere
  }
  if (answer.status >= 500 || answer.status === 429) {
    throw new Error(told.error || words.broken);
  }
  throw new Refused(told.error || words.refused);
}

async function fingerprint(chosen) {
  const head = await chosen.slice(0, 1 << 20).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", head);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function show(received, total, since, from) {
  bar.hidden = false;
  bar.max = total;
  bar.value = received;
  const seconds = (performance.now() - since) / 1000;
  const rate = seconds > 0.5 ? (received - from) / seconds : 0;
  const course = words.course.replace("{done}", size(received)).replace("{all}", size(total));
  say(rate ? `${course}, ${size(rate)}/s` : course);
}

async function withPatience(attempt) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof Refused || error.name === "AbortError" || tries >= PAUSES.length) {
        throw error;
      }
      say(words.waiting);
      await new Promise((done) => setTimeout(done, PAUSES[tries] * 1000));
      if (going.signal.aborted) {
        throw new DOMException("", "AbortError");
      }
    }
  }
}

async function upload(chosen) {
  const wanted = new FormData(form);
  wanted.delete("file");
  wanted.set("size", chosen.size);
  wanted.set("fingerprint", await fingerprint(chosen));
  let told = await withPatience(() => ask(words.upload, { method: "POST", body: wanted }));
  const here = `${words.pieces}${told.upload}/`;
  const since = performance.now();
  const from = told.received;
  let received = from;
  show(received, chosen.size, since, from);
  while (received < chosen.size) {
    told = await withPatience(async () => {
      const part = chosen.slice(received, received + piece);
      return ask(`${here}?offset=${received}`, { method: "PUT", body: part });
    });
    received = told.received;
    show(received, chosen.size, since, from);
  }
  say(words.looking);
  told = await withPatience(() => ask(`${here}finish/`, { method: "POST" }));
  location.assign(told.url);
}

function stand(isGoing) {
  begin.hidden = isGoing;
  pause.hidden = !isGoing;
  for (const element of [file, name, form.elements.format]) {
    element.disabled = isGoing;
  }
}

file.addEventListener("change", () => {
  const chosen = file.files[0];
  if (chosen && !name.value) {
    name.value = chosen.name.replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 63);
  }
  if (chosen && /\.qcow2$/i.test(chosen.name) && form.elements.format.querySelector("[value=qcow2]")) {
    form.elements.format.value = "qcow2";
  }
  if (chosen && /\.(iso|img|raw)$/i.test(chosen.name)) {
    form.elements.format.value = "raw";
  }
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = file.files[0];
  if (!chosen || !chosen.size || going) {
    say(words.choose, true);
    return;
  }
  going = new AbortController();
  try {
    const sent = upload(chosen);
    stand(true);
    pause.focus();
    await sent;
  } catch (error) {
    if (error.name === "AbortError") {
      say(words.paused);
    } else {
      say(error instanceof Refused ? error.message : `${error.message} ${words.again}`, true);
    }
  } finally {
    going = null;
    stand(false);
  }
});

pause.addEventListener("click", () => {
  going?.abort();
  begin.hidden = false;
  begin.focus();
});
begin.disabled = false;

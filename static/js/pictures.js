// Pictures of guests' screens, wherever an element says data-look="<guest id>": the server is told every ten seconds
// which of them somebody can see, and answers with their markup, which is put in place without a flash; on a wall also with
// each guest's state (data-state-of).
import { csrfToken } from "./live.js";

const LOOK_MS = 10_000;
const AGAIN_MS = 1000; // after a hint: several may come together
const URL_OF_PICTURES = "/guests/pictures/";

const seen = new Set(); // elements within the window
const watcher = new IntersectionObserver((entries) => {
  let came = false;
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      seen.add(target);
      came = true;
    } else seen.delete(target);
  }
  if (came) lookSoon(0);
}, { rootMargin: "100px" });

let timer = 0;
let due = Infinity;
let looking = false;

function lookSoon(milliseconds) {
  const at = performance.now() + milliseconds;
  if (at >= due) return;
  due = at;
  clearTimeout(timer);
  timer = setTimeout(look, milliseconds);
}

function ids() {
  for (const element of seen) if (!element.isConnected) seen.delete(element);
  return [...new Set([...seen].map((element) => element.dataset.look))];
}

async function look() {
  due = Infinity;
  const shown = ids();
  if (looking || document.hidden || !shown.length) return;
  looking = true;
  try {
    const answer = await fetch(URL_OF_PICTURES, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken() },
      body: new URLSearchParams(shown.map((id) => ["guest", id])),
      redirect: "manual", // to the sign-in page
    });
    if (answer.ok) await putAll(answer);
  } catch {
    // The next look asks again.
  }
  looking = false;
  lookSoon(LOOK_MS);
}

async function putAll(response) {
  const answer = document.createElement("template");
  answer.innerHTML = await response.text();
  for (const fresh of [...answer.content.children]) {
    const { look: picture, stateOf } = fresh.dataset;
    for (const old of document.querySelectorAll(picture ? `[data-look="${picture}"]` : `[data-state-of="${stateOf}"]`)) {
      if (picture) await putPicture(old, fresh.cloneNode(true));
      else if (old.textContent !== fresh.textContent) old.replaceChildren(...fresh.cloneNode(true).childNodes);
    }
  }
}

// One picture in the place of an older one: loaded before it is shown, and the link around it keeps the focus.
export async function putPicture(old, fresh) {
  if (old.dataset.version === fresh.dataset.version) {
    const [was, is] = [old.querySelector(".gh-age"), fresh.querySelector(".gh-age")];
    if (was && is && was.textContent !== is.textContent) was.textContent = is.textContent;
    return;
  }
  const [was, is] = [old.querySelector("img"), fresh.querySelector("img")];
  if (is) {
    const loaded = new Image();
    loaded.src = is.src;
    try {
      await loaded.decode();
    } catch {
      return; // gone meanwhile, or not ours any more: the next look says what there is
    }
  }
  old.dataset.version = fresh.dataset.version;
  if (was && is) {
    for (const name of ["src", "width", "height", "alt"]) was.setAttribute(name, is.getAttribute(name));
    old.querySelector(".gh-age").textContent = fresh.querySelector(".gh-age").textContent;
  } else old.replaceChildren(...fresh.childNodes);
}

function observe() {
  for (const element of document.querySelectorAll("[data-look]")) watcher.observe(element);
}

new MutationObserver(observe).observe(document.body, { childList: true, subtree: true });
document.addEventListener("visibilitychange", () => lookSoon(0));
document.addEventListener("gh:changed", ({ detail }) => {
  const shown = ids();
  if (detail.all || detail.guests?.some((id) => shown.includes(id))) lookSoon(AGAIN_MS);
});
observe();

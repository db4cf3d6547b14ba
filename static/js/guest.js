// The guest's page: copy buttons, dialogs, and live parts that never take away what somebody is typing or has open.
import { csrfToken } from "./live.js";

const said = document.getElementById("guest-said");

// ---------------------------------------------------------------- copy and dialogs

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy || document.querySelector(button.dataset.copyFrom).textContent);
  } catch {
    return; // no permission, or not a secure origin: the text is there to be selected
  }
  said.textContent = "";
  said.textContent = said.dataset.copied;
  const use = button.querySelector("use");
  const was = use.getAttribute("href");
  use.setAttribute("href", was.replace(/#.*/, "#s-done"));
  setTimeout(() => use.setAttribute("href", was), 1500);
}

const hasCommands = "commandForElement" in HTMLButtonElement.prototype;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from], [commandfor]");
  if (!button) return;
  if (button.dataset.copy || button.dataset.copyFrom) copy(button);
  if (button.hasAttribute("commandfor") && !hasCommands) {
    const dialog = document.getElementById(button.getAttribute("commandfor"));
    if (button.getAttribute("command") === "show-modal") dialog.showModal();
    else dialog.close();
  }
  if (button.hasAttribute("commandfor")) button.closest("details.gh-menu")?.removeAttribute("open");
});

document.addEventListener("htmx:afterRequest", (event) => {
  event.target.closest?.("dialog[open]")?.close();
});

// ---------------------------------------------------------------- live parts

let ticking = false; // whether the answer being put in place is a live one, and not the answer to a form

document.addEventListener("htmx:beforeSwap", (event) => {
  ticking = event.detail.elt?.id === "guest-live" || event.detail.requestConfig?.elt?.id === "guest-live";
});

const plain = (element) => {
  const copied = element.cloneNode(true);
  copied.removeAttribute("hx-swap-oob");
  for (const input of copied.querySelectorAll("input[type=hidden]")) input.removeAttribute("value");
  for (const touched of [copied, ...copied.querySelectorAll("[class], [data-hx-revealed]")]) {
    touched.classList.remove("htmx-request", "htmx-added", "htmx-settling", "htmx-swapping");
    if (!touched.className) touched.removeAttribute("class");
  }
  return copied.innerHTML.replace(/\s+/g, " ");
};

// A part is left alone while it is being edited, has a menu open, or holds a selection; the next hint brings it again.
function isHeld(part) {
  if (part.querySelector("form[data-dirty], details[open], dialog[open], .htmx-request")) return true;
  if (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return true;
  const selection = getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
}

const drawn = new WeakMap(); // a part → what the server last drew there, without keys

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const part = event.detail.target;
  const fresh = event.detail.fragment.firstElementChild ?? event.detail.fragment;
  if (!ticking || !(fresh instanceof Element)) return;
  if (isHeld(part)) {
    event.detail.shouldSwap = false;
    return;
  }
  const text = plain(fresh);
  if (drawn.get(document.getElementById(part.id)) === text) event.detail.shouldSwap = false;
  else queueMicrotask(() => drawn.set(document.getElementById(part.id), text));
});

// A button that went with its part passes the focus on: to its own successor (htmx finds it by id), else to the heading.
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement !== document.body || !held) return;
  const part = document.getElementById(held);
  part?.querySelector("button, a, summary")?.focus({ preventScroll: true });
});
let held = "";
document.addEventListener("focusin", (event) => {
  held = event.target.closest("[id^=guest-]")?.id ?? "";
});

// ---------------------------------------------------------------- addresses

// While the card of NICs is shown the server is told every 20 s; what the guest and its host then tell comes as a hint.
const ASK_MS = 20_000;

async function askForAddresses() {
  const url = document.querySelector("[data-addresses]")?.dataset.addresses;
  if (!url || document.hidden) return;
  try {
    await fetch(url, { method: "POST", headers: { "X-CSRFToken": csrfToken() }, redirect: "manual" });
  } catch {
    // Asked again in 20 s.
  }
}

askForAddresses();
setInterval(askForAddresses, ASK_MS);
document.addEventListener("visibilitychange", askForAddresses);

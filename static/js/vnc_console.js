// The graphical console's page: noVNC, its tools, and coming back.
import RFB from "../vendor/novnc/1.7.0/core/rfb.js";
import { csrfToken } from "./live.js";
import { Refusal, askForTicket, openSocket, refusalOf } from "./vnc_socket.js";

const WAITS = [0.5, 1, 2, 4, 7, 10]; // seconds
const STEADY_MS = 5000; // a connection that held so long starts the waits anew

const screen = document.getElementById("screen");
const stage = document.getElementById("stage");
const notice = document.getElementById("notice");
const words = screen.dataset;
const tool = (name) => document.querySelector(`[data-tool="${name}"]`);

let rfb = null;
let tries = 0;
let timer = null;
let waiting = false; // for the guest to change
let connecting = false;
let viewOnly = false; // as the person chose
let mode = document.getElementById("guest-state").dataset.mode; // as the server decided

function say(state, word) {
  const element = document.getElementById("state");
  element.dataset.state = state;
  element.textContent = word;
}

function showNotice(sentence, { retry = true, signIn = false, start = false } = {}) {
  notice.hidden = !sentence;
  notice.querySelector("p").textContent = sentence;
  tool("retry").hidden = !retry;
  document.getElementById("sign-in").hidden = !signIn;
  const form = document.getElementById("start");
  if (form) form.hidden = !start;
}

function showMode() {
  const watching = mode !== "control";
  const looking = watching || viewOnly;
  if (rfb) rfb.viewOnly = looking;
  document.getElementById("view-only-badge").hidden = !looking;
  document.getElementById("mode").textContent = watching ? words.sayWatch : words.sayControl;
  tool("view-only").disabled = watching;
  tool("view-only").setAttribute("aria-pressed", String(looking));
  tool("ctrl-alt-del").disabled = looking || !rfb?.connected;
}

async function connect() {
  clearTimeout(timer);
  if (connecting || rfb) return;
  connecting = true;
  waiting = false;
  say("connecting", tries ? words.sayReconnecting : words.sayConnecting);
  try {
    const ticket = await askForTicket(words, csrfToken());
    mode = ticket.mode;
    show(openSocket(words, ticket.token));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ended(error);
  } finally {
    connecting = false;
  }
}

function show(socket) {
  let opened = 0;
  let over = false;
  socket.addEventListener("open", () => { opened = performance.now(); });
  socket.addEventListener("close", (event) => {
    if (over) return;
    over = true;
    rfb = null;
    if (opened && performance.now() - opened > STEADY_MS) tries = 0;
    ended(refusalOf(event, opened > 0, words));
  });
  rfb = new RFB(screen, socket, { shared: true });
  rfb.scaleViewport = document.getElementById("scale").value === "fit";
  rfb.clipViewport = !rfb.scaleViewport;
  rfb.dragViewport = false;
  rfb.focusOnClick = true;
  rfb.background = "transparent";
  rfb.connected = false;
  rfb.addEventListener("connect", () => {
    if (over) return;
    rfb.connected = true;
    say("live", words.sayConnected);
    showNotice("");
    screen.classList.remove("dim");
    showMode();
    showSize();
    if (document.activeElement === document.body) rfb.focus();
  });
  showMode();
}

function ended(refusal) {
  screen.classList.add("dim");
  showMode();
  const startable = refusal.next === "wait" && document.getElementById("guest-state").dataset.active === "no";
  if (refusal.next === "retry") {
    const wait = WAITS[Math.min(tries, WAITS.length - 1)];
    tries += 1;
    say("connecting", words.sayReconnecting);
    const again = words.whyRetry.replace("{wait}", wait).replace("{count}", tries);
    showNotice(`${refusal.message} ${again}`);
    timer = setTimeout(connect, wait * 1000 * (0.75 + Math.random() / 2));
    return;
  }
  if (refusal.next === "wait") {
    waiting = true;
    say("off", words.sayOff);
    showNotice(refusal.message, { start: startable, retry: !startable });
    return;
  }
  say("ended", words.sayEnded);
  showNotice(refusal.message, { signIn: refusal.next === "sign-in", retry: refusal.next !== "sign-in" });
}

function showSize() {
  const canvas = screen.querySelector("canvas");
  document.getElementById("size").textContent = canvas ? `${canvas.width} × ${canvas.height}` : "";
}

// A guest whose screen changes its size says so by the canvas alone.
new MutationObserver(showSize).observe(screen, { subtree: true, attributes: true, attributeFilter: ["width", "height"] });

// The header's fragment is fetched again when the guest changes: it says whether there may be a screen, and the mode.
document.addEventListener("htmx:afterSettle", () => {
  const { active, mode: decided } = document.getElementById("guest-state").dataset;
  if (decided !== mode) {
    mode = decided;
    showMode();
  }
  if (!waiting) return;
  if (active === "yes") {
    tries = 0;
    connect();
  } else showNotice(words.whyOff, { start: true, retry: false });
});

tool("ctrl-alt-del").addEventListener("click", () => {
  rfb?.sendCtrlAltDel();
  rfb?.focus();
});
tool("view-only").addEventListener("click", () => {
  viewOnly = !viewOnly;
  showMode();
});
tool("fullscreen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen().then(() => rfb?.focus());
});
tool("retry").addEventListener("click", () => {
  tries = 0;
  connect();
});
document.getElementById("scale").addEventListener("change", (event) => {
  if (!rfb) return;
  rfb.scaleViewport = event.target.value === "fit";
  rfb.clipViewport = !rfb.scaleViewport;
});

// The screen takes every key, Tab too; this one leads out of it again.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !event.ctrlKey || !event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  rfb?.blur();
  document.getElementById("back").focus();
}, { capture: true });

showMode();
connect();

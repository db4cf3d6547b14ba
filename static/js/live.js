// Change hints: /ws/live/ says which guests, hosts and operations changed; pages fetch those fragments again.
//
// Each message becomes the event "gh:changed" on document (detail: {guests, hosts, operations}, arrays of ids), and the
// htmx event "changed" on every element whose data-live names one of them: "guest:<id>", "host:<name>",
// "operation:<id>", or "guests", "hosts", "operations" for any. Without the socket the same comes every 5 s for all
// (detail: {all: true}).
const POLL_MS = 5000;
const RETRY_MS = [1000, 2000, 5000, 10000, 30000];
const SIGNED_OUT = 4401;
const NOT_ALLOWED = 4403;

let tries = 0;
let poll = null;
let since = document.body.dataset.liveSince ?? "";

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = csrfToken();
});

// A refusal of an htmx request is one sentence; it is said where messages stand.
document.addEventListener("htmx:responseError", (event) => {
  const text = event.detail.xhr.responseText;
  if ((event.detail.xhr.getResponseHeader("Content-Type") ?? "").startsWith("text/plain")) sayRefused(text);
});

export function sayRefused(text) {
  const note = document.createElement("p");
  note.className = "gh-note bad";
  note.textContent = text;
  document.getElementById("messages")?.replaceChildren(note);
}

export function csrfToken() {
  return document.querySelector("meta[name=csrf-token]").content;
}

function say(state) {
  document.documentElement.dataset.live = state;
  document.dispatchEvent(new CustomEvent("gh:live", { detail: { state } }));
}

function tell(detail) {
  const named = new Set();
  for (const [kind, ids] of [["guest", detail.guests], ["host", detail.hosts], ["operation", detail.operations]]) {
    if (ids?.length) named.add(`${kind}s`);
    for (const id of ids ?? []) named.add(`${kind}:${id}`);
  }
  for (const element of document.querySelectorAll("[data-live]")) {
    if (detail.all || element.dataset.live.split(/\s+/).some((name) => named.has(name))) {
      window.htmx?.trigger(element, "changed");
    }
  }
  document.dispatchEvent(new CustomEvent("gh:changed", { detail }));
}

function startPolling() {
  say("polling");
  poll ??= setInterval(() => {
    if (!document.hidden) tell({ all: true });
  }, POLL_MS);
}

function stopPolling() {
  clearInterval(poll);
  poll = null;
}

function lookedAgainLately() {
  const last = Number(sessionStorage.getItem("gh-looked-again"));
  sessionStorage.setItem("gh-looked-again", Date.now());
  return Date.now() - last < 30000;
}

function connect() {
  const url = new URL(document.body.dataset.liveUrl, location.href);
  url.searchParams.set("since", since);
  url.protocol = url.protocol.replace("http", "ws");
  let opened = Infinity;
  const socket = new WebSocket(url);
  socket.addEventListener("open", () => {
    opened = performance.now();
    tries = 0;
    stopPolling();
    say("live");
  });
  socket.addEventListener("message", (event) => {
    const changes = JSON.parse(event.data);
    since = changes.since; // asked for again after a break
    if (!document.hidden) tell(changes);
    else missed = true;
  });
  socket.addEventListener("close", (event) => {
    if (event.code === SIGNED_OUT || event.code === NOT_ALLOWED) {
      stopPolling();
      say("ended");
      // The page itself says what is left to see; one that is refused at once, again and again, is asked once.
      if (performance.now() - opened > 1000 || !lookedAgainLately()) location.reload();
      return;
    }
    startPolling();
    const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)];
    tries += 1;
    setTimeout(connect, wait * (0.75 + Math.random() / 2));
  });
}

// A page in the background fetches nothing, and everything once when it is looked at again.
let missed = false;
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !missed) return;
  missed = false;
  tell({ all: true });
});

if (document.body.dataset.liveUrl) {
  say("connecting");
  connect();
}

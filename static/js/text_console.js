// The text console's page: a terminal, its connection, and what is going on in words.
import { answering, makeTerminal } from "./terminal.js";
import { TextSocket } from "./text_socket.js";

const element = document.getElementById("terminal");
const words = element.dataset;
const at = (id) => document.getElementById(id);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name] ?? "");
const tool = (name) => document.querySelector(`[data-tool="${name}"]`);

let mode = "watch";
let device = "attaching";
let replaying = 0; // replayed pieces that are not drawn yet
let lastMark = 0;
let keyAt = 0;
let lostAt = 0;

const answers = answering();
const fontSize = Number(stored("guesthouse-console-size")) || 14;
const { terminal, fit, search } = makeTerminal(element, {
  fontSize,
  mayAnswer: () => mode === "control" && replaying === 0 && answers.lately(),
});

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

// State in words

function say(state, word) {
  const place = at("state");
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  place.textContent = word;
  element.classList.toggle("dim", state !== "live");
}

function notice(text, { retry = false, stop = false, signIn = false } = {}) {
  const place = at("notice");
  place.hidden = !text;
  const paragraph = place.querySelector("p");
  if (paragraph.textContent !== text) paragraph.textContent = text;
  tool("retry").hidden = !retry;
  tool("stop").hidden = !stop;
  at("sign-in").hidden = !signIn;
}

function deviceIs(state) {
  device = state;
  say(state, words[`say${state[0].toUpperCase()}${state.slice(1)}`] ?? state);
  notice(words[`why${state[0].toUpperCase()}${state.slice(1)}`] ?? "");
}

function modeIs(value) {
  mode = value;
  at("mode").textContent = value === "control" ? words.sayControl : words.sayWatch;
  terminal.options.disableStdin = value !== "control";
}

// A line of ours between the guest's; it ends whatever escape sequence stood open.
function mark(text) {
  terminal.write(`\x18\x1b[0m\r\n\x1b[2m── ${text} ──\x1b[0m\r\n`);
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
const capital = (text) => text[0].toUpperCase() + text.slice(1);

// The connection

const socket = new TextSocket(words.socket, {
  output(bytes, replayed, drawn) {
    if (replayed) replaying += 1;
    else if (keyAt) {
      at("echo").textContent = fill(words.sayEcho, { ms: Math.max(1, Math.round(performance.now() - keyAt)) });
      keyAt = 0;
    }
    terminal.write(bytes, () => {
      if (replayed) replaying -= 1;
      drawn();
    });
  },
  status(status) {
    if (status.mode) modeIs(status.mode);
    if (status.hello) greet(status);
    if (status.state) deviceIs(status.state);
    if (status.gap) mark(fill(words.markGap, { bytes: status.gap.toLocaleString() }));
    if (status.mark && status.number > lastMark) {
      lastMark = status.number;
      const text = words[`mark${capital(status.mark)}`];
      if (text) mark(fill(text, { time: clock(status.at) }));
    }
    if (status.input_lost) at("input-lost").textContent = fill(words.sayInputLost, { bytes: status.input_lost.toLocaleString() });
  },
  connected() {
    lostAt = 0;
    clearInterval(countdown);
    notice("");
    at("input-lost").textContent = "";
  },
  lost(seconds, count) {
    lostAt ||= Date.now();
    say("reconnecting", words.sayReconnecting);
    countDown(Date.now() + seconds * 1000, count);
  },
  ended(code) {
    end(words[`why-${code}`] ?? element.getAttribute(`data-why-${code}`) ?? words.whyStopped, { retry: code !== 4401, signIn: code === 4401 });
  },
  signedOut() {
    end(words.whySignedOut, { signIn: true });
  },
});

function greet(status) {
  if (status.otherRing) {
    lastMark = 0;
    terminal.write("\x18\x1b[?1049l\x1b[!p");
    mark(words.markOtherRing);
  }
  if (!status.resumed && status.replay[0] < status.replay[1]) mark(words.markReplay);
  if (!status.resumed) terminal.write(status.modes);
  if (status.replay[1] === 0 && mode === "control") at("echo").textContent = words.sayPressEnter;
}

function end(text, buttons) {
  clearInterval(countdown);
  say("ended", words.sayEnded);
  notice(text, buttons);
}

let countdown = 0;
function countDown(until, count) {
  clearInterval(countdown);
  const show = () => {
    const wait = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    const values = { ago: Math.round((Date.now() - lostAt) / 1000), wait, count };
    notice(fill(wait ? words.whyRetry : words.whyTrying, values), { retry: true, stop: true });
  };
  show();
  countdown = setInterval(show, 1000);
}

tool("retry").addEventListener("click", () => { socket.retryNow(); terminal.focus(); });
tool("stop").addEventListener("click", () => { socket.stop(); end(words.whyStopped, { retry: true }); });
addEventListener("online", () => { if (lostAt) socket.retryNow(); });

// Typing

const encoder = new TextEncoder();
function type(bytes) {
  if (mode !== "control" || replaying) return; // during a replay the terminal answers questions of long ago
  socket.type(bytes);
}
terminal.onKey(() => { answers.typed(); keyAt = performance.now(); });
terminal.onData((text) => type(encoder.encode(text)));
terminal.onBinary((text) => type(Uint8Array.from(text, (character) => character.charCodeAt(0))));
element.addEventListener("paste", () => answers.typed(), true);

terminal.attachCustomKeyEventHandler((event) => {
  if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
  if (event.code === "Escape") at("back").focus();
  else if (event.code === "KeyF") openFind();
  else if (event.code === "KeyC" && terminal.hasSelection()) navigator.clipboard?.writeText(terminal.getSelection());
  else return true;
  event.preventDefault();
  return false;
});

// Size

function resize() {
  fit.fit();
  at("size").textContent = `${terminal.cols} × ${terminal.rows}`;
}
new ResizeObserver(resize).observe(at("stage"));
resize();

function changeSize(step) {
  terminal.options.fontSize = Math.min(32, Math.max(8, terminal.options.fontSize + step));
  try { localStorage.setItem("guesthouse-console-size", terminal.options.fontSize); } catch { /* storage is closed to us */ }
  resize();
}
tool("smaller").addEventListener("click", () => changeSize(-1));
tool("larger").addEventListener("click", () => changeSize(1));
tool("fullscreen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else at("main").requestFullscreen().catch(() => {});
  terminal.focus();
});
at("device")?.addEventListener("change", (event) => location.assign(event.target.value));

// Search

const find = at("find");
const options = { decorations: { matchOverviewRuler: "#f0c060", activeMatchColorOverviewRuler: "#ffffff", matchBackground: "#6b5a30", activeMatchBackground: "#b98a1f" } };
function openFind() {
  find.hidden = false;
  find.elements.text.select();
  find.elements.text.focus();
}
function closeFind() {
  find.hidden = true;
  search.clearDecorations();
  terminal.focus();
}
search.onDidChangeResults(({ resultIndex, resultCount }) => {
  find.querySelector("output").textContent = resultCount ? fill(words.sayFound, { index: resultIndex + 1, count: resultCount }) : words.sayNothing;
});
tool("find").addEventListener("click", () => (find.hidden ? openFind() : closeFind()));
tool("close-find").addEventListener("click", closeFind);
tool("previous").addEventListener("click", () => search.findPrevious(find.elements.text.value, options));
find.addEventListener("submit", (event) => { event.preventDefault(); search.findNext(find.elements.text.value, options); });
find.addEventListener("input", () => search.findNext(find.elements.text.value, { ...options, incremental: true }));
find.addEventListener("keydown", (event) => { if (event.key === "Escape") closeFind(); });

terminal.focus();

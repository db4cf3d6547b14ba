// The past of a console: its log searched, and played back along a time line.
import { makeTerminal } from "./terminal.js";
import { Inert } from "./terminal_harmless.js";
import { partsOf } from "./past_parts.js";
import { Playback, parseCast } from "./playback.js";
import { capital, clock, fill, kept, tool } from "./console_words.js";

const at = (id) => document.getElementById(id);
const element = at("terminal");
const words = element.dataset;
const BINS = 200;
const PAGE_S = 10; // a step of the arrow keys on the time line

const { terminal, fit } = makeTerminal(element, { fontSize: Number(kept("size")) || 14, screenReaderMode: kept("reader") === "yes" });
terminal.options.disableStdin = true;
const playback = new Playback(terminal, new Inert());
let began = 0; // Unix time of the recording's first second

function notice(text) {
  at("notice").hidden = !text;
  at("notice").querySelector("p").textContent = text;
}

function resize() { fit.fit(); }
new ResizeObserver(resize).observe(at("stage"));
resize();

// The time line

const moment = (seconds) => new Date((began + seconds) * 1000).toLocaleString();
const slider = at("position");
const play = document.querySelector("[data-tool=play]");

function draw() {
  slider.value = playback.position;
  const now = playback.events.length ? moment(playback.real) : "";
  slider.setAttribute("aria-valuetext", now);
  at("time").textContent = now;
  const word = playback.isPlaying ? words.sayPause : words.sayPlay;
  const label = play.querySelector("span");
  if (label.textContent === word) return;
  label.textContent = word;
  const use = play.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, playback.isPlaying ? "#i-player-pause" : "#i-player-play"));
}

// How much was written when, as bars; marks as lines over them.
function drawActivity() {
  const svg = at("activity");
  const counts = new Array(BINS).fill(0);
  const bin = (event) => Math.min(BINS - 1, Math.floor((event.at / (playback.duration || 1)) * BINS));
  for (const event of playback.events) if (event.kind === "o") counts[bin(event)] += event.text.length;
  const most = Math.log1p(Math.max(...counts));
  const bar = (x, height, width, name) => {
    const rect = document.createElementNS(svg.namespaceURI, "rect");
    for (const [key, value] of Object.entries({ x, y: 20 - height, width, height, class: name })) rect.setAttribute(key, value);
    return rect;
  };
  svg.replaceChildren(
    ...counts.flatMap((count, x) => (count ? [bar(x, Math.max(2, (Math.log1p(count) / most) * 20), 0.9, "")] : [])),
    ...playback.events.filter(({ kind }) => kind === "m").map((event) => bar(bin(event), 20, 0.5, "mark")),
  );
}

function measured() {
  slider.max = playback.duration;
  drawActivity();
  draw();
}

playback.addEventListener("change", draw);
play.addEventListener("click", () => (playback.isPlaying ? playback.pause() : playback.play()));
slider.addEventListener("input", () => playback.seek(Number(slider.value)));
slider.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -PAGE_S, ArrowRight: PAGE_S }[event.key];
  if (!step) return;
  event.preventDefault();
  playback.seek(playback.position + step);
});
at("speed").addEventListener("change", (event) => { playback.speed = Number(event.target.value); });
at("silences").addEventListener("change", (event) => {
  playback.setSilences(event.target.checked);
  measured();
});
at("player").addEventListener("submit", (event) => event.preventDefault());
at("device")?.addEventListener("change", (event) => location.assign(event.target.value));

// Loading

function inWords(event) {
  if (event.kind !== "m") return event;
  const text = words[`mark${capital(event.text)}`];
  return { ...event, text: text ? fill(text, { time: clock(began + event.real) }) : event.text };
}

let parts = [];
let shown = 0; // which part is in the terminal

// What the server says, or null after it was said why there is nothing.
async function ask(url) {
  try {
    const answer = await fetch(url, { cache: "no-store" });
    if (answer.ok && !answer.redirected) return answer;
    notice(answer.status === 503 || answer.status >= 500 ? words.sayFailed : words.sayDenied);
  } catch {
    notice(words.sayFailed);
  }
  return null;
}

async function load() {
  notice(words.sayLoading);
  const answer = await ask(words.overview);
  if (!answer) return;
  const overview = await answer.json();
  if (!overview.bytes) return notice(words.sayEmpty);
  parts = partsOf(overview);
  await show(parts.length - 1); // the newest first, as in the console
}

async function show(index, time = null) {
  const { since, until } = parts[index];
  const url = new URL(words.play, location.href);
  if (parts.length > 1) url.search = new URLSearchParams({ since, until });
  playback.pause();
  const answer = await ask(url);
  if (!answer) return;
  const { header, events } = parseCast(await answer.text());
  shown = index;
  began = header.timestamp ?? 0;
  const day = (seconds) => new Date(seconds * 1000).toLocaleString();
  notice(parts.length > 1 ? fill(words.sayPart, { from: day(since), to: day(until) }) : "");
  at("parts").hidden = parts.length < 2;
  tool("older").disabled = index === 0;
  tool("newer").disabled = index === parts.length - 1;
  playback.load(events.map(inWords));
  if (time === null) playback.seek(playback.duration);
  else playback.seekReal(time - began);
  slider.disabled = play.disabled = !events.length;
  measured();
}

tool("older").addEventListener("click", () => show(shown - 1));
tool("newer").addEventListener("click", () => show(shown + 1));
tool("close-notice").addEventListener("click", () => notice(""));

// Times as everywhere on this page: the browser's.
at("found").addEventListener("htmx:afterSwap", () => {
  for (const time of at("found").querySelectorAll("time")) time.textContent = new Date(time.dateTime).toLocaleString();
});

// Lines that were found lead to their time.
at("found").addEventListener("click", async (event) => {
  const hit = event.target.closest(".gh-log-hit");
  if (!hit) return;
  at("found").querySelector("[aria-current]")?.removeAttribute("aria-current");
  hit.setAttribute("aria-current", "true");
  const time = Number(hit.dataset.at);
  const index = parts.findIndex(({ since, until }) => time >= since && time < until);
  playback.pause();
  if (index < 0 || index === shown) playback.seekReal(time - began);
  else await show(index, time);
});
load();

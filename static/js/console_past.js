// The past of a console: its log searched, and played back along a time line.
import { makeTerminal } from "./terminal.js";
import { Inert } from "./terminal_harmless.js";
import { partsOf } from "./past_parts.js";
import { Playback, TerminalScreen, parseCast } from "./playback.js";
import { addPlayer } from "./player.js";
import { capital, clock, fill, kept, tool } from "./console_words.js";

const at = (id) => document.getElementById(id);
const element = at("terminal");
const words = element.dataset;

const { terminal, fit } = makeTerminal(element, { fontSize: Number(kept("size")) || 14, screenReaderMode: kept("reader") === "yes" });
terminal.options.disableStdin = true;
const playback = new Playback(new TerminalScreen(terminal, new Inert()));
let began = 0; // Unix time of the recording's first second

function notice(text) {
  at("notice").hidden = !text;
  at("notice").querySelector("p").textContent = text;
}

function resize() { fit.fit(); }
new ResizeObserver(resize).observe(at("stage"));
resize();

const moment = (seconds) => new Date((began + seconds) * 1000).toLocaleString();
const player = addPlayer(playback, words, moment);
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
  player.measured();
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

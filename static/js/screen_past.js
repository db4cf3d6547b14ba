// The page of a recording of a graphical console: read it, then play it along a time line.
import { Playback } from "./playback.js";
import { addPlayer } from "./player.js";
import { RFBScreen, parseRecording } from "./screen_playback.js";

const at = (id) => document.getElementById(id);
const place = at("screen");
const words = place.dataset;
const playback = new Playback(new RFBScreen(place, () => {
  playback.pause();
  notice(words.sayBroken);
}));
let began = 0; // Unix time of the recording's first second

function notice(text) {
  at("notice").hidden = !text;
  at("notice").querySelector("p").textContent = text;
}

const player = addPlayer(playback, words, (seconds) => new Date((began + seconds) * 1000).toLocaleString());

document.querySelector("[data-tool=fullscreen]").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else at("main").requestFullscreen().catch(() => {});
});

async function load() {
  notice(words.sayLoading);
  let answer;
  try {
    answer = await fetch(words.play, { cache: "no-store" });
    if (!answer.ok || answer.redirected) return notice(answer.status >= 500 ? words.sayFailed : words.sayDenied);
    const { header, events } = parseRecording(await answer.arrayBuffer());
    if (!events.length) return notice(words.sayEmpty);
    began = header.started;
    notice("");
    playback.load(events);
    player.measured();
  } catch {
    notice(words.sayFailed);
  }
}

load();

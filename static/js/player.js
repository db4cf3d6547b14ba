// The controls of a player (templates/consoles/includes/player.html): play, time line, speed, shortened silences.
const BINS = 200;
const PAGE_S = 10; // a step of the arrow keys on the time line

const at = (id) => document.getElementById(id);

// `words` has sayPlay and sayPause; `moment(seconds)` says a time of the recording. Call `measured()` after a load.
export function addPlayer(playback, words, moment) {
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

  // How much came when, as bars; marks as lines over them.
  function drawActivity() {
    const svg = at("activity");
    const counts = new Array(BINS).fill(0);
    const bin = (event) => Math.min(BINS - 1, Math.floor((event.at / (playback.duration || 1)) * BINS));
    for (const event of playback.events) if (event.kind === "o") counts[bin(event)] += event.size;
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
    slider.disabled = play.disabled = !playback.events.length;
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
  return { measured };
}

// How good the link is: the way to the relay and back, and pictures a second; a slow one is spared by compression.
import { fill } from "./console_words.js";

const PING_MS = 3000;
const KEPT = 5; // ways; their median is shown
const GOOD_MS = 80, FAIR_MS = 250;
const LOCAL = 2, FAR = 6; // compression levels of Tight and zlib

export function addLink(view) {
  const { words } = view;
  let ways = [];

  setInterval(() => {
    const { frames } = view;
    view.frames = 0;
    if (!view.isConnected || document.hidden) return;
    view.put("frames", fill(words.sayFrames, { count: Math.round(frames / (PING_MS / 1000)) }));
    view.ask({ ping: performance.now() });
  }, PING_MS);
  view.addEventListener("connected", () => view.ask({ ping: performance.now() }));
  view.addEventListener("pong", ({ detail }) => {
    ways = [...ways, performance.now() - detail].slice(-KEPT);
    const way = [...ways].sort((a, b) => a - b)[Math.floor(ways.length / 2)];
    const quality = way < GOOD_MS ? words.linkGood : way < FAIR_MS ? words.linkFair : words.linkPoor;
    view.put("link", fill(words.sayLink, { quality, ms: Math.max(1, Math.round(way)) }));
    if (view.rfb && ways.length === KEPT) view.rfb.compressionLevel = way < GOOD_MS ? LOCAL : FAR;
  });
  for (const event of ["lost", "ended"]) {
    view.addEventListener(event, () => {
      ways = [];
      view.put("link", "");
      view.put("frames", "");
    });
  }
}

// Plays a recording: a position that moves with the clock, at a speed, and jumps where it is told to. What is played is
// a list of events, {real: seconds, kind: "o", size, …}; where they are shown has reset(), show(events) and
// first(events, end): from which event on all must be shown again to see what is there before the one with index end.
const FRAME_MS = 40;
const SILENCE_S = 1.5; // what a longer silence is shortened to
const REWIND_CHARACTERS = 2 * 1024 * 1024; // how much of the past is drawn again after a jump

// Asciicast v2: one line with the header, then [seconds, "o", text] a line. "m" is a mark.
export function parseCast(text) {
  const lines = text.split("\n");
  const header = JSON.parse(lines[0]);
  const events = [];
  for (const line of lines.slice(1)) {
    if (!line) continue;
    let event;
    try { event = JSON.parse(line); } catch { break; } // cut off in the middle of its last line
    if (event[1] === "o" || event[1] === "m") events.push({ real: event[0], kind: event[1], text: event[2], size: event[2].length });
  }
  return { header, events };
}

export class TerminalScreen {
  constructor(terminal, inert) { Object.assign(this, { terminal, inert }); }

  reset() { this.terminal.reset(); }

  first(events, end) {
    let start = end;
    for (let held = 0; start > 0 && held < REWIND_CHARACTERS; start -= 1) held += events[start - 1].size;
    return start;
  }

  show(events) {
    const text = events.map((event) => (event.kind === "m"
      ? `\x18\x1b[0m\r\n\x1b[90m── ${this.inert.shown(event.text)} ──\x1b[0m\r\n`
      : this.inert.shown(event.text)));
    this.terminal.write(text.join(""));
  }
}

export class Playback extends EventTarget {
  constructor(screen) {
    super();
    Object.assign(this, { screen, events: [], next: 0, position: 0, speed: 1, shorten: true, timer: 0 });
  }

  load(events) {
    this.pause();
    this.events = events;
    this.next = 0;
    this.measure();
    this.seek(0);
  }

  // Places every event on the time line: `at`, with long silences shortened where that is chosen.
  measure() {
    let shown = 0;
    let before = this.events[0]?.real ?? 0;
    for (const event of this.events) {
      const gap = Math.max(0, event.real - before);
      shown += this.shorten ? Math.min(gap, SILENCE_S) : gap;
      before = event.real;
      event.at = shown;
    }
    this.duration = shown;
  }

  get isPlaying() { return this.timer !== 0; }

  // The recording's own time, in seconds, at the position.
  get real() {
    const event = this.events[Math.max(0, this.next - 1)];
    if (!event) return 0;
    const following = this.events[this.next];
    const limit = following ? following.real : event.real;
    return Math.min(limit, event.real + Math.max(0, this.position - event.at));
  }

  play() {
    if (this.isPlaying || !this.events.length) return;
    if (this.position >= this.duration) this.seek(0);
    let before = performance.now();
    this.timer = setInterval(() => {
      const now = performance.now();
      this.position = Math.min(this.duration, this.position + ((now - before) / 1000) * this.speed);
      before = now;
      this.write();
      if (this.position >= this.duration) this.pause();
      this.tell();
    }, FRAME_MS);
    this.tell();
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.tell();
  }

  seek(position) {
    this.position = Math.min(Math.max(0, position), this.duration ?? 0);
    let end = this.events.findIndex((event) => event.at > this.position);
    if (end < 0) end = this.events.length;
    const first = this.screen.first(this.events, end);
    if (end < this.next || first > this.next || !this.next) {
      this.screen.reset();
      this.next = first;
    }
    this.write();
    this.tell();
  }

  seekReal(seconds) {
    const event = this.events.find(({ real }) => real >= seconds) ?? this.events.at(-1);
    if (event) this.seek(event.at);
  }

  setSilences(shorten) {
    const { real } = this;
    this.shorten = shorten;
    this.measure();
    this.seekReal(real);
  }

  write() {
    const start = this.next;
    while (this.next < this.events.length && this.events[this.next].at <= this.position) this.next += 1;
    if (this.next > start) this.screen.show(this.events.slice(start, this.next));
  }

  tell() { this.dispatchEvent(new Event("change")); }
}

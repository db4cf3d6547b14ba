// One console on a page: its terminal, its connection, and what is going on in words. Knows no tools around it: they
// listen to its events (mode, status, ended, typed) and call type(), ask(), changeSize().
import { makeTerminal } from "./terminal.js";
import { Inert, answering } from "./terminal_harmless.js";
import { TextSocket } from "./text_socket.js";
import { capital, clock, fill, kept, part, tool } from "./console_words.js";

const GREY = 90; // SGR colours of our own lines
const YELLOW = 33;

export class ConsoleView extends EventTarget {
  // `root` holds the parts: terminal and state always; notice, size, mode, echo and lost where there is room.
  constructor(root, { fontSize = Number(kept("size")) || 14, focus = true } = {}) {
    super();
    this.root = root;
    this.element = part(root, "terminal");
    this.words = this.element.dataset;
    this.mode = "watch";
    this.you = "";
    this.people = [];
    this.sharing = "all"; // or "one": only who holds the keyboard types
    this.keyboard = true; // whether the server takes this person's keys, when the mode is control
    this.device = "attaching";
    this.replaying = 0; // replayed pieces that are not drawn yet
    this.administrator = this.isRecorded = false;
    this.closing = ""; // what the server said at the end
    this.lastMark = this.keyAt = this.lostAt = 0;
    this.encoder = new TextEncoder();
    this.inert = new Inert();
    this.answers = answering();
    const made = makeTerminal(this.element, {
      fontSize,
      screenReaderMode: kept("reader") === "yes",
      mayAnswer: () => this.mayType && this.replaying === 0 && this.answers.lately(),
    });
    Object.assign(this, made);
    this.listen();
    this.socket = new TextSocket(this.words.socket, this);
    new ResizeObserver(() => this.resize()).observe(this.element.parentElement);
    this.resize();
    if (focus) this.terminal.focus();
  }

  get mayType() {
    return this.mode === "control" && this.keyboard;
  }

  get isLive() {
    return this.device === "live" && !this.lostAt && this.socket.isOpen;
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  put(name, text) {
    const place = part(this.root, name);
    if (place && place.textContent !== text) place.textContent = text;
  }

  // State in words

  say(state, word) {
    const place = part(this.root, "state");
    if (place.dataset.state === state) return;
    place.dataset.state = state;
    place.textContent = word;
    this.element.classList.toggle("dim", state !== "live");
  }

  notice(text, { retry = false, stop = false, signIn = false, takeOver = false, here = false } = {}) {
    const place = part(this.root, "notice");
    if (!place) return;
    place.hidden = !text;
    const paragraph = place.querySelector("p");
    if (paragraph.textContent !== text) paragraph.textContent = text;
    for (const [name, shown] of Object.entries({ retry, stop, here, "take-over": takeOver && this.administrator })) {
      const button = tool(name, place);
      if (button) button.hidden = !shown;
    }
    const link = part(place, "sign-in");
    if (link) link.hidden = !signIn;
  }

  deviceIs(state) {
    this.device = state;
    this.say(state, this.words[`say${capital(state)}`] ?? state);
    this.notice(this.words[`why${capital(state)}`] ?? "", { takeOver: state === "busy" });
  }

  get me() {
    return this.people.find((person) => person.id === this.you);
  }

  modeIs(mode) {
    this.mode = mode;
    this.keyboard = this.sharing === "all" || Boolean(this.me?.holds);
    const without = this.people.some((person) => person.holds) ? this.words.sayNoKeyboard : this.words.sayFreeKeyboard;
    const word = mode !== "control" ? this.words.sayWatch : this.keyboard ? this.words.sayControl : without;
    this.put("mode", word);
    this.terminal.options.disableStdin = !this.mayType;
    this.tell("mode", { mode, mayType: this.mayType });
  }

  // A line of ours between the guest's; it ends whatever escape sequence stood open.
  mark(text, colour = GREY) {
    this.terminal.write(`\x18\x1b[0m\r\n\x1b[${colour}m── ${text} ──\x1b[0m\r\n`);
  }

  // What the socket says

  output(bytes, replayed, drawn) {
    this.put("hint", "");
    if (replayed) this.replaying += 1;
    else if (this.keyAt) {
      this.put("echo", fill(this.words.sayEcho, { ms: Math.max(1, Math.round(performance.now() - this.keyAt)) }));
      this.keyAt = 0;
    }
    this.terminal.write(this.inert.text(bytes), () => {
      if (replayed) this.replaying -= 1;
      drawn();
    });
  }

  status(status) {
    if (status.hello) Object.assign(this, { administrator: status.administrator, you: status.you });
    if (status.people) this.people = status.people;
    if (status.keyboard) this.sharing = status.keyboard;
    if (status.mode || status.people || status.keyboard) this.modeIs(status.mode ?? this.mode);
    if (status.hello) this.greet(status);
    if (status.closing) this.closing = status.sentence;
    if (status.refused) this.put("lost", status.sentence);
    if ("ending" in status) this.endingIs(status);
    if (status.state) this.deviceIs(status.state);
    if (status.recording) this.isRecorded = status.recording.state === "on";
    if (status.gap) this.mark(fill(this.isRecorded ? this.words.markGapRecorded : this.words.markGap, { bytes: status.gap.toLocaleString() }), YELLOW);
    if (status.mark && status.number > this.lastMark) {
      this.lastMark = status.number;
      const text = this.words[`mark${capital(status.mark)}`];
      if (text) this.mark(fill(text, { time: clock(status.at) }));
    }
    if (status.input_lost) this.put("lost", fill(this.words.sayInputLost, { bytes: status.input_lost.toLocaleString() }));
    this.tell("status", status);
  }

  connected() {
    this.lostAt = 0;
    this.closing = "";
    clearInterval(this.countdown);
    this.notice("");
    this.put("lost", "");
    this.tell("connected");
  }

  lost(seconds, count) {
    this.lostAt ||= Date.now();
    this.say("reconnecting", this.words.sayReconnecting);
    this.countDown(Date.now() + seconds * 1000, count);
    this.tell("lost");
  }

  ended(code) {
    const why = this.closing || this.element.getAttribute(`data-why-${code}`) || this.words.whyStopped;
    this.end(why, { retry: code !== 4401, signIn: code === 4401 });
  }

  signedOut() {
    this.end(this.words.whySignedOut, { signIn: true });
  }

  greet(status) {
    if (!status.resumed || status.otherRing) this.inert.reset();
    if (status.otherRing) {
      this.lastMark = 0;
      this.terminal.write("\x18\x1b[?1049l\x1b[!p");
      this.mark(this.words.markOtherRing);
    }
    if (!status.resumed && status.replay[0] < status.replay[1]) this.mark(this.words.markReplay);
    if (!status.resumed) this.terminal.write(status.modes);
    if (status.replay[1] === 0 && this.mayType) this.put("hint", this.words.sayPressEnter);
  }

  end(text, buttons) {
    clearInterval(this.countdown);
    this.say("ended", this.words.sayEnded);
    this.notice(text, buttons);
    this.tell("ended", text);
  }

  endingIs({ ending, at }) {
    if (!ending) return this.deviceIs(this.device);
    const sentence = this.words[`whyEnding${capital(ending)}`];
    this.notice(fill(sentence, { time: clock(at) }), { here: ending === "idle" });
  }

  countDown(until, count) {
    clearInterval(this.countdown);
    const show = () => {
      const wait = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      const values = { ago: Math.round((Date.now() - this.lostAt) / 1000), wait, count };
      this.notice(fill(wait ? this.words.whyRetry : this.words.whyTrying, values), { retry: true, stop: true });
    };
    show();
    this.countdown = setInterval(show, 1000);
  }

  // What the person does

  listen() {
    const { terminal } = this;
    terminal.onKey(() => { this.answers.typed(); this.keyAt = performance.now(); });
    terminal.onData((text) => this.typeBytes(this.encoder.encode(text)));
    terminal.onBinary((text) => this.typeBytes(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    tool("retry", this.root)?.addEventListener("click", () => { this.socket.retryNow(); terminal.focus(); });
    tool("stop", this.root)?.addEventListener("click", () => {
      this.socket.stop();
      this.end(this.words.whyStopped, { retry: true });
    });
    tool("here", this.root)?.addEventListener("click", () => { this.ask({ here: true }); terminal.focus(); });
    addEventListener("online", () => { if (this.lostAt) this.socket.retryNow(); });
  }

  // During a replay the terminal answers questions of long ago: nothing of it is sent.
  typeBytes(bytes) {
    if (!this.mayType || this.replaying) return false;
    this.socket.type(bytes);
    this.tell("typed");
    return true;
  }

  type(text) {
    this.answers.typed();
    return this.typeBytes(this.encoder.encode(text));
  }

  ask(request) {
    this.socket.ask(request);
  }

  focus() {
    this.terminal.focus();
  }

  resize() {
    this.fit.fit();
    this.put("size", `${this.terminal.cols} × ${this.terminal.rows}`);
  }

  changeSize(step) {
    this.terminal.options.fontSize = Math.min(32, Math.max(8, this.terminal.options.fontSize + step));
    this.resize();
  }
}

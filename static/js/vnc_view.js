// One guest's screen on a page: noVNC, its connection, and what is going on in words. Knows no tools around it: they
// listen to its events (mode, status, connected, lost, ended, pong, clipboard) and call ask(), press(), focus().
import "./no_h264.js";
import RFB from "../vendor/novnc/1.7.0/core/rfb.js";
import { clock, fill, part, tool } from "./console_words.js";
import { csrfToken } from "./live.js";
import { Refusal, askForTicket, openSocket, refusalOf } from "./vnc_socket.js";

const WAITS = [0.5, 1, 2, 4, 7, 10]; // seconds
const STEADY_MS = 5000; // a connection that held so long starts the waits anew
const GREETING_MS = 15_000; // a screen that is not there by then is asked for anew; ssh to its host takes up to 12 s
const REMARK_MS = 10_000;
const FRAME_REQUEST = 3; // RFB's FramebufferUpdateRequest: noVNC sends one for each picture that it drew

export class VNCView extends EventTarget {
  constructor(root) {
    super();
    this.root = root;
    this.screen = part(root, "screen");
    this.words = this.screen.dataset;
    this.rfb = null;
    this.isConnected = false;
    this.right = this.decided.mode; // watch or control: as the server decided for this connection
    this.people = [];
    this.you = "";
    this.sharing = ""; // not told yet; "all", or "one": only who holds the keyboard types
    this.administrator = false;
    this.viewOnly = false; // as the person chose
    this.record = false; // the same
    this.scale = "fit"; // or "actual", "remote"
    this.frames = this.tries = 0;
    this.waiting = false; // for the guest to change
    this.connecting = false;
    this.listen();
    this.modeIs();
    this.connect();
  }

  // The header's fragment is fetched again when the guest changes: whether it runs, and what this person may do.
  get decided() {
    return part(this.root, "guest").dataset;
  }

  get me() {
    return this.people.find((person) => person.id === this.you);
  }

  get mayType() {
    if (!this.isConnected || !this.sharing || this.viewOnly || this.right !== "control") return false;
    return this.sharing === "all" || Boolean(this.me?.holds);
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  put(name, text) {
    const place = part(this.root, name);
    if (place.textContent !== text) place.textContent = text;
  }

  // State in words

  say(state, word) {
    part(this.root, "state").dataset.state = state;
    this.put("state", word);
  }

  notice(sentence, { retry = true, signIn = false, start = false, here = false } = {}) {
    const place = part(this.root, "notice");
    place.hidden = !sentence;
    place.querySelector("p").textContent = sentence;
    tool("retry", place).hidden = !retry;
    tool("here", place).hidden = !here;
    part(place, "sign-in").hidden = !signIn;
    const form = part(place, "start");
    if (form) form.hidden = !start;
  }

  modeIs() {
    const { words } = this;
    const watches = this.right !== "control";
    if (this.rfb) this.rfb.viewOnly = !this.mayType;
    const other = this.people.some((person) => person.holds && person !== this.me);
    const told = this.isConnected && this.sharing;
    if (watches) this.put("mode", words.sayWatch);
    else if (this.mayType || !told) this.put("mode", words.sayControl);
    else this.put("mode", this.viewOnly ? words.sayLooks : other ? words.sayNoKeyboard : words.sayFreeKeyboard);
    part(this.root, "view-only").hidden = !(told || watches) || this.mayType;
    this.tell("mode");
  }

  // The connection

  async connect() {
    clearTimeout(this.timer);
    if (this.connecting || this.rfb) return;
    this.connecting = true;
    this.waiting = false;
    this.say("connecting", this.tries ? this.words.sayReconnecting : this.words.sayConnecting);
    try {
      const ticket = await askForTicket(this.words, csrfToken(), this.record ? { record: "1" } : {});
      this.right = ticket.mode;
      this.show(openSocket(this.words, ticket.token));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.ended(error);
    } finally {
      this.connecting = false;
    }
  }

  // Connect anew, because something about the connection itself was chosen.
  renew() {
    if (!this.isConnected) return;
    this.renewing = true;
    this.socket.close();
  }

  show(socket) {
    let opened = 0;
    let over = false;
    this.socket = socket;
    socket.addEventListener("open", () => { opened = performance.now(); });
    const greeting = setTimeout(() => socket.close(), GREETING_MS);
    socket.addEventListener("close", (event) => {
      if (over) return;
      over = true;
      clearTimeout(greeting);
      this.rfb = null;
      this.isConnected = false;
      if (this.renewing) {
        this.renewing = false;
        this.connect();
        return;
      }
      if (opened && performance.now() - opened > STEADY_MS) this.tries = 0;
      this.ended(refusalOf(event, opened > 0, this.words));
    });
    // Text is ours and never noVNC's, which listens after us.
    socket.addEventListener("message", (event) => {
      if (typeof event.data !== "string") return;
      event.stopImmediatePropagation();
      this.status(JSON.parse(event.data));
    });
    const send = socket.send.bind(socket);
    socket.send = (data) => {
      if (data[0] === FRAME_REQUEST) this.frames += 1;
      send(data);
    };
    const rfb = (this.rfb = new RFB(this.screen, socket, { shared: true }));
    rfb.viewOnly = true; // until the server said who has the keyboard
    rfb.dragViewport = false;
    rfb.focusOnClick = true;
    rfb.background = "transparent";
    this.scaleTo(this.scale);
    rfb.addEventListener("connect", () => {
      if (over) return;
      clearTimeout(greeting);
      this.isConnected = true;
      this.ask({ hello: true });
      if (this.viewOnly) this.ask({ view_only: true });
      this.say("live", this.words.sayConnected);
      this.notice("");
      this.screen.classList.remove("dim");
      this.modeIs();
      this.tell("connected");
      if (document.activeElement === document.body) this.focus();
    });
    rfb.addEventListener("clipboard", ({ detail }) => this.tell("clipboard", detail.text));
  }

  status(status) {
    if (status.hello) Object.assign(this, { you: status.you, administrator: status.administrator });
    if (status.mode) this.right = status.mode;
    if (status.people) this.people = status.people;
    if (status.keyboard) this.sharing = status.keyboard;
    if ("pong" in status) return this.tell("pong", status.pong);
    if ("ending" in status) this.endingIs(status);
    if (status.refused) this.remark(status.sentence);
    this.modeIs();
    this.tell("status", status);
  }

  // The clock will close this console, or was put off.
  endingIs({ ending, at }) {
    const sentence = ending === "idle" ? this.words.whyEndingIdle : this.words.whyEndingLong;
    this.notice(ending ? fill(sentence, { time: clock(at) }) : "", { retry: false, here: ending === "idle" });
  }

  // A sentence at the foot of the page, for a while.
  remark(sentence) {
    clearTimeout(this.remarkTimer);
    this.put("remark", sentence);
    if (sentence) this.remarkTimer = setTimeout(() => this.put("remark", ""), REMARK_MS);
  }

  ended(refusal) {
    Object.assign(this, { people: [], sharing: "" });
    this.screen.classList.add("dim");
    this.modeIs();
    const startable = refusal.next === "wait" && this.decided.active === "no";
    if (refusal.next === "retry") {
      const wait = WAITS[Math.min(this.tries, WAITS.length - 1)];
      this.tries += 1;
      this.say("connecting", this.words.sayReconnecting);
      const again = this.words.whyRetry.replace("{wait}", wait).replace("{count}", this.tries);
      this.notice(`${refusal.message} ${again}`);
      this.timer = setTimeout(() => this.connect(), wait * 1000 * (0.75 + Math.random() / 2));
      return this.tell("lost");
    }
    if (refusal.next === "wait") {
      this.waiting = true;
      this.say("off", this.words.sayOff);
      this.notice(refusal.message, { start: startable, retry: !startable });
      return this.tell("lost");
    }
    this.say("ended", this.words.sayEnded);
    this.notice(refusal.message, { signIn: refusal.next === "sign-in", retry: refusal.next !== "sign-in" });
    this.tell("ended", refusal.message);
  }

  guestChanged() {
    const { active, mode } = this.decided;
    // A right that was given needs a ticket of its own; one that was taken is noticed by the server.
    if (this.isConnected && mode === "control" && this.right === "watch") this.socket.close();
    if (!this.waiting) return;
    if (active === "yes") {
      this.tries = 0;
      this.connect();
    } else this.notice(this.words.whyOff, { start: true, retry: false });
  }

  // What the person does

  listen() {
    document.addEventListener("htmx:afterSettle", () => this.guestChanged());
    addEventListener("online", () => { if (!this.rfb && !this.waiting) this.connect(); });
    tool("retry", this.root).addEventListener("click", () => {
      this.tries = 0;
      this.connect();
    });
    tool("here", this.root).addEventListener("click", () => { this.ask({ here: true }); this.focus(); });
    // A guest whose screen changes its size says so by the canvas alone.
    new MutationObserver(() => this.sizeIs()).observe(this.screen, { subtree: true, attributes: true, attributeFilter: ["width", "height"] });
  }

  get canvas() {
    return this.screen.querySelector("canvas");
  }

  sizeIs() {
    const { canvas } = this;
    this.put("size", canvas?.width ? `${canvas.width} × ${canvas.height}` : "");
  }

  // "remote": the guest is asked for the size of this window, and what it does not follow is scaled.
  scaleTo(scale) {
    this.scale = scale;
    if (!this.rfb) return;
    this.rfb.scaleViewport = scale !== "actual";
    this.rfb.clipViewport = false;
    this.rfb.resizeSession = scale === "remote";
  }

  lookOnly(wanted) {
    this.viewOnly = wanted;
    this.ask({ view_only: wanted });
    this.modeIs();
  }

  ask(request) {
    if (this.isConnected && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  // Keys held together, each {keysym, code}; false where they cannot be sent.
  press(keys) {
    if (!this.mayType) return false;
    for (const { keysym, code } of keys) this.rfb.sendKey(keysym, code, true);
    for (const { keysym, code } of [...keys].reverse()) this.rfb.sendKey(keysym, code, false);
    return true;
  }

  focus() {
    this.rfb?.focus({ preventScroll: true });
  }
}

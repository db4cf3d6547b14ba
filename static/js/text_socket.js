// The websocket of a text console: messages whose first byte is their type, acknowledgements, and coming back.
const DATA = 0, REPLAY = 1;
const INPUT = 0, ACK = 1, JSON_REQUEST = 2;
const ACK_BYTES = 64 * 1024, ACK_MS = 200;
const PASTE_BYTES = 8 * 1024, PASTE_MS = 100; // 80 KiB/s: the server drops what comes faster than 256 KiB/s
const WAITS = [0.5, 1, 2, 4, 7, 10]; // seconds
const FINAL = new Set([4401, 4403, 4404, 4413, 4421, 4422, 4423, 4429, 4430, 4431, 4432]);

export class TextSocket {
  // `on` has: output(bytes, replayed, drawn), status(object), connected(), lost(seconds until the next try, try),
  // ended(code), signedOut().
  constructor(path, on) {
    this.url = new URL(path, location.href);
    this.url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.on = on;
    this.ring = "";
    this.received = 0; // offset after the last byte that came: where to go on after a reconnect
    this.tries = 0;
    this.queue = []; // typed and not sent yet
    this.connect();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN && this.greeted;
  }

  connect() {
    clearTimeout(this.retryTimer);
    if (this.socket && this.socket.readyState < WebSocket.CLOSING) return;
    this.stopped = this.greeted = false;
    this.acknowledged = this.drawn = 0;
    this.queue.length = 0;
    if (this.ring) this.url.search = new URLSearchParams({ ring: this.ring, after: this.received });
    const socket = (this.socket = new WebSocket(this.url));
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.addEventListener("open", () => { opened = true; });
    socket.addEventListener("message", (event) => { if (socket === this.socket) this.receive(event.data); });
    socket.addEventListener("close", (event) => { if (socket === this.socket) this.closed(event.code, opened); });
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retryTimer);
    this.socket.close();
  }

  retryNow() {
    this.tries = Math.max(1, this.tries);
    this.connect();
  }

  receive(buffer) {
    const bytes = new Uint8Array(buffer);
    if (bytes[0] === DATA || bytes[0] === REPLAY) {
      const content = bytes.subarray(9);
      const end = Number(new DataView(buffer).getBigUint64(1)) + content.length;
      this.received = end;
      const socket = this.socket;
      this.on.output(content, bytes[0] === REPLAY, () => { if (socket === this.socket) this.acknowledge(end); });
      return;
    }
    const status = JSON.parse(new TextDecoder().decode(bytes.subarray(1)));
    if (status.hello) {
      this.greeted = true;
      this.tries = 0;
      status.otherRing = this.ring !== "" && this.ring !== status.ring;
      this.ring = status.ring;
      this.received = this.acknowledged = this.drawn = status.replay[0];
      this.on.connected();
    }
    this.on.status(status);
  }

  // Called when the terminal drew everything before `end`.
  acknowledge(end) {
    this.drawn = end;
    if (end - this.acknowledged >= ACK_BYTES) this.sendAck();
    else this.ackTimer ??= setTimeout(() => this.sendAck(), ACK_MS);
  }

  sendAck() {
    clearTimeout(this.ackTimer);
    this.ackTimer = null;
    if (!this.isOpen || this.drawn <= this.acknowledged) return;
    const message = new DataView(new ArrayBuffer(9));
    message.setUint8(0, ACK);
    message.setBigUint64(1, BigInt(this.drawn));
    this.socket.send(message);
    this.acknowledged = this.drawn;
  }

  // One request of the person: {"keyboard": "ask"} and the like.
  ask(request) {
    if (!this.isOpen) return;
    const text = new TextEncoder().encode(JSON.stringify(request));
    const message = new Uint8Array(1 + text.length);
    message[0] = JSON_REQUEST;
    message.set(text, 1);
    this.socket.send(message);
  }

  // Keys go at once, a long paste in pieces at a pace that serial lines bear.
  type(bytes) {
    if (!this.isOpen) return;
    for (let start = 0; start < bytes.length; start += PASTE_BYTES) this.queue.push(bytes.subarray(start, start + PASTE_BYTES));
    if (!this.typing) this.typeNext();
  }

  typeNext() {
    const piece = this.queue.shift();
    this.typing = false;
    if (!piece || !this.isOpen) return;
    const message = new Uint8Array(1 + piece.length);
    message[0] = INPUT;
    message.set(piece, 1);
    this.socket.send(message);
    if (!this.queue.length) return;
    this.typing = true;
    setTimeout(() => this.typeNext(), PASTE_MS);
  }

  async closed(code, opened) {
    this.greeted = false;
    if (this.stopped) return;
    if (FINAL.has(code)) return this.on.ended(code);
    // A handshake that is refused looks like a network that is away: the page itself tells whether we are signed in.
    if (!opened && (await this.isSignedOut())) return this.on.signedOut();
    if (this.stopped) return;
    const seconds = WAITS[Math.min(this.tries, WAITS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.tries += 1;
    this.on.lost(seconds, this.tries);
    this.retryTimer = setTimeout(() => this.connect(), seconds * 1000);
  }

  async isSignedOut() {
    try {
      const answer = await fetch(location.href, { method: "HEAD", redirect: "manual", cache: "no-store" });
      return answer.type === "opaqueredirect";
    } catch {
      return false;
    }
  }
}

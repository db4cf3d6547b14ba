// Shows a recorded graphical console by noVNC: its socket is this file, which plays what the guest's server once sent.
import "./no_h264.js";
import RFB from "../vendor/novnc/1.7.0/core/rfb.js";

const HEAD_BYTES = 9; // of a frame: milliseconds, kind, length
const SHOWN = "s".charCodeAt(0);
const TURN_BYTES = 512 * 1024; // decoded at once; then the browser draws
// What the relay says to noVNC before ServerInit: version 3.8, security None, which is fine.
const HANDSHAKE = [...new TextEncoder().encode("RFB 003.008\n"), 1, 1, 0, 0, 0, 0];

// The file of consoles/vnc/recording_file.py as events of playback.js; one that is cut off ends with its last frame.
export function parseRecording(buffer) {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  const line = bytes.indexOf(10);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line)));
  const events = [];
  for (let place = line + 1; place + HEAD_BYTES <= bytes.length;) {
    const size = view.getUint32(place + 5);
    const end = place + HEAD_BYTES + size;
    if (end > bytes.length) break;
    if (bytes[place + 4] === SHOWN) {
      events.push({ real: view.getUint32(place) / 1000, kind: "o", size, content: bytes.subarray(place + HEAD_BYTES, end) });
    }
    place = end;
  }
  return { header, events };
}

// What noVNC takes for a websocket; what it says is not heard.
class Tape {
  constructor() {
    Object.assign(this, { binaryType: "arraybuffer", protocol: "", readyState: "open" });
    Object.assign(this, { onopen: null, onmessage: null, onerror: null, onclose: null });
  }

  send() {}

  close() {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    queueMicrotask(() => this.onclose?.({ code: 1000, reason: "", wasClean: true }));
  }
}

// A place to show events: `onBroken` is called when what is played is none.
export class RFBScreen {
  constructor(place, onBroken) {
    Object.assign(this, { place, onBroken, rfb: null, tape: null, waiting: [], running: false });
  }

  // Every event counts: what comes later is compressed by what came before.
  first() { return 0; }

  reset() {
    this.rfb?.disconnect();
    this.waiting = [];
    this.tape = new Tape();
    const rfb = new RFB(this.place, this.tape);
    Object.assign(rfb, { viewOnly: true, scaleViewport: true, focusOnClick: false, background: "transparent" });
    rfb.addEventListener("disconnect", () => { if (this.rfb === rfb) this.onBroken(); });
    this.rfb = rfb;
    this.show([{ content: Uint8Array.from(HANDSHAKE) }]);
  }

  show(events) {
    this.waiting.push(...events.map(({ content }) => content));
    if (!this.running) this.run();
  }

  async run() {
    this.running = true;
    while (this.waiting.length) {
      for (let size = 0; this.waiting.length && size < TURN_BYTES;) {
        const content = this.waiting.shift();
        size += content.length;
        this.tape.onmessage({ data: content });
      }
      await new Promise((resolve) => { setTimeout(resolve); });
    }
    this.running = false;
  }
}

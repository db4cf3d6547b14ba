// Copy on select, and paste with a guard: many lines are shown before they are sent, and sent at a pace that a serial
// line bears, because its FIFO and the guest's tty lose what comes too fast.
import { fill, kept, part, tool } from "./console_words.js";

const ASK_CHARACTERS = 1000; // a single line that is longer is asked about, too
const PREVIEW_CHARACTERS = 20_000;
const PACES = { fast: [8192, 100], serial: [64, 25], careful: [16, 60] }; // bytes at a time, pause in ms
// A paste carries no keys: every control but tab and line ends is left out (ESC [201~ would end a bracketed paste).
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

export function addPaste(view, dialog) {
  const progress = part(view.root, "pasting");
  const { terminal, element } = view;
  let sending = null;

  function paste(raw) {
    if (!raw || !view.mayType) return;
    const text = raw.replace(CONTROLS, "");
    const lines = text.replace(/(\r\n|\r|\n)$/, "").split(/\r\n|\r|\n/);
    if (lines.length > 1 || text.length > ASK_CHARACTERS) ask(raw, text, lines);
    else send(text, "fast");
  }

  function ask(raw, text, lines) {
    const words = dialog.dataset;
    part(dialog, "count").textContent = fill(words.sayCount, { lines: lines.length.toLocaleString(), characters: text.length.toLocaleString() });
    part(dialog, "left-out").hidden = raw.length === text.length;
    const preview = part(dialog, "preview");
    preview.value = text;
    preview.readOnly = text.length > PREVIEW_CHARACTERS;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      terminal.focus();
      if (dialog.returnValue === "paste") send(preview.value.replace(CONTROLS, ""), dialog.querySelector("[name=pace]").value);
    }, { once: true });
    dialog.showModal();
    tool("cancel-paste", dialog).focus();
  }

  // xterm.js turns line ends into returns and adds the brackets that the guest asked for; its onData is held back here.
  function send(text, pace) {
    cancel();
    view.answers.typed();
    const typed = text.replace(/\r\n|\n/g, "\r");
    const brackets = terminal.modes.bracketedPasteMode;
    const bytes = new TextEncoder().encode(brackets ? `\x1b[200~${typed}\x1b[201~` : typed);
    const [size, pause] = PACES[pace] ?? PACES.serial;
    sending = { bytes, at: 0, size, pause, timer: 0 };
    sendNext();
  }

  function sendNext() {
    const { bytes, at, size, pause } = sending;
    const end = Math.min(bytes.length, at + size);
    if (!view.isLive || !view.typeBytes(bytes.slice(at, end))) return finish(fill(progress.dataset.sayStopped, { sent: at.toLocaleString(), all: bytes.length.toLocaleString() }));
    sending.at = end;
    if (end === bytes.length) return finish("");
    progress.hidden = false;
    const bar = progress.querySelector("progress");
    bar.max = bytes.length;
    bar.value = end;
    part(progress, "sent").textContent = fill(progress.dataset.saySent, { sent: end.toLocaleString(), all: bytes.length.toLocaleString() });
    sending.timer = setTimeout(sendNext, pause);
  }

  function finish(sentence) {
    clearTimeout(sending?.timer);
    sending = null;
    progress.hidden = true;
    if (sentence) view.put("lost", sentence);
  }

  function cancel() {
    if (!sending) return;
    const { at, bytes } = sending;
    if (terminal.modes.bracketedPasteMode && at < bytes.length) view.type("\x1b[201~");
    finish(fill(progress.dataset.sayStopped, { sent: at.toLocaleString(), all: bytes.length.toLocaleString() }));
  }

  tool("stop-paste", progress).addEventListener("click", () => { cancel(); terminal.focus(); });
  element.addEventListener("paste", (event) => {
    event.preventDefault();
    event.stopPropagation();
    paste(event.clipboardData?.getData("text/plain"));
  }, true);
  return { paste };
}

export function copy(terminal) {
  if (!terminal.hasSelection()) return;
  if (navigator.clipboard) navigator.clipboard.writeText(terminal.getSelection()).catch(() => {});
  else document.execCommand("copy"); // no secure context: xterm.js answers the event with its selection
}

export function addCopyOnSelect({ terminal, element }) {
  element.addEventListener("mouseup", () => {
    if (kept("copy", "yes") === "yes") setTimeout(() => copy(terminal));
  });
}

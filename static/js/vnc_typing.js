// "Type text into the guest": a text becomes key presses at a pace that an emulated keyboard bears.
import { fill, keep, kept, part, tool } from "./console_words.js";
import { typist } from "./vnc_layouts.js";

const PACES = { normal: 40, careful: 150 }; // ms a stroke: a PS/2 keyboard's queue holds 16 codes, and 25 ms lost some
const LINE_END = /\r\n|\r/g;

export function addTyping(view, dialog, progress) {
  const field = (name) => dialog.querySelector(`[name=${name}]`);
  let strokes = null; // still to press
  let all = 0;

  function count() {
    const type = typist(field("layout").value);
    const missing = [...new Set([...field("text").value.replace(LINE_END, "\n")].filter((character) => !type(character)))];
    part(dialog, "missing").textContent = missing.length ? fill(dialog.dataset.sayMissing, { characters: missing.join(" ") }) : "";
  }

  function start() {
    const type = typist(field("layout").value);
    strokes = [...field("text").value.replace(LINE_END, "\n")].map(type).filter(Boolean);
    all = strokes.length;
    if (field("enter").checked) strokes.push(type("\n"));
    field("text").value = "";
    next();
  }

  // One character at a time; what cannot be sent stops it: a half-typed line must not go on later.
  function next() {
    const character = strokes.shift();
    if (!character) return finish("");
    if (!character.every((keys) => view.press(keys))) return finish(fill(progress.dataset.sayStopped, { sent: sent(1), all }));
    progress.hidden = false;
    const bar = progress.querySelector("progress");
    bar.max = all;
    bar.value = sent();
    part(progress, "typed").textContent = fill(progress.dataset.saySent, { sent: sent(), all });
    view.typing = setTimeout(next, PACES[field("pace").value] * character.length);
  }

  const sent = (less = 0) => Math.max(0, Math.min(all, all - strokes.length - less));

  function finish(sentence) {
    clearTimeout(view.typing);
    strokes = null;
    progress.hidden = true;
    view.remark(sentence);
    view.focus();
  }

  field("layout").value = kept("vnc-layout", "us");
  field("layout").addEventListener("change", () => { keep("vnc-layout", field("layout").value); count(); });
  field("text").addEventListener("input", count);
  tool("stop-typing", progress).addEventListener("click", () => finish(fill(progress.dataset.sayStopped, { sent: sent(), all })));
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "type" && field("text").value) start();
    else view.focus();
  });
  const opener = tool("type", view.root);
  view.addEventListener("mode", () => { opener.disabled = !view.mayType; });
  opener.addEventListener("click", () => {
    if (strokes) finish("");
    dialog.returnValue = "";
    count();
    dialog.showModal();
    field("text").focus();
  });
}

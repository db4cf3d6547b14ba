// The keyboard of a phone or tablet: a field that is never seen takes what it types, and a row has the keys it lacks.
import { part, tool } from "./console_words.js";
import { KEYS } from "./vnc_keys.js";
import { typist } from "./vnc_layouts.js";

const FILL = "_".repeat(60); // there must be something to delete, or a touch keyboard sends no Backspace
const STROKE_MS = 40;

export function addTouch(view, row) {
  const field = part(row, "touch-field");
  const opener = tool("touch", view.root);
  const type = typist("us");
  const held = () => [...row.querySelectorAll("[data-hold][aria-pressed=true]")];
  let before = FILL;
  let waiting = []; // strokes: a completed word comes at once, and an emulated keyboard loses what comes too fast
  let timer = 0;

  function fillUp() {
    before = field.value = FILL;
    field.setSelectionRange(FILL.length, FILL.length);
  }

  // Ctrl and Alt hold until the next key.
  function press(keys) {
    const buttons = held();
    waiting.push([...buttons.map((button) => KEYS[button.dataset.hold]), ...keys]);
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
    if (!timer) next();
  }

  function next() {
    const keys = waiting.shift();
    timer = 0;
    if (!keys) return;
    if (view.press(keys)) timer = setTimeout(next, STROKE_MS);
    else waiting = [];
  }

  // What changed between two values is what was typed: keyboards that correct and complete send no keys.
  field.addEventListener("input", (event) => {
    const now = field.value;
    let same = 0;
    while (same < now.length && same < before.length && now[same] === before[same]) same += 1;
    for (let left = before.length - same; left > 0; left -= 1) press([KEYS.backspace]);
    for (const character of now.slice(same)) for (const keys of type(character) ?? []) press(keys);
    before = now;
    if (!event.isComposing && (now.length < 10 || now.length > 200 || now.endsWith("\n"))) fillUp();
  });
  field.addEventListener("blur", fillUp);
  row.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.hold) button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    else if (button?.dataset.touch) press([KEYS[button.dataset.touch]]);
    field.focus();
  });
  opener.addEventListener("click", () => {
    row.hidden = !row.hidden;
    opener.setAttribute("aria-expanded", String(!row.hidden));
    fillUp();
    if (!row.hidden) field.focus();
  });
  view.addEventListener("mode", () => {
    opener.disabled = !view.mayType;
    if (!view.mayType) row.hidden = true;
    opener.setAttribute("aria-expanded", String(!row.hidden));
  });
}

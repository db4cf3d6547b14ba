// Several consoles side by side, each with its own connection; keys move from one to the next.
import { addPaste, addCopyOnSelect, copy } from "./console_paste.js";
import { ConsoleView } from "./console_view.js";
import { keep, kept, tool } from "./console_words.js";

const at = (id) => document.getElementById(id);
const fontSize = Number(kept("wall-size")) || 12;
const cells = [...document.querySelectorAll("[data-cell]")];
const views = cells.map((cell) => new ConsoleView(cell, { fontSize, focus: false }));

function focus(index) {
  const view = views[index];
  if (!view) return false;
  if (at("cells").classList.contains("one")) showAlone(index);
  view.terminal.focus();
  cells[index].scrollIntoView({ block: "nearest" });
  return true;
}

// The nearest cell whose middle lies in that direction.
function towards(index, x, y) {
  const middle = (cell) => {
    const box = cell.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const [fromX, fromY] = middle(cells[index]);
  let best = -1;
  let least = Infinity;
  cells.forEach((cell, other) => {
    const [toX, toY] = middle(cell);
    const along = (toX - fromX) * x + (toY - fromY) * y;
    const aside = Math.abs((toX - fromX) * y) + Math.abs((toY - fromY) * x);
    if (along > 1 && along + 2 * aside < least) [best, least] = [other, along + 2 * aside];
  });
  return best;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function shortcut(event, index) {
  if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return false;
  const { code } = event;
  if (ARROWS[code]) {
    const alone = at("cells").classList.contains("one");
    const step = code === "ArrowLeft" || code === "ArrowUp" ? -1 : 1;
    focus(alone ? (index + step + views.length) % views.length : towards(index, ...ARROWS[code]));
    return true;
  }
  if (/^Digit[1-9]$/.test(code)) return focus(Number(code.at(-1)) - 1);
  if (code === "Escape") at("back").focus();
  else if (code === "KeyH") at("console-keys").showModal();
  else if (code === "KeyC" && views[index].terminal.hasSelection()) copy(views[index].terminal);
  else return false;
  return true;
}

function showAlone(index) {
  at("cells").classList.toggle("one", index >= 0);
  cells.forEach((cell, other) => {
    cell.classList.toggle("alone", other === index);
    tool("alone", cell).setAttribute("aria-pressed", String(other === index));
  });
}

views.forEach((view, index) => {
  addPaste(view, at("paste-dialog"));
  addCopyOnSelect(view);
  view.terminal.attachCustomKeyEventHandler((event) => {
    if (!shortcut(event, index)) return true;
    event.preventDefault();
    return false;
  });
  tool("alone", cells[index]).addEventListener("click", () => {
    showAlone(cells[index].classList.contains("alone") ? -1 : index);
    view.terminal.focus();
  });
});

tool("hints").addEventListener("click", () => at("console-keys").showModal());
tool("fullscreen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else at("main").requestFullscreen().catch(() => {});
});
for (const [name, step] of [["smaller", -1], ["larger", 1]]) {
  tool(name).addEventListener("click", () => {
    for (const view of views) view.changeSize(step);
    keep("wall-size", views[0].terminal.options.fontSize);
  });
}
for (const [name, start] of [["reader", "no"], ["copy", "yes"]]) {
  const box = document.querySelector(`[data-choice="${name}"]`);
  box.checked = kept(name, start) === "yes";
  box.addEventListener("change", () => {
    keep(name, box.checked ? "yes" : "no");
    if (name === "reader") for (const view of views) view.terminal.options.screenReaderMode = box.checked;
  });
}

focus(0);

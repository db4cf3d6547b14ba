// The editor of a definition: Tab indents (Esc first to leave), and where the caret stands is told beside the heading.
const editor = document.querySelector(".gh-editor");
const caret = document.getElementById("definition-caret");
const INDENT = "  ";
let leaving = false; // Esc was pressed: the next Tab moves the focus on

function lineStart(position) {
  return editor.value.lastIndexOf("\n", position - 1) + 1;
}

function tellCaret() {
  const position = editor.selectionStart;
  const line = editor.value.slice(0, position).split("\n").length;
  const words = { line, column: position - lineStart(position) + 1 };
  caret.textContent = caret.dataset.caret.replace(/{(line|column)}/g, (_, name) => words[name]);
}

// Each line of the selection, moved in or out; execCommand keeps the browser's own undo.
function indent(out) {
  const start = lineStart(editor.selectionStart);
  const end = Math.max(editor.selectionEnd, start);
  const lines = editor.value.slice(start, end).split("\n");
  const moved = lines.map((line) => (out ? line.replace(/^ {1,2}/, "") : INDENT + line)).join("\n");
  editor.setSelectionRange(start, end);
  document.execCommand("insertText", false, moved);
  editor.setSelectionRange(start, start + moved.length);
}

editor.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    leaving = true;
    return;
  }
  if (event.key === "Tab" && !leaving && !event.altKey && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    if (event.shiftKey || editor.selectionStart !== editor.selectionEnd) indent(event.shiftKey);
    else document.execCommand("insertText", false, INDENT);
  }
  if (event.key !== "Shift") leaving = false;
});
editor.addEventListener("blur", () => (leaving = false));
document.addEventListener("selectionchange", () => document.activeElement === editor && tellCaret());

// After a refusal the caret stands at the first line that was refused.
const first = Number(document.getElementById("definition-editor").dataset.firstLine);
if (first) {
  const lines = editor.value.split("\n");
  const start = lines.slice(0, first - 1).join("\n").length + (first > 1 ? 1 : 0);
  editor.focus();
  editor.setSelectionRange(start, start + (lines[first - 1] ?? "").length);
  editor.scrollTop = (first - 6) * (editor.scrollHeight / lines.length);
  tellCaret();
}

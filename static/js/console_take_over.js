// Taking a console from another client of the host: administrators, after a question.
import { tool } from "./console_words.js";

export function addTakeOver(view, dialog) {
  if (!dialog) return;
  tool("take-over", view.root).addEventListener("click", () => {
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "take-over") view.ask({ take_over: true });
    view.terminal.focus();
  });
}

// The guest's clipboard, where an agent in the guest shares it: what was copied there, and what goes there.
import { part, tool } from "./console_words.js";

export function addClipboard(view, dialog) {
  const opener = tool("clipboard", view.root);
  if (!dialog) return;
  const there = part(dialog, "there");
  const send = tool("send-clipboard", dialog);
  view.addEventListener("clipboard", ({ detail }) => { there.value = detail; });
  view.addEventListener("mode", () => {
    opener.disabled = !view.isConnected || view.right !== "control";
    send.disabled = !view.mayType;
  });
  opener.addEventListener("click", () => dialog.showModal());
  send.addEventListener("click", () => {
    if (view.mayType) view.rfb.clipboardPasteFrom(dialog.querySelector("[name=text]").value);
    dialog.close();
  });
  tool("copy-clipboard", dialog).addEventListener("click", () => {
    there.select();
    if (navigator.clipboard) navigator.clipboard.writeText(there.value).catch(() => {});
    else document.execCommand("copy");
  });
  dialog.addEventListener("close", () => view.focus());
}

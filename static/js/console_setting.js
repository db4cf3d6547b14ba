// The dialog with the guest's console settings: its form is fetched each time, because others change it, too.
import { tool } from "./console_words.js";

export function addSetting(view, dialog) {
  if (!dialog) return;
  dialog.addEventListener("htmx:afterSwap", () => { if (!dialog.open) dialog.showModal(); });
  dialog.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.requestConfig.verb === "post" && detail.xhr.status === 204) dialog.close();
  });
  dialog.addEventListener("click", (event) => { if (event.target.closest("[data-tool=close-setting]")) dialog.close(); });
  dialog.addEventListener("close", () => view.focus());
  tool("setting", view.root).addEventListener("click", () => dialog.replaceChildren());
}

// A link that a guest wrote (OSC 8) says one address and may lead to another: the real one is shown before it is opened.
export function askBeforeOpening(address) {
  const dialog = document.getElementById("link-dialog");
  if (!dialog) return;
  let url;
  try { url = new URL(address); } catch { return; }
  if (url.protocol !== "http:" && url.protocol !== "https:") return;
  dialog.querySelector("[data-part=address]").textContent = url.href;
  dialog.querySelector("[data-part=host]").textContent = url.host;
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "open") window.open(url.href, "_blank", "noopener,noreferrer");
  }, { once: true });
  dialog.showModal();
}

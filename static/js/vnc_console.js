// The graphical console's page: one screen and the tools around it.
import { addPeople } from "./console_people.js";
import { addRecording } from "./console_recording.js";
import { addSetting } from "./console_setting.js";
import { keep, kept, part, tool } from "./console_words.js";
import { addClipboard } from "./vnc_clipboard.js";
import { addKeys } from "./vnc_keys.js";
import { addLink } from "./vnc_link.js";
import { addRecord } from "./vnc_record.js";
import { addTouch } from "./vnc_touch.js";
import { addTyping } from "./vnc_typing.js";
import { VNCView } from "./vnc_view.js";

const FOLLOWS_MS = 2500; // in which a guest's driver takes the size that it is asked for
const root = document.querySelector("[data-console=vnc]");
const at = (id) => document.getElementById(id);
const onTool = (name, act) => tool(name, root).addEventListener("click", act);
const view = new VNCView(root);
const stage = part(root, "stage");
addPeople(view, at("vnc-people"));
addSetting(view, at("vnc-setting-dialog"));
addKeys(view, at("vnc-keys"));
addTyping(view, at("vnc-type-dialog"), part(root, "typing"));
addClipboard(view, at("vnc-clipboard-dialog"));
addTouch(view, part(root, "touch"));
addLink(view);
addRecording(view, at("vnc-recording"));
addRecord(view, tool("record", root));

// The screen takes every key, Tab too; this one leads out of it again.
root.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !event.ctrlKey || !event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  view.rfb?.blur();
  at("vnc-back").focus();
}, { capture: true });

const scale = at("vnc-scale");
const remote = scale.querySelector("[value=remote]");
scale.value = kept("vnc-scale", "fit") === "actual" ? "actual" : "fit"; // the guest's size is nothing to change unasked
view.scaleTo(scale.value);
scale.addEventListener("change", () => {
  keep("vnc-scale", scale.value);
  view.scaleTo(scale.value);
  view.focus();
  if (scale.value === "remote") setTimeout(() => {
    const asked = stage.clientWidth;
    if (view.scale === "remote" && view.canvas && Math.abs(view.canvas.width - asked) > 16) view.remark(view.words.sayOwnSize);
  }, FOLLOWS_MS);
});

view.addEventListener("mode", () => {
  const button = tool("view-only", root);
  button.disabled = view.right !== "control";
  button.setAttribute("aria-pressed", String(view.right !== "control" || view.viewOnly));
  tool("screenshot", root).disabled = !view.isConnected;
  remote.disabled = !view.mayType;
  if (!view.mayType && scale.value === "remote") {
    scale.value = "fit";
    view.scaleTo("fit");
  }
});
onTool("view-only", () => view.lookOnly(!view.viewOnly));

onTool("fullscreen", () => {
  if (document.fullscreenElement) return document.exitFullscreen();
  // Where the browser can, Alt-Tab, the Windows key and Escape go to the guest too; Escape held leads out.
  stage.requestFullscreen().then(() => {
    navigator.keyboard?.lock?.().catch(() => {});
    view.focus();
  }, () => {});
});
document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement) navigator.keyboard?.unlock?.(); });

onTool("pop-out", (event) => {
  event.preventDefault();
  window.open(event.currentTarget.href, event.currentTarget.dataset.window, "popup,width=1100,height=860");
});

onTool("screenshot", () => {
  view.rfb?.toBlob((picture) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    const time = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace(/\D/g, "-");
    link.download = `${view.words.name}-${time}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
  view.focus();
});

onTool("layout-help", () => at("vnc-layout-dialog").showModal());
at("vnc-layout-dialog").addEventListener("close", () => view.focus());
root.addEventListener("gh:shown", () => view.focus());

// The text console's page: one console and the tools around it.
import { addFind } from "./console_find.js";
import { addPaste, addCopyOnSelect, copy } from "./console_paste.js";
import { addPeople } from "./console_people.js";
import { addRecording } from "./console_recording.js";
import { addSendKeys } from "./console_send.js";
import { addSetting } from "./console_setting.js";
import { addTakeOver } from "./console_take_over.js";
import { ConsoleView } from "./console_view.js";
import { keep, kept, tool } from "./console_words.js";

const at = (id) => document.getElementById(id);
const root = document.querySelector("[data-console=text]");
const view = new ConsoleView(root);
const { terminal } = view;
const find = addFind(view, at("find"));
addPaste(view, at("paste-dialog"));
addCopyOnSelect(view);
addSendKeys(view, at("send-keys"));
addPeople(view, at("people"));
addRecording(view, at("recording"));
addSetting(view, at("setting-dialog"));
addTakeOver(view, at("take-over-dialog"));

// Keys that lead out of the terminal; every other one is the guest's.
const SHORTCUTS = {
  Escape: () => at("back").focus(),
  KeyF: () => find.open(),
  KeyC: () => copy(terminal),
  KeyH: () => at("console-keys").showModal(),
};
terminal.attachCustomKeyEventHandler((event) => {
  if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey || !SHORTCUTS[event.code]) return true;
  if (event.code === "KeyC" && !terminal.hasSelection()) return true;
  SHORTCUTS[event.code]();
  event.preventDefault();
  return false;
});

function onTool(name, act) {
  tool(name, root)?.addEventListener("click", act);
}
onTool("find", find.toggle);
onTool("hints", () => at("console-keys").showModal());
for (const [name, step] of [["smaller", -1], ["larger", 1]]) {
  onTool(name, () => {
    view.changeSize(step);
    keep("size", terminal.options.fontSize);
  });
}
onTool("fullscreen", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.querySelector("main").requestFullscreen().catch(() => {});
  terminal.focus();
});
onTool("pop-out", (event) => {
  event.preventDefault();
  window.open(event.currentTarget.href, event.currentTarget.dataset.window, "popup,width=1000,height=700");
});
at("device")?.addEventListener("change", (event) => location.assign(event.target.value));

// Choices that this browser keeps
for (const [name, start] of [["reader", "no"], ["copy", "yes"]]) {
  const box = root.querySelector(`[data-choice="${name}"]`);
  box.checked = kept(name, start) === "yes";
  box.addEventListener("change", () => {
    keep(name, box.checked ? "yes" : "no");
    if (name === "reader") terminal.options.screenReaderMode = box.checked;
  });
}
root.addEventListener("gh:shown", () => view.focus());

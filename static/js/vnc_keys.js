// Keys by name, and the menu of those that a browser keeps for itself or a keyboard lacks.
const named = (keysym, code) => ({ keysym, code });

export const KEYS = {
  shift: named(0xffe1, "ShiftLeft"), control: named(0xffe3, "ControlLeft"), alt: named(0xffe9, "AltLeft"),
  altgr: named(0xfe03, "AltRight"), windows: named(0xffeb, "MetaLeft"), delete: named(0xffff, "Delete"),
  backspace: named(0xff08, "Backspace"), tab: named(0xff09, "Tab"), enter: named(0xff0d, "Enter"), escape: named(0xff1b, "Escape"),
  print: named(0xff61, "PrintScreen"), left: named(0xff51, "ArrowLeft"), up: named(0xff52, "ArrowUp"),
  right: named(0xff53, "ArrowRight"), down: named(0xff54, "ArrowDown"), space: named(0x20, "Space"),
};
const letter = (character) => named(character.charCodeAt(0), `Key${character.toUpperCase()}`);
const functionKey = (number) => named(0xffbd + number, `F${number}`);

export function addKeys(view, menu) {
  const enable = () => {
    for (const element of menu.querySelectorAll("[data-press], [data-f], [data-sysrq], select, input")) element.disabled = !view.mayType;
    menu.classList.toggle("off", !view.mayType);
  };
  for (const event of ["mode", "lost", "ended"]) view.addEventListener(event, enable);
  enable();
  menu.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    menu.open = false;
    if (button.dataset.tool) return; // opens a dialog
    view.focus();
    const { press, f } = button.dataset;
    if (press) view.press(press.split(" ").map((name) => KEYS[name]));
    else if (f) view.press([...(menu.querySelector("[name=held]").checked ? [KEYS.control, KEYS.alt] : []), functionKey(Number(f))]);
    else view.press([KEYS.alt, KEYS.print, letter(menu.querySelector("[name=vnc-sysrq]").value)]);
  });
}

// The menu of keys that a browser keeps for itself or a keyboard lacks, and of what a serial line can do instead of SysRq.
const KEYS = { "ctrl-c": "\x03", "ctrl-d": "\x04", "ctrl-z": "\x1a", "ctrl-backslash": "\x1c", "ctrl-w": "\x17", "ctrl-t": "\x14", "ctrl-n": "\x0e", escape: "\x1b", tab: "\t" };

export function addSendKeys(view, menu) {
  const enable = () => {
    for (const button of menu.querySelectorAll("button, select")) button.disabled = !view.mayType;
    menu.classList.toggle("off", !view.mayType);
  };
  view.addEventListener("mode", enable);
  enable();
  menu.addEventListener("click", (event) => {
    const button = event.target.closest("[data-send]");
    if (!button) return;
    menu.open = false;
    view.terminal.focus();
    const { send } = button.dataset;
    if (send === "size") view.type(` stty rows ${view.terminal.rows} cols ${view.terminal.cols}\r`);
    else if (send === "sysrq") sysrq(menu.querySelector("[name=sysrq]").value);
    else view.type(KEYS[send]);
  });

  // Linux takes Ctrl-O on its hypervisor consoles (hvc) as SysRq. A real serial port wants a break before the letter,
  // which a pty cannot carry: there the command is typed for a root shell, and Enter is left to the person.
  function sysrq(letter) {
    if (menu.dataset.hvc === "yes") view.type(`\x0f${letter}`);
    else view.type(`echo ${letter} > /proc/sysrq-trigger`);
  }
}

// The keys of every page: / find, ? help, g g guests, g h hosts, g o operations, j k rows, x select, c console.
// Off while somebody types, in a console, and where an element says data-keys="off".
const help = document.getElementById("keys");
const places = { g: "/guests/", h: "/hosts/", o: "/operations/" };
let prefix = 0;

const typing = (target) =>
  target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], .xterm, canvas, [data-keys=off]");

const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);

function step(by) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + by))];
  next.querySelector(".gh-name")?.focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const row = document.activeElement?.closest("[data-row]");
  if (key === "/") {
    const box = [...document.querySelectorAll("[data-find]")].find((input) => input.offsetParent !== null);
    box?.focus();
    box?.select();
    return Boolean(box);
  }
  if (key === "?") help?.showModal();
  else if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (key === "x") row?.querySelector(".gh-pick")?.click();
  else if (key === "c") (row ?? document).querySelector("[data-key=c]")?.click();
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.key === "Escape") {
    closeMenus(null);
    return;
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (event.timeStamp - prefix < 1500 && prefix) {
    prefix = 0;
    if (places[event.key]) {
      event.preventDefault();
      location.assign(places[event.key]);
      return;
    }
  }
  if (event.key === "g") prefix = event.timeStamp;
  else if (press(event.key)) event.preventDefault();
});

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.gh-menu[open]")) {
    if (menu === except || (except && menu.contains(except))) continue;
    const held = menu.contains(document.activeElement);
    menu.open = false;
    if (held && !except) menu.querySelector("summary").focus();
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-keys]")) {
    closeMenus(null);
    help?.showModal();
    return;
  }
  closeMenus(event.target.closest("details.gh-menu") ?? event.target);
});

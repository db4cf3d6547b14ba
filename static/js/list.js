// The guest list, as a table or as cards: rows that changed are fetched and put into place without moving anything, selection, focus and open
// menus kept; the bulk bar says how many of the chosen each act fits.
import { putPicture } from "./pictures.js";

const list = document.getElementById("guest-list");
const bulk = () => document.getElementById("bulk");
const picks = () => [...list.querySelectorAll(".gh-pick")];

// ---------------------------------------------------------------- selection

function drawBar() {
  const bar = list.querySelector(".gh-bulk");
  if (!bar) return;
  const rows = picks().filter((pick) => pick.checked).map((pick) => pick.closest("[data-row]"));
  const all = picks();
  bar.querySelector("[data-count]").textContent = bar.dataset.selected.replace("%(all)s", rows.length);
  for (const button of bar.querySelectorAll("[name=kind]")) {
    if (button.hasAttribute("data-any")) continue; // each guest's line says whether it fits
    const fit = rows.filter((row) => row.dataset.acts.split(" ").includes(button.value)).length;
    button.disabled = fit === 0;
    button.title = fit === 0 ? bar.dataset.none : "";
    const some = fit > 0 && fit < rows.length;
    button.querySelector("[data-fit]").textContent = some
      ? bar.dataset.of.replace("%(fit)s", fit).replace("%(all)s", rows.length)
      : "";
  }
  for (const wall of bar.querySelectorAll("[data-wall]")) {
    wall.disabled = rows.length === 0 || rows.length > Number(wall.dataset.most);
    wall.title = rows.length > Number(wall.dataset.most) ? wall.dataset.tooMany : "";
  }
  const head = document.getElementById("pick-all");
  head.checked = rows.length > 0 && rows.length === all.length;
  head.indeterminate = rows.length > 0 && rows.length < all.length;
}

list.addEventListener("change", (event) => {
  if (event.target.id === "pick-all") for (const pick of picks()) pick.checked = event.target.checked;
  if (event.target.closest("#pick-all, .gh-pick")) drawBar();
});
list.addEventListener("click", (event) => {
  const wall = event.target.closest("[data-wall]");
  if (!wall) return;
  const chosen = picks().filter((pick) => pick.checked).map((pick) => ["guest", pick.closest("[data-row]").dataset.row]);
  location.assign(`${wall.dataset.wall}?${new URLSearchParams(chosen)}`);
});
list.addEventListener("reset", () => setTimeout(drawBar));
document.addEventListener("keydown", (event) => {
  const nothingOpen = !document.querySelector("dialog[open], details[open], :popover-open");
  if (event.key === "Escape" && nothingOpen && picks().some((pick) => pick.checked)) bulk().reset();
});

// ---------------------------------------------------------------- menus

// One menu for all rows. It lies in the top layer, where no scrolling table cuts it off; here it gets its guest and its
// place beside the button. Without script the button is a link to the guest's page.
list.addEventListener("click", (event) => {
  const menu = document.getElementById("row-menu");
  const more = event.target.closest("[data-more]");
  if (more) {
    event.preventDefault();
    openMenu(menu, more);
  } else if (event.target.closest("[data-bulk-more]")) {
    showMenu(document.getElementById("bulk-more"), event.target.closest("[data-bulk-more]"));
  } else if (event.target.closest(".gh-pop button, .gh-pop a")) {
    // After the form has read which button was pressed.
    setTimeout(() => document.querySelector(".gh-pop:popover-open")?.hidePopover());
  }
});
list.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches("[data-more]")) return;
  event.preventDefault();
  event.target.click();
});

function openMenu(menu, more) {
  const row = more.closest("[data-row]");
  const acts = row.dataset.acts.split(" ");
  for (const button of menu.querySelectorAll("button")) {
    const kind = button.value.split(":")[0];
    button.value = `${kind}:${row.dataset.row}`;
    button.hidden = !acts.includes(kind);
  }
  for (const link of menu.querySelectorAll("a")) link.href = more.getAttribute("href") + link.dataset.path;
  menu.setAttribute("aria-label", more.getAttribute("aria-label"));
  showMenu(menu, more);
}

// Of whichever is open. Not as a style of the element itself: htmx gives that to the element that comes in its place,
// which the policy forbids.
const menuPlace = new CSSStyleSheet();
document.adoptedStyleSheets.push(menuPlace);

function showMenu(menu, more) {
  menu.showPopover();
  const beside = more.getBoundingClientRect();
  const own = menu.getBoundingClientRect();
  const below = beside.bottom + 4 + own.height <= innerHeight;
  const left = Math.max(8, beside.right - own.width);
  const top = below ? beside.bottom + 4 : Math.max(8, beside.top - 4 - own.height);
  menuPlace.replaceSync(`.gh-pop:popover-open { left: ${left}px; top: ${top}px; }`);
  [...menu.querySelectorAll("button:not([hidden], :disabled), a")].find((item) => item.checkVisibility()).focus();
}

addEventListener("scroll", () => document.querySelector(".gh-pop:popover-open")?.hidePopover(), { passive: true });

// ---------------------------------------------------------------- live rows

let busy = false;
let waiting = null; // ids that changed while a fetch was under way; "all" for every row

function merge(ids) {
  if (ids === "all" || waiting === "all") waiting = "all";
  else waiting = new Set([...(waiting ?? []), ...ids]);
}

document.addEventListener("gh:changed", (event) => {
  const { all, guests = [], hosts = [], operations = [] } = event.detail;
  if (all || hosts.length) merge("all");
  else if (guests.length) merge(guests);
  else if (operations.length) merge([]); // an operation's guest is hinted, too
  refresh();
});

async function refresh() {
  if (busy || waiting === null || !bulk()) return;
  busy = true;
  const asked = waiting;
  waiting = null;
  try {
    await fetchRows(asked);
  } catch {
    // The next hint or poll asks again.
  }
  busy = false;
  if (waiting !== null) setTimeout(refresh, 100);
}

async function fetchRows(asked) {
  const shown = [...list.querySelectorAll("[data-row]")].map((row) => row.dataset.row);
  const ids = asked === "all" ? shown : shown.filter((id) => asked.has(id));
  const here = new URL(bulk().dataset.listUrl, location.href);
  const url = new URL(bulk().dataset.rowsUrl, location.href);
  url.search = here.search;
  for (const id of ids) url.searchParams.append("id", id);
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok || response.redirected || here.search !== new URL(bulk().dataset.listUrl, location.href).search) return;
  const answer = document.createElement("template");
  answer.innerHTML = await response.text();
  const fresh = answer.content.getElementById("changed");
  if (!fresh) return;
  for (const part of ["chips", "banners"]) putPart(document.getElementById(part), answer.content.getElementById(part));
  const missing = ids.some((id) => !fresh.querySelector(`#row-${CSS.escape(id)}`));
  if (missing || fresh.dataset.total !== bulk().dataset.total) {
    await reload(here);
    return;
  }
  for (const row of fresh.querySelectorAll("[data-row]")) putRow(document.getElementById(row.id), row);
  drawBar();
}

// What holds the focus, told in a way that also finds it in the part that takes its place.
function focused(part) {
  const active = document.activeElement;
  if (!part.contains(active)) return null;
  for (const name of ["id", "href", "value", "title"]) {
    const value = active.getAttribute(name);
    if (value) return `${active.localName}[${name}="${CSS.escape(value)}"]`;
  }
  return active.localName;
}

function putPart(old, fresh) {
  if (!old || !fresh || old.isEqualNode(fresh)) return;
  const left = old.scrollLeft;
  const focus = focused(old);
  old.replaceChildren(...fresh.childNodes);
  old.scrollLeft = left;
  window.htmx.process(old);
  if (focus) old.querySelector(focus)?.focus({ preventScroll: true });
}

const cellsOf = (row) => [...(row.cells ?? row.querySelectorAll("[data-cell]"))];

function putRow(old, fresh) {
  if (!old) return;
  old.className = fresh.className;
  old.dataset.acts = fresh.dataset.acts;
  const cells = cellsOf(old);
  for (const [index, cell] of cellsOf(fresh).entries()) {
    const now = cells[index];
    if (now.classList.contains("c-pick") || now.isEqualNode(cell)) continue;
    if (now.hasAttribute("data-picture")) {
      putPicture(now.firstElementChild, cell.firstElementChild);
      continue;
    }
    const focus = focused(now);
    now.replaceChildren(...cell.childNodes);
    if (focus) (now.querySelector(focus) ?? now.querySelector("a, button"))?.focus({ preventScroll: true });
  }
}

// A guest came, went, or no longer answers to the filters: the list anew, with what was chosen.
async function reload(here) {
  if (list.querySelector(":popover-open")) {
    merge("all");
    return;
  }
  const where = { source: "#results", target: "#guest-list", swap: "innerHTML" };
  await window.htmx.ajax("GET", here.pathname + here.search, where);
}

let kept = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target !== list) return;
  kept = { ids: picks().filter((pick) => pick.checked).map((pick) => pick.value), focus: focused(list) };
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target !== list || !kept) return;
  const { ids, focus } = kept;
  kept = null;
  for (const pick of picks()) pick.checked = ids.includes(pick.value);
  // Only where it went with what was replaced: it is nobody's who has gone on to another field meanwhile.
  if (focus && document.activeElement === document.body) list.querySelector(focus)?.focus({ preventScroll: true });
  drawBar();
  drawLive();
});

// ---------------------------------------------------------------- foot and results

function drawLive() {
  const state = document.documentElement.dataset.live;
  for (const note of document.querySelectorAll("[data-live-note]")) {
    const text = { live: note.dataset.now, polling: note.dataset.polling, ended: note.dataset.ended }[state];
    if (text && note.textContent !== text) note.textContent = text;
    note.classList.toggle("off", state !== "live");
  }
}

document.addEventListener("gh:live", drawLive);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dismiss]");
  button?.closest(button.dataset.dismiss).remove();
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.closest?.("#bulk") && event.detail.requestConfig.verb === "post") {
    merge("all");
    refresh();
  }
});

drawBar();
drawLive();

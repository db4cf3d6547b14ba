// Text ↔ graphical in one click, both alive: the other console's page is fetched once and put beside this one; what is
// not shown keeps its connection. Each page works alone, too: where it cannot be put here, the link is followed.
const consoles = new Map(); // text or vnc → its element, or the promise of it
const first = document.querySelector("[data-console]");
first.dataset.title = document.title;
consoles.set(first.dataset.console, first);

const kindOf = (address) => /\/console\/(\w+)\//.exec(new URL(address).pathname)?.[1];

async function bring(address) {
  const answer = await fetch(address, { redirect: "error" });
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const element = page.querySelector("[data-console]");
  if (!element) throw new Error("no console there");
  element.querySelector("main").removeAttribute("id"); // one of a page
  element.dataset.title = page.title;
  element.classList.add("aside");
  await Promise.all([...page.querySelectorAll("link[rel=stylesheet]")].map(addStyle));
  document.body.append(document.adoptNode(element));
  window.htmx?.process(element);
  for (const script of page.querySelectorAll("head script[type=module]")) await import(script.src);
  return element;
}

function addStyle(link) {
  if ([...document.styleSheets].some((sheet) => sheet.href === link.href)) return null;
  return new Promise((loaded) => {
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: link.href, onload: loaded, onerror: loaded });
    document.head.append(style);
  });
}

async function switchTo(address) {
  const kind = kindOf(address);
  if (!consoles.has(kind)) consoles.set(kind, bring(address));
  const element = await consoles.get(kind);
  for (const each of document.querySelectorAll("[data-console]")) {
    each.classList.toggle("aside", each !== element);
    each.inert = each !== element;
  }
  document.title = element.dataset.title;
  element.dispatchEvent(new Event("gh:shown"));
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-switch]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  try {
    await switchTo(link.href);
    history.pushState(null, "", link.href);
  } catch {
    location.assign(link.href);
  }
});

addEventListener("popstate", () => switchTo(location.href).catch(() => location.reload()));

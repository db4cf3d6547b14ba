// What runs on which CPU: each element with data-cpus="<address>" is asked for again every two seconds while somebody
// can see it, which is also what makes the host's worker read it. Not while the focus is in it: it would be lost.
import { csrfToken } from "./live.js";

const AGAIN_MS = 2000;
const seen = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target);
    else seen.delete(target);
  }
  look();
});
let looking = false;

async function look() {
  if (looking || document.hidden) return;
  looking = true;
  for (const element of seen) {
    try {
      const answer = await fetch(element.dataset.cpus, {
        method: "POST",
        headers: { "X-CSRFToken": csrfToken() },
        redirect: "manual", // to the sign-in page
      });
      const focused = element !== document.activeElement && element.contains(document.activeElement);
      if (answer.ok && !focused) await put(element, answer);
    } catch {
      // The next look asks again.
    }
  }
  looking = false;
}

async function put(element, response) {
  const answer = document.createElement("template");
  answer.innerHTML = await response.text();
  const [x, y] = [element.scrollLeft, element.scrollTop];
  element.replaceChildren(...answer.content.childNodes);
  element.scrollTo(x, y);
}

for (const element of document.querySelectorAll("[data-cpus]")) watcher.observe(element);
setInterval(look, AGAIN_MS);

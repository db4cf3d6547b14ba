/* A status page renews itself in place: no flash, the focus and the scroll stay. Without it a meta refresh does. */
const main = document.getElementById("main");
const late = document.getElementById("late");
const seconds = Number(main.dataset.renewedSeconds);

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (answer.status === 404) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["#shown", ".gh-head .num"]) {
      const now = fresh.querySelector(part);
      if (now) main.querySelector(part).replaceChildren(...now.childNodes);
    }
    late.hidden = true;
  } catch {
    late.hidden = false;
  }
}

setInterval(renew, seconds * 1000 + 500); // after what a cache may keep
document.addEventListener("visibilitychange", renew);

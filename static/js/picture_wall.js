// The wall of screens: full screen, and whether it is live.
const note = document.querySelector("[data-live-note]");

function drawLive() {
  const state = document.documentElement.dataset.live;
  const text = { live: note.dataset.now, polling: note.dataset.polling, ended: note.dataset.ended }[state];
  if (text && note.textContent !== text) note.textContent = text;
  note.classList.toggle("off", state !== "live");
}

document.addEventListener("gh:live", drawLive);
document.querySelector('[data-tool="fullscreen"]').addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.getElementById("main").requestFullscreen().catch(() => {});
});
drawLive();

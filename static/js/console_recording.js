// Whether the console's log is written, or its screen recorded, in words at the foot of the page.
export function addRecording(view, place) {
  view.addEventListener("status", ({ detail: { recording } }) => {
    if (!recording) return;
    const word = place.dataset[`say${recording.state[0].toUpperCase()}${recording.state.slice(1)}`] ?? recording.state;
    place.textContent = recording.sentence ? `${word}: ${recording.sentence}` : word;
    place.classList.toggle("warn", recording.state === "failed" || recording.state === "full");
  });
}

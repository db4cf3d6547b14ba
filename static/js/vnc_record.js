// "Record": what this person is shown is recorded, from the beginning of a connection: so the screen is connected anew.
export function addRecord(view, button) {
  if (!button) return;
  view.addEventListener("status", ({ detail: { recording } }) => {
    if (!recording) return;
    const isOn = recording.state === "on";
    button.setAttribute("aria-pressed", String(isOn));
    button.disabled = isOn && !view.record; // by the guest's setting: that is not ended here
  });
  button.addEventListener("click", () => {
    view.record = !view.record;
    button.disabled = true; // until the new connection says how it is
    view.renew();
  });
}

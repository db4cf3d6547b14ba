// The forms of memory and vCPUs: slider and field move together, and what would happen is told before anything is sent.
// Sentences come from the form's data-texts (the server's own), values from data-standing; units are KiB or vCPUs.
const KIB = { KiB: 1, MiB: 1024, GiB: 1048576, TiB: 1073741824 };

const parse = (form, name) => {
  const text = form.elements[name].value;
  if (form.dataset.resize === "vcpus") return /^\s*\+?\d{1,4}\s*$/.test(text) ? Number(text) || null : null;
  const match = /^\s*\+?(\d{1,14})(?:[.,](\d{1,9}))?\s*([a-z]{1,3})?\s*$/i.exec(text);
  if (!match) return null;
  const [, whole, fraction, word] = match;
  if (fraction?.length === 3 && Number(whole)) return null;
  const unit = word ? unitOf(word) : form.elements[`${name}_unit`].value;
  if (!unit) return null;
  const step = fraction === undefined ? KIB[unit] : Math.max(1, KIB[unit] / 1024);
  return Math.round((Number(`${whole}.${fraction ?? 0}`) * KIB[unit]) / step) * step || null;
};

const unitOf = (word) => Object.keys(KIB).find((unit) => [unit, unit[0], unit.slice(0, 2)].some((w) => w.toLowerCase() === word.toLowerCase()));

function exact(kib) {
  if (kib >= KIB.GiB && (kib * 100) % KIB.GiB === 0) return [(kib / KIB.GiB).toFixed(2).replace(/0$/, ""), "GiB"];
  return kib % 1024 === 0 ? [String(kib / 1024), "MiB"] : [String(kib), "KiB"];
}

function rounded(kib) {
  if (kib >= KIB.GiB) return `${(kib / KIB.GiB).toFixed(1)} GiB`;
  return kib >= 1024 || kib === 0 ? `${Math.round(kib / 1024)} MiB` : `${kib} KiB`;
}

const amount = (form, value) => (form.dataset.resize === "memory" ? exact(value).join(" ") : String(value));

const about = (form, value) =>
  form.dataset.resize === "memory" && value % 1024 !== 0 ? rounded(value) : amount(form, value);

// guests/forms/resize_plan.py says the same in Python; tests/browser compares the two.
function plan(standing, asked, keep) {
  const { live, next_boot: boot } = standing;
  const made = { live: null, current: null, maximum: null };
  if (live && asked.current !== live.current && asked.current <= live.maximum) {
    const movable = asked.current > live.current ? standing.live_grows : standing.live_shrinks;
    if (movable) made.live = asked.current;
  }
  if (boot) {
    if ((keep || !live) && asked.current !== boot.current) made.current = asked.current;
    if (asked.maximum !== boot.maximum) made.maximum = asked.maximum;
  }
  return made;
}

const say = (text, gaps) => text.replace(/\{(\w+)\}/g, (whole, name) => gaps[name] ?? whole);

function effects(form) {
  const standing = JSON.parse(form.dataset.standing);
  const texts = JSON.parse(form.dataset.texts);
  const { live, next_boot: boot } = standing;
  const shown = { current: (live ?? boot).current, maximum: (boot ?? live).maximum };
  const current = parse(form, "current");
  const maximum = form.elements.maximum.disabled ? shown.maximum : parse(form, "maximum");
  if (current === null || maximum === null) return null;
  const asked = { current, maximum };
  const box = form.elements.keep;
  const made = plan(standing, asked, box.type === "hidden" || box.checked);
  const show = (value) => amount(form, value);
  const tell = (value) => about(form, value);
  const memory = form.dataset.resize === "memory";
  const from = live ?? shown;
  const gaps = { guest: standing.guest, host: standing.host, before: tell(from.current), after: show(current), limit: tell(from.maximum) };
  if (memory && standing.free !== null) gaps.free = rounded(Math.max(0, standing.free - (current - shown.current)));

  let now = "now_same";
  if (!live) now = "now_off";
  else if (made.live !== null) now = memory && standing.free !== null ? "now_change_free" : "now_change";
  else if (current !== live.current) now = current > live.maximum ? "now_over" : memory ? "now_no_balloon" : "now_fewer";

  let later = say(texts.boot_none, gaps);
  if (boot) {
    const top = made.maximum ?? boot.maximum;
    const bottom = Math.min(made.current ?? boot.current, top);
    const changed = top !== boot.maximum || bottom !== boot.current;
    later = say(texts[changed ? "boot_change" : "boot_same"], {
      ...gaps, after: show(bottom), maximum: show(top), before: tell(boot.current), before_maximum: tell(boot.maximum),
    });
  }
  let button = "button_none";
  if (made.live !== null || made.current !== null) button = "button";
  else if (made.maximum !== null) button = "button_maximum";
  return { now: say(texts[now], gaps), boot: later, button: say(texts[button], { ...gaps, maximum: show(maximum) }), current };
}

// ---------------------------------------------------------------- the bar above the form

function drawAsked(form, current) {
  if (form.dataset.resize !== "memory") return;
  const bar = document.querySelector("[data-memory-bar]");
  if (!bar || document.querySelector("[data-arriving]")) return;
  const { maximum, current: has } = bar.dataset;
  const legend = document.querySelector("[data-asked-legend]");
  const svg = bar.querySelector("svg");
  svg.querySelector(".ask")?.remove();
  const asked = form.dataset.dirty !== undefined && current !== null && current !== Number(has);
  legend.hidden = !asked;
  if (!asked) return;
  legend.querySelector("[data-asked]").textContent = amount(form, current);
  const at = (kib) => Math.min(100, (kib / Number(maximum)) * 100);
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const [from, to] = [at(Number(has)), at(current)].sort((a, b) => a - b);
  for (const [name, value] of Object.entries({ class: "ask", x: from, y: 0.5, width: to - from, height: 7 })) rect.setAttribute(name, value);
  svg.append(rect);
}

// ---------------------------------------------------------------- slider

function sliderRange(form) {
  const { live, next_boot: boot } = JSON.parse(form.dataset.standing);
  const maximum = live ? live.maximum : parse(form, "maximum") ?? boot.maximum;
  if (form.dataset.resize === "vcpus") return { min: 1, max: Math.max(maximum, boot?.maximum ?? 1), step: 1 };
  const step = maximum <= 2 * KIB.GiB ? 16 * 1024 : maximum <= 32 * KIB.GiB ? 128 * 1024 : KIB.GiB;
  return { min: Math.min(step, maximum), max: maximum, step };
}

function drawSlider(form, current) {
  const slider = form.querySelector("[data-slider]");
  const { min, max, step } = sliderRange(form);
  Object.assign(slider, { min: String(min), max: String(max), step: "any" });
  slider.dataset.step = step;
  if (current !== null && document.activeElement !== slider) slider.value = String(current);
  slider.setAttribute("aria-valuetext", current === null ? "" : amount(form, current));
}

function slide(form, slider) {
  const step = Number(slider.dataset.step);
  const raw = Number(slider.value);
  // The ends are exact even where they are no whole number of steps.
  const value = raw >= Number(slider.max) - step / 2 ? Number(slider.max) : Math.max(Number(slider.min), Math.round(raw / step) * step);
  put(form, "current", value);
}

function put(form, name, value) {
  if (form.dataset.resize === "vcpus") {
    form.elements[name].value = String(value);
    return;
  }
  const [number, unit] = exact(value);
  const select = form.elements[`${name}_unit`];
  form.elements[name].value = number;
  if (![...select.options].some((option) => option.value === unit)) select.add(new Option(unit));
  select.value = unit;
}

// Arrow keys on the slider move it by one step; "any" would move it by a hundredth of its way.
document.addEventListener("keydown", (event) => {
  const slider = event.target.closest("[data-slider]");
  const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  if (!slider || !way) return;
  event.preventDefault();
  const step = Number(slider.dataset.step);
  slider.value = String(Math.max(Number(slider.min), Math.min(Number(slider.max), Number(slider.value) + way * step)));
  slider.dispatchEvent(new Event("input", { bubbles: true }));
});

// ---------------------------------------------------------------- together

function update(form) {
  const found = effects(form);
  const current = parse(form, "current");
  if (found) {
    for (const [name, text] of [["now", found.now], ["boot", found.boot], ["button", found.button]]) {
      const element = form.querySelector(`[data-effect=${name}]`);
      if (element.textContent !== text) element.textContent = text;
    }
  }
  drawSlider(form, current);
  drawAsked(form, current);
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-resize]");
  if (!form) return;
  form.dataset.dirty = "";
  if (event.target.matches("[data-slider]")) slide(form, event.target);
  // "512 MiB" typed into the number's field chooses its unit.
  const word = /[\d.,]\s*([a-z]{3})\s*$/i.exec(event.target.value ?? "");
  const select = form.elements[`${event.target.name}_unit`];
  const unit = word && select ? unitOf(word[1]) : null;
  if (unit && [...select.options].some((option) => option.value === unit)) select.value = unit;
  if (event.target.name === "current_unit" || event.target.name === "maximum_unit") event.target.blur();
  update(form);
});

document.addEventListener("reset", (event) => {
  const form = event.target.closest("form[data-resize]");
  if (!form) return;
  event.preventDefault();
  // Back to what the guest has, not to what was typed before a refusal.
  const { live, next_boot: boot } = JSON.parse(form.dataset.standing);
  put(form, "current", (live ?? boot).current);
  put(form, "maximum", (boot ?? live).maximum);
  for (const error of form.querySelectorAll(".gh-error")) error.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  delete form.dataset.dirty;
  update(form);
});

const all = () => {
  for (const form of document.querySelectorAll("form[data-resize]")) {
    if (form.querySelector("[aria-invalid]")) form.dataset.dirty = ""; // what was typed is still being worked on
    update(form);
  }
};
document.addEventListener("htmx:afterSettle", all);
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target?.id !== "guest-memory-form" && event.detail.target?.id !== "guest-vcpus-form") return;
  document.querySelector(`#${event.detail.target.id} [aria-invalid]`)?.focus();
});
all();

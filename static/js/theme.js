// Light or dark: the person's choice is kept in this browser; without one, the system's is followed as it changes.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

function stored() {
  try {
    return localStorage.getItem("guesthouse-theme");
  } catch {
    return null;
  }
}

function choose(theme) {
  root.dataset.bsTheme = theme;
  try {
    // The system's own theme is not a choice: forget it, so that the page follows the system again.
    if (theme === (system.matches ? "dark" : "light")) localStorage.removeItem("guesthouse-theme");
    else localStorage.setItem("guesthouse-theme", theme);
  } catch {
    // Storage is closed to us: the choice holds for this page.
  }
  document.dispatchEvent(new CustomEvent("gh:theme", { detail: { theme } }));
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) choose(root.dataset.bsTheme === "dark" ? "light" : "dark");
});

system.addEventListener("change", () => {
  if (!stored()) choose(system.matches ? "dark" : "light");
});

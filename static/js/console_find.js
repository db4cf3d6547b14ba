// Search in what a terminal holds.
import { fill, part, tool } from "./console_words.js";

const DECORATIONS = {
  decorations: {
    matchOverviewRuler: "#f0c060", activeMatchColorOverviewRuler: "#ffffff", matchBackground: "#6b5a30", activeMatchBackground: "#b98a1f",
  },
};

export function addFind(view, form) {
  const { search, terminal, words } = view;
  const text = form.elements.text;
  const open = () => {
    form.hidden = false;
    text.select();
    text.focus();
  };
  const close = () => {
    form.hidden = true;
    search.clearDecorations();
    terminal.focus();
  };
  search.onDidChangeResults(({ resultIndex, resultCount }) => {
    form.querySelector("output").textContent = resultCount ? fill(words.sayFound, { index: resultIndex + 1, count: resultCount }) : words.sayNothing;
  });
  tool("close-find", form).addEventListener("click", close);
  tool("previous", form).addEventListener("click", () => search.findPrevious(text.value, DECORATIONS));
  form.addEventListener("submit", (event) => { event.preventDefault(); search.findNext(text.value, DECORATIONS); });
  form.addEventListener("input", () => search.findNext(text.value, { ...DECORATIONS, incremental: true }));
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  return { open, toggle: () => (form.hidden ? open() : close()) };
}

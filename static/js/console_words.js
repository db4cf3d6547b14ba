// Words of the page: sentences with {places}, times, and what this browser keeps.
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name] ?? "");
export const capital = (text) => text[0].toUpperCase() + text.slice(1);
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);
export const tool = (name, root = document) => root.querySelector(`[data-tool="${name}"]`);

export function kept(name, fallback = null) {
  try { return localStorage.getItem(`guesthouse-console-${name}`) ?? fallback; } catch { return fallback; }
}

export function keep(name, value) {
  try { localStorage.setItem(`guesthouse-console-${name}`, value); } catch { /* storage is closed to us */ }
}

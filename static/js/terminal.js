// A terminal that answers nobody it should not and whose guest cannot reach out of it.
import "./xterm_nonce.js";
import { Terminal } from "../vendor/xterm/6.0.0/xterm.mjs";
import { FitAddon } from "../vendor/xterm-addon-fit/0.11.0/addon-fit.mjs";
import { SearchAddon } from "../vendor/xterm-addon-search/0.16.0/addon-search.mjs";
import { WebglAddon } from "../vendor/xterm-addon-webgl/0.19.0/addon-webgl.mjs";
import { askBeforeOpening } from "./console_links.js";
import { makeHarmless } from "./terminal_harmless.js";

const DARK = {
  background: "#0b0f14", foreground: "#cfd8e3", cursor: "#cfd8e3", cursorAccent: "#0b0f14", selectionBackground: "#2f4a6d",
  black: "#1c232d", red: "#ff8a80", green: "#5fd38d", yellow: "#f0c060", blue: "#7db7ff", magenta: "#d5a6ff", cyan: "#6fd3e0", white: "#cfd8e3",
  brightBlack: "#8795a8", brightRed: "#ffb3ac", brightGreen: "#8fe5b1", brightYellow: "#ffd98a", brightBlue: "#a9d0ff", brightMagenta: "#e6ccff", brightCyan: "#9fe6ee", brightWhite: "#ffffff",
};
const LIGHT = {
  background: "#fbfcfd", foreground: "#16202d", cursor: "#16202d", cursorAccent: "#fbfcfd", selectionBackground: "#c5dcf7",
  black: "#16202d", red: "#b42323", green: "#15703f", yellow: "#875200", blue: "#0b5cad", magenta: "#7a3aa8", cyan: "#0b6b78", white: "#526074",
  brightBlack: "#526074", brightRed: "#8f1c1c", brightGreen: "#0f5a32", brightYellow: "#6b4100", brightBlue: "#084a8c", brightMagenta: "#612d87", brightCyan: "#08545e", brightWhite: "#16202d",
};

export function theme() {
  return document.documentElement.dataset.bsTheme === "light" ? LIGHT : DARK;
}

export function makeTerminal(element, { fontSize, mayAnswer = () => false, screenReaderMode = false }) {
  const terminal = new Terminal({
    allowProposedApi: true, // the search addon's decorations
    cursorBlink: false,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--gh-mono").trim() || "monospace",
    fontSize,
    linkHandler: { activate: (_event, address) => askBeforeOpening(address), allowNonHttpProtocols: false },
    screenReaderMode,
    scrollback: 5000,
    theme: theme(),
  });
  const fit = new FitAddon();
  const search = new SearchAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(search);
  terminal.open(element);
  useWebgl(terminal);
  makeHarmless(terminal.parser, mayAnswer);
  document.addEventListener("gh:theme", () => { terminal.options.theme = theme(); });
  return { terminal, fit, search };
}

// Only where a graphics card does it: WebGL in software is slower than the DOM.
function hasGraphicsCard() {
  const context = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!context) return false;
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const name = context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|software|basic render/i.test(name);
}

function useWebgl(terminal) {
  if (!hasGraphicsCard()) return;
  try {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => webgl.dispose());
    terminal.loadAddon(webgl);
  } catch {
    // No WebGL here: the DOM renderer stays.
  }
}

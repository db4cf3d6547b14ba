// What a guest writes is shown and does nothing else: no title, no clipboard, no window, no answer that nobody typed for.

// C1 controls (0x9b is another way to say ESC [) and the characters that reorder or hide text; joiners of emoji stay.
const ODD = /[\u0080-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const SHOWN = "\ufffd"; // one cell wide, and seen
const ANSWER_MS = 10_000; // the terminal of whoever typed last answers the guest's questions; the others stay silent

// Decodes a byte stream, and shows what would act unseen as one replacement character each.
export class Inert {
  constructor() { this.reset(); }

  reset() { this.decoder = new TextDecoder("utf-8", { ignoreBOM: true }); }

  text(bytes) {
    return this.shown(this.decoder.decode(bytes, { stream: true }));
  }

  shown(text) { return text.replace(ODD, SHOWN); }
}

// Who typed lately, and is not being replayed the past, answers.
export function answering() {
  let typedAt = -Infinity;
  return {
    typed() { typedAt = performance.now(); },
    lately: () => performance.now() - typedAt < ANSWER_MS,
  };
}

export function makeHarmless(parser, mayAnswer) {
  const silent = () => !mayAnswer(); // true: handled, xterm.js does not answer
  for (const prefix of [undefined, "?", ">", "="]) {
    parser.registerCsiHandler({ prefix, final: "c" }, silent); // device attributes
    parser.registerCsiHandler({ prefix, final: "n" }, silent); // status reports
    parser.registerCsiHandler({ prefix, intermediates: "$", final: "p" }, silent); // mode requests
  }
  parser.registerCsiHandler({ final: "t" }, () => true); // window sizes and titles
  parser.registerCsiHandler({ prefix: ">", final: "q" }, silent); // version
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, silent); // settings
  for (const inert of [0, 1, 2, 7, 9, 52, 777, 1337]) parser.registerOscHandler(inert, () => true);
  for (const colour of [4, 10, 11, 12]) parser.registerOscHandler(colour, (text) => text.includes("?") && silent());
}

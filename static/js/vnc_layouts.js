// Which keys a person would press for a character, by the keyboard layout that the guest is set to.
//
// A screen takes keys and no characters: QEMU passes on the place of a key, and the guest's layout makes a character of
// it. So each layout says what stands on the 49 places of CODES: plain, with Shift, with AltGr; a space is nothing.
import { KEYS } from "./vnc_keys.js";

const CODES = (
  "Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal " +
  "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Backslash " +
  "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote " +
  "IntlBackslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash IntlRo"
).split(" ");
const LAYOUTS = {
  us: {
    plain: "`1234567890-=" + "qwertyuiop[]\\" + "asdfghjkl;'" + " zxcvbnm,./ ",
    shift: "~!@#$%^&*()_+" + "QWERTYUIOP{}|" + "ASDFGHJKL:\"" + " ZXCVBNM<>? ",
  },
  gb: {
    plain: "`1234567890-=" + "qwertyuiop[]#" + "asdfghjkl;'" + "\\zxcvbnm,./ ",
    shift: "¬!\"£$%^&*()_+" + "QWERTYUIOP{}~" + "ASDFGHJKL:@" + "|ZXCVBNM<>? ",
    altgr: "    €",
  },
  br: {
    plain: "'1234567890-=" + "qwertyuiop´[]" + "asdfghjklç~" + "\\zxcvbnm,.;/",
    shift: "\"!@#$%¨&*()_+" + "QWERTYUIOP`{}" + "ASDFGHJKLÇ^" + "|ZXCVBNM<>:?",
    altgr: " ¹²³£¢¬     §" + "/?€        ªº",
    dead: "´~¨`^",
  },
  de: {
    plain: "^1234567890ß´" + "qwertzuiopü+#" + "asdfghjklöä" + "<yxcvbnm,.- ",
    shift: "°!\"§$%&/()=?`" + "QWERTZUIOPÜ*'" + "ASDFGHJKLÖÄ" + ">YXCVBNM;:_ ",
    altgr: "  ²³   {[]}\\ " + "@ €        ~ " + "           " + "|      µ",
    dead: "^´`",
  },
};
const ACCENTS = { "\u0300": "`", "\u0301": "´", "\u0302": "^", "\u0303": "~", "\u0308": "¨" }; // combining → on the key
const CONTROLS = { "\n": [KEYS.enter], "\t": [KEYS.tab], " ": [KEYS.space], "\b": [KEYS.backspace], "\x1b": [KEYS.escape] };

const keysymOf = (character) => {
  const point = character.codePointAt(0);
  return point < 0x100 ? point : 0x01000000 + point; // X11's keysyms of Unicode
};

// A function: character → strokes, one after the other, each the keys held together; null where no keys make it.
export function typist(name) {
  const layout = LAYOUTS[name] ?? LAYOUTS.us;
  const keys = new Map();
  for (const [level, held] of [["plain", []], ["shift", [KEYS.shift]], ["altgr", [KEYS.altgr]]]) {
    [...(layout[level] ?? "")].forEach((character, place) => {
      if (character !== " " && !keys.has(character)) keys.set(character, [...held, { keysym: keysymOf(character), code: CODES[place] }]);
    });
  }
  const dead = layout.dead ?? "";
  return (character) => {
    if (CONTROLS[character]) return [CONTROLS[character]];
    if (dead.includes(character)) return [keys.get(character), [KEYS.space]];
    if (keys.has(character)) return [keys.get(character)];
    const [letter, accent, more] = character.normalize("NFD");
    const mark = ACCENTS[accent];
    if (more || !mark || !dead.includes(mark) || !keys.has(letter)) return null;
    return [keys.get(mark), keys.get(letter)];
  };
}

// How a graphical console connects: a fresh ticket for every try, then the websocket; and why it did not work.
const SENTENCE = /^4\d\d\d$/;
const STOPS = new Set([4403, 4404, 4432, 4430, 4431]);

// Resolves to {socket, mode}, or throws a Refusal with what to do next.
export class Refusal extends Error {
  // next: "retry" by itself, "wait" for the guest to change, "stop" until the person says so, "sign-in".
  constructor(sentence, next) {
    super(sentence);
    this.next = next;
  }
}

export async function askForTicket(words, csrf, wishes) {
  let answer;
  try {
    answer = await fetch(words.ticket, {
      method: "POST",
      headers: { "X-CSRFToken": csrf, Accept: "application/json" },
      body: new URLSearchParams(wishes),
      redirect: "manual", // to the sign-in page
      signal: AbortSignal.timeout(10_000),
    });
  } catch {
    throw new Refusal(words.whyLost, "retry");
  }
  if (answer.type === "opaqueredirect" || answer.status === 401) throw new Refusal(words["why-4401"], "sign-in");
  if (answer.status === 403) throw new Refusal(words["why-4403"], "stop");
  if (answer.status === 404) throw new Refusal(words["why-4404"], "stop");
  if (answer.status === 409) throw new Refusal((await answer.json()).sentence, "wait");
  if (!answer.ok) throw new Refusal(words.whyLost, "retry");
  return answer.json();
}

export function openSocket(words, token) {
  const url = new URL(words.socket, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url, ["binary", `t.${token}`]);
  socket.binaryType = "arraybuffer";
  return socket;
}

// What the end of a websocket means; `opened`: whether it was ever open.
export function refusalOf(event, opened, words) {
  const sentence = event.reason || (SENTENCE.test(event.code) && words[`why-${event.code}`]) || "";
  if (event.code === 4401) return new Refusal(sentence || words["why-4401"], "sign-in");
  if (STOPS.has(event.code)) return new Refusal(sentence, "stop");
  if (event.code === 4410) return new Refusal(sentence || words.whyOff, "wait");
  return new Refusal(sentence || (opened ? words.whyLost : words.whyAway), "retry");
}

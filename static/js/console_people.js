// Who is on this console, who has the keyboard, and asking for it, giving, keeping and taking it.
import { fill, part } from "./console_words.js";

const initials = (name) => name.split(/[\s._-]+/).filter(Boolean).slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");

export function addPeople(view, bar) {
  const words = bar.dataset;
  const template = bar.querySelector("template");
  const button = (name) => bar.querySelector(`[data-keyboard="${name}"]`);

  view.addEventListener("mode", draw);
  view.addEventListener("lost", () => enable(false));
  view.addEventListener("ended", () => enable(false));
  view.addEventListener("connected", () => enable(true));
  bar.addEventListener("click", (event) => {
    const { keyboard, person } = event.target.closest("[data-keyboard]")?.dataset ?? {};
    if (!keyboard) return;
    view.ask(person ? { keyboard, to: person } : { keyboard });
    view.focus();
  });

  function enable(on) {
    for (const each of bar.querySelectorAll("button")) each.disabled = !on;
  }

  function draw() {
    const { people, me } = view;
    const holder = people.find((person) => person.holds);
    const one = view.sharing === "one";
    bar.hidden = !people.length;
    part(bar, "summary").replaceChildren(strong(people.length === 1 ? words.sayOne : fill(words.sayMany, { count: people.length })), ` ${summary(me, holder, one)}`);
    part(bar, "list").replaceChildren(...people.map((person) => row(person, one)));
    buttons(me, holder, one, people);
  }

  function strong(text) {
    const element = document.createElement("b");
    element.className = "strong";
    element.textContent = text;
    return element;
  }

  function summary(me, holder, one) {
    const watches = me?.mode !== "control";
    if (!one) return watches ? words.sayOnlyWatch : words.sayCanType;
    if (!holder) return words.sayNobody;
    if (holder === me) return words.sayYou;
    return fill(watches ? words.sayOtherWatch : words.sayOther, { name: holder.name });
  }

  function row(person, one) {
    const element = template.content.firstElementChild.cloneNode(true);
    element.classList.toggle("holds", person.holds);
    element.querySelector("b").textContent = initials(person.name);
    element.querySelector("bdi").textContent = person.id === view.you ? words.nameYou : person.name;
    const role = person.holds ? words.isHolder : person.mode === "control" ? words.isControl : words.isWatch;
    part(element, "role").textContent = one && person.asks ? fill(words.isAsking, { role }) : role;
    const shown = person.holds ? "holder" : person.asks ? "asks" : person.mode === "control" ? (one ? "" : "holder") : "watch";
    for (const mark of element.querySelectorAll("[data-mark]")) if (mark.dataset.mark !== shown) mark.remove();
    return element;
  }

  function buttons(me, holder, one, people) {
    const may = one && me?.mode === "control";
    const asking = people.filter((person) => person.asks && person !== me);
    const focused = bar.contains(document.activeElement) && document.activeElement.dataset.keyboard;
    const gives = may && me.holds ? asking : [];
    part(bar, "gives").replaceChildren(...gives.map((person) => {
      const give = document.createElement("button");
      give.type = "button";
      give.className = "btn btn-sm btn-primary";
      Object.assign(give.dataset, { keyboard: "give", person: person.id });
      give.textContent = fill(words.doGive, { name: person.name });
      return give;
    }));
    button("keep").hidden = !gives.length;
    button("release").hidden = !(may && me.holds && people.length > 1 && !gives.length);
    button("take").hidden = !(may && !me.holds && (!holder || view.administrator));
    button("ask").hidden = !(may && holder && !me.holds && !me.asks);
    button("unask").hidden = !(may && me.asks && !me.holds);
    if (focused && !bar.contains(document.activeElement)) view.focus();
  }
}

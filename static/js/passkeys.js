// Passkeys and security keys: a form with data-passkey asks the browser for a credential, then sends itself.
//
// data-passkey is "make" or "use"; the options stand in the JSON element that data-options names, or are fetched from
// the form's action (data-options=""). The button is the one with data-passkey-button, wherever it stands.
const form = document.querySelector("form[data-passkey]");
const button = document.querySelector("[data-passkey-button]");
const said = document.querySelector("[data-passkey-said]");

function say(text) {
  said.textContent = text;
  said.hidden = !text;
}

async function options() {
  if (form.dataset.options) return JSON.parse(document.getElementById(form.dataset.options).textContent);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (answer.status === 429) throw new DOMException("", "TooMany");
  return answer.json();
}

async function make() {
  const { publicKey } = (await options()).creation_options;
  // A passkey signs in alone: the key must hold the account and ask for finger, face or PIN.
  const alone = form.elements.passwordless?.checked ?? false;
  publicKey.authenticatorSelection = {
    ...publicKey.authenticatorSelection,
    residentKey: alone ? "required" : "discouraged",
    requireResidentKey: alone,
    ...(alone && { userVerification: "required" }),
  };
  return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
}

async function use() {
  const { publicKey } = (await options()).request_options;
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
}

function whyNot(error) {
  if (error.name === "SecurityError") return said.dataset.address;
  if (error.name === "InvalidStateError") return said.dataset.known;
  if (error.name === "NotAllowedError" || error.name === "AbortError") return said.dataset.stopped;
  if (error.name === "TooMany") return said.dataset.tooMany;
  return said.dataset.failed;
}

async function go(event) {
  event.preventDefault();
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    say(said.dataset.old);
    return;
  }
  button.disabled = true;
  say(said.dataset.waiting);
  try {
    const credential = await (form.dataset.passkey === "make" ? make() : use());
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    say(whyNot(error));
    button.disabled = false;
  }
}

if (form && button && said) {
  button.addEventListener("click", go);
  form.addEventListener("submit", (event) => {
    if (!form.elements.credential.value) go(event);
  });
}

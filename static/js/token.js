// The page that shows a new token once: its copy button. Where the clipboard is closed the text is selected instead.
const button = document.querySelector("[data-copy]");
const said = document.querySelector("[data-said]");

button.addEventListener("click", async () => {
  const secret = document.querySelector(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(secret.textContent);
    said.textContent = button.dataset.copied;
  } catch {
    getSelection().selectAllChildren(secret); // no permission, or not a secure origin
    said.textContent = button.dataset.select;
  }
});

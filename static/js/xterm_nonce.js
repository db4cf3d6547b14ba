// xterm.js puts three <style> elements into the page. The page's policy takes only those that carry its nonce, so every
// <style> made from here on gets it. Imported before xterm.js, by the console pages only.
const nonce = document.querySelector("script[nonce]").nonce;
const createElement = Document.prototype.createElement;

Document.prototype.createElement = function (name, ...rest) {
  const element = createElement.call(this, name, ...rest);
  if (String(name).toLowerCase() === "style") element.nonce = nonce;
  return element;
};

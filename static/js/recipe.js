// The recipe's form and its YAML are brought into step by the server; what is typed meanwhile is never drawn over.

let edits = 0;
const sent = new WeakMap();
const inEditor = (element) => element instanceof Element && element.closest("[data-recipe-editor]");

document.addEventListener("input", (event) => {
  if (inEditor(event.target)) edits += 1;
});
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (inEditor(detail.elt)) sent.set(detail.xhr, edits);
});
// Before everybody else: an answer to what has changed since is dropped, the next one is on its way.
document.addEventListener("htmx:beforeSwap", (event) => {
  const before = sent.get(event.detail.xhr);
  if (before === undefined || before === edits) return;
  event.detail.shouldSwap = false;
  event.stopPropagation();
}, true);

function show(line) {
  const box = document.getElementById("recipe-yaml");
  const lines = box.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  box.focus();
  box.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  document.querySelectorAll("#recipe-gutter li")[line - 1]?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-recipe-editor] [data-line]");
  if (!link) return;
  event.preventDefault();
  show(Number(link.dataset.line));
});

// Two spaces for Tab would keep people who use the keyboard inside the box: Tab moves on, as everywhere.

// The frame around every page: menus that close, dialogs, toasts, keys. Menus open without it.

const typing = (node) => node instanceof Element && Boolean(node.closest("input, textarea, select, [contenteditable], [role=application]"));
const visible = (node) => node.checkVisibility?.({ visibilityProperty: true }) ?? node.offsetParent !== null;

// --- menus: a press elsewhere or Escape closes them, and focus returns to what opened them
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    const within = menu.contains(document.activeElement);
    menu.open = false;
    if (within) menu.querySelector("summary").focus();
  }
});
document.addEventListener("focusin", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target) && event.target !== document.body) menu.open = false;
  }
});

// --- dialogs: data-opens names one; a press beside it closes it
function open(id) {
  const dialog = document.getElementById(id);
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    event.preventDefault();
    open(opener.dataset.opens);
  } else if (event.target instanceof HTMLDialogElement) {
    const box = event.target.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
});
for (const button of document.querySelectorAll("[data-opens][hidden]")) button.hidden = false;

// --- toasts: `toast` events say something in passing; htmx answers send them as `HX-Trigger: {"toast": "Saved."}`
const TOAST_MS = 6000;
document.addEventListener("toast", (event) => {
  const region = document.getElementById("toasts");
  const words = event.detail?.value ?? event.detail;
  if (!region || typeof words !== "string" || !words) return;
  const toast = document.createElement("p");
  toast.className = "toast";
  toast.textContent = words;
  region.append(toast);
  setTimeout(() => toast.remove(), TOAST_MS);
});

document.addEventListener("click", (event) => {
  const said = event.target.closest("[data-toast]")?.dataset.toast;
  if (said) document.dispatchEvent(new CustomEvent("toast", { detail: said }));
});

// --- keys: never while somebody types, with a modifier held, or under an open dialog
const GO_MS = 1200;
let going = -Infinity;

function go(letter) {
  const place = document.querySelector(`#shortcuts [data-go="g ${CSS.escape(letter)}"]`);
  if (place) location.assign(place.dataset.to);
  return Boolean(place);
}

function search() {
  const boxes = [...document.querySelectorAll("[role=search] input[type=search]")];
  const box = boxes.find((one) => visible(one));
  if (!box) return false;
  box.focus();
  box.select();
  return true;
}

function press(key) {
  const target = [...document.querySelectorAll(`a[aria-keyshortcuts="${CSS.escape(key)}"]`)].find(visible);
  target?.click();
  return Boolean(target);
}

function act(event) {
  const hurried = performance.now() - going < GO_MS;
  going = -Infinity;
  if (hurried && go(event.key)) return true;
  if (event.key === "?") return open("shortcuts"), true;
  if (event.key === "/") return search();
  if (event.key === "g") return (going = performance.now()), true;
  return event.key.length === 1 && document.querySelector(`#shortcuts [data-press="${CSS.escape(event.key)}"]`) ? press(event.key) : false;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (act(event)) event.preventDefault();
});

// Rows about what this page cannot do are left out of the list of keys.
for (const row of document.querySelectorAll("#shortcuts [data-press]")) {
  row.hidden = !document.querySelector(`a[aria-keyshortcuts="${CSS.escape(row.dataset.press)}"]`);
}

// --- what scrolls sideways or down can be reached, and so scrolled, with the keyboard
const SCROLLERS = "pre, .scroll, .log, .blob, .text, .prose table, .tabs, .plot-panel .inside, [data-scrolls]";
function reach() {
  for (const box of document.querySelectorAll(SCROLLERS)) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    const focusable = box.matches("[tabindex]") || box.querySelector("a[href], button, input, select, textarea, summary, [tabindex='0']");
    if (scrolls && !focusable) box.tabIndex = 0;
  }
}
reach();
addEventListener("resize", reach);
document.addEventListener("htmx:afterSettle", reach);

// Small manners of the pages: copy buttons, times that stay true, logs that keep their place. No page needs them.

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(date) {
  const seconds = (date.getTime() - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return (hours ? `${hours}:${pad(Math.floor(whole / 60) % 60)}` : `${Math.floor(whole / 60)}`) + `:${pad(whole % 60)}`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = ago(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
  for (const time of document.querySelectorAll("time[data-since]")) {
    time.textContent = duration((Date.now() - new Date(time.dateTime)) / 1000);
  }
}

async function copy(button) {
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom)?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text.trim());
  } catch {
    return; // an insecure origin has no clipboard: the text is still there to be selected
  }
  button.classList.add("is-done");
  setTimeout(() => button.classList.remove("is-done"), 1400);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (button) copy(button);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submit]")) event.target.form.requestSubmit();
});

// A session that ended answers with the sign-in, which is no part of this page: what is here stays, and is told of.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, boosted, target } = event.detail;
  if (boosted || location.pathname === "/login" || !/^https?:\/\/[^/]+\/login(\?|$)/.test(xhr.responseURL)) return;
  event.detail.shouldSwap = false;
  event.stopPropagation();
  const toasts = document.getElementById("toasts");
  const words = toasts.dataset.signedOut;
  const isSaid = [...toasts.children].some((toast) => toast.textContent === words);
  if (!isSaid && !target.matches("[data-live]")) document.dispatchEvent(new CustomEvent("toast", { detail: words }));
}, true);

// A fragment that did not change is not swapped, nor one in which somebody is selecting text.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target } = event.detail;
  if (!target.matches("[data-live]")) return;
  const tag = xhr.getResponseHeader("ETag");
  const selection = getSelection();
  const reading = !selection.isCollapsed && selection.anchorNode?.parentElement?.closest("[data-live]");
  const isLast = xhr.status === 286;
  if (!isLast && (reading || (tag && tag === target.dataset.etag))) event.detail.shouldSwap = false;
  else if (tag) target.dataset.etag = tag;
  for (const log of document.querySelectorAll(".log")) {
    log.dataset.atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  }
});

// Folded parts that were open stay open when the form around them is drawn again.
const opened = new Set();
document.addEventListener("htmx:beforeSwap", () => {
  for (const details of document.querySelectorAll("details[id][open]")) opened.add(details.id);
});

function settle() {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  opened.clear();
  for (const log of document.querySelectorAll(".log")) {
    if (log.dataset.atEnd !== "false") log.scrollTop = log.scrollHeight;
  }
  for (const curve of document.querySelectorAll("run-curve")) curve.refresh?.();
  tick();
}
document.addEventListener("htmx:afterSettle", settle);
settle();
// On a phone a row of tabs is wider than its window: the current one is shown.
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const row = tab.parentElement;
  if (row.scrollWidth > row.clientWidth) row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
}

setInterval(tick, 1000);

// What was typed while a form was being drawn again stays.
const asked = new WeakMap();
const values = (form) => new Map([...new FormData(form)].filter(([, value]) => typeof value === "string"));

document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt.closest("form");
  if (form) asked.set(event.detail.xhr, [form, values(form)]);
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const [form, before] = asked.get(detail.xhr) ?? [];
  if (!form) return;
  const changed = [...values(form)].filter(([name, value]) => before.get(name) !== value);
  if (!changed.length) return;
  document.addEventListener("htmx:afterSwap", () => {
    for (const [name, value] of changed) {
      const field = form.elements.namedItem(name);
      if (field && (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value))) field.value = value;
    }
  }, { once: true });
});

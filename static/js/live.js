// The polls of a live page: as often as it says while somebody looks, rarely while the tab is hidden or a part
// of the page asks for patience (data-pause, in seconds). Coming back asks at once.

const HIDDEN_SECONDS = 20;
let asked = 0;

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (!elt.matches("[data-live][hx-get]")) return;
  const own = Number(elt.querySelector("[data-pause]")?.dataset.pause ?? 0);
  const pause = document.hidden ? HIDDEN_SECONDS : own;
  if (Date.now() - asked < pause * 1000 - 200) event.preventDefault();
  else asked = Date.now();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  asked = 0;
  for (const part of document.querySelectorAll("[data-live][hx-get]")) part.dispatchEvent(new CustomEvent("wake"));
});

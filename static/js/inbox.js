// Keys of the inbox: j and k go from line to line, e marks the line as read. Every line can be reached without.

const lines = () => [...document.querySelectorAll(".note .title a")];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  const all = lines();
  const here = all.indexOf(document.activeElement);
  if (event.key === "j") all[Math.min(here + 1, all.length - 1)]?.focus();
  else if (event.key === "k") all[Math.max(here - 1, 0)]?.focus();
  else if (event.key === "e" && here >= 0) all[here].closest(".note").querySelector(".note-done")?.click();
});

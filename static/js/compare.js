// The models that were ticked to be compared stay so from page to page of the list, in this tab (sessionStorage):
// over sorting, filters and pages. The bar shows them; each can be taken away there.

const KEY = "compare";
let picked = [];

function load() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY));
    if (Array.isArray(found)) picked = found.filter((id) => typeof id === "string");
  } catch {
    // no storage, or not ours: the choice lasts as long as the page
  }
}

function keep(ids) {
  picked = ids;
  try {
    sessionStorage.setItem(KEY, JSON.stringify(ids));
  } catch {
    // as above
  }
}

const bar = () => document.querySelector("form[data-compare]");
const boxes = () => [...document.querySelectorAll("input.pick[form=compare-form]")];

// `words` are said instead of how it is done.
function draw(words = "") {
  const form = bar();
  if (!form) return;
  const here = new Set(boxes().map((box) => box.value));
  for (const box of boxes()) box.checked = picked.includes(box.value);
  form.closest(".pick-form").classList.toggle("has-picked", picked.length > 0);
  form.hidden = here.size === 0 && picked.length === 0;
  form.querySelector("[data-picked]").replaceChildren(...picked.map((id) => chip(form, id, here.has(id))));
  form.querySelector("[data-picked]").hidden = form.querySelector("[data-unpick-all]").hidden = picked.length === 0;
  const status = form.querySelector("[role=status]");
  status.dataset.says ??= status.textContent;
  status.classList.toggle("problem", Boolean(words));
  status.textContent = words || (picked.length ? "" : status.dataset.says);
}

function chip(form, id, isHere) {
  const made = form.querySelector("template").content.cloneNode(true).firstElementChild;
  const button = made.querySelector("button");
  button.dataset.unpick = id;
  button.setAttribute("aria-label", form.dataset.remove.replace("{name}", id));
  button.querySelector("b").textContent = id.slice(id.indexOf("/") + 1);
  // What is ticked on this page is sent by its box.
  if (!isHere) made.append(Object.assign(document.createElement("input"), { type: "hidden", name: "model", value: id }));
  return made;
}

document.addEventListener("change", ({ target }) => {
  const form = target.matches?.("input.pick[form=compare-form]") && bar();
  if (!form) return;
  const others = picked.filter((id) => id !== target.value);
  const isFull = target.checked && others.length >= Number(form.dataset.most);
  if (!isFull) keep(target.checked ? [...others, target.value] : others);
  draw(isFull ? form.dataset.tooMany : "");
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-unpick], [data-unpick-all]");
  if (!button) return;
  keep("unpick" in button.dataset ? picked.filter((id) => id !== button.dataset.unpick) : []);
  // On the page that compares the link leads on; in the bar the keyboard stays in the bar.
  if (button.matches("a")) return;
  draw();
  (bar().querySelector("[data-unpick]") ?? bar().querySelector("button[type=submit]")).focus();
});

function start() {
  load();
  // Ticked before this script came, and on the page that compares what is shown there.
  const shown = [...document.querySelectorAll("[data-comparing]")].map((column) => column.dataset.comparing);
  const ticked = boxes().filter((box) => box.checked).map((box) => box.value);
  if (shown.length) keep(shown);
  else if (ticked.length) keep([...new Set([...picked, ...ticked])].slice(0, Number(bar().dataset.most)));
  draw();
}

start();
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  load();
  draw();
});
document.addEventListener("htmx:afterSettle", () => draw());

// The search box shows a few results while one types: a combobox after the ARIA pattern. Without it Enter searches.

const WAIT = 140;
let boxes = 0;

function setUp(form) {
  const input = form.querySelector("input[type=search]");
  const list = form.querySelector("[role=listbox]");
  if (!input || !list) return;
  list.id ||= `suggestions-${++boxes}`;
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  let timer, running, shown = "", current = -1;

  const options = () => [...list.querySelectorAll("[role=option]")];

  function close() {
    clearTimeout(timer);
    running?.abort();
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    choose(-1);
  }

  function choose(at) {
    const all = options();
    current = all.length ? at : -1;
    all.forEach((option, number) => option.setAttribute("aria-selected", String(number === current)));
    const option = all[current];
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function open() {
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  async function ask() {
    const text = input.value.trim();
    if (!text) return close();
    if (text === shown && list.childElementCount) return open();
    running?.abort();
    const mine = (running = new AbortController());
    try {
      const answer = await fetch(`${form.dataset.suggest}?${new URLSearchParams({ q: text })}`, { signal: mine.signal, headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok) return close();
      const html = await answer.text();
      if (mine.signal.aborted || document.activeElement !== input) return;
      list.innerHTML = html;
      options().forEach((option, number) => { option.id = `${list.id}-${number}`; });
      shown = text;
      choose(-1);
      open();
    } catch (error) {
      if (error.name !== "AbortError") close(); // offline: Enter still tries
    }
  }

  input.addEventListener("input", (event) => {
    if (event.isComposing) return;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  input.addEventListener("compositionend", () => { clearTimeout(timer); timer = setTimeout(ask, WAIT); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const count = options().length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) return void ask();
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose(current < 0 ? (step > 0 ? 0 : count - 1) : (current + step + count) % count);
    } else if (event.key === "Enter" && !list.hidden && current >= 0) {
      event.preventDefault();
      options()[current].click();
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  form.addEventListener("focusout", (event) => { if (!form.contains(event.relatedTarget)) close(); });
  form.addEventListener("submit", close);
}

document.querySelectorAll("form[data-suggest]").forEach(setUp);

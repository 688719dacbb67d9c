// Lines that can be pointed at: #L10 and #L10-L20 are marked, a click on a number chooses, with Shift to another.

const pane = document.querySelector("[data-lines]");
let first = 0;

function chosen() {
  const found = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])];
  return [Math.min(from, to), Math.max(from, to)];
}

function mark(scroll) {
  for (const line of pane.querySelectorAll(".line.is-chosen")) line.classList.remove("is-chosen");
  const range = chosen();
  if (!range) return;
  first = range[0];
  for (let number = range[0]; number <= Math.min(range[1], range[0] + 20000); number += 1) {
    const line = document.getElementById(`L${number}`);
    if (!line) break;
    line.classList.add("is-chosen");
  }
  if (scroll) document.getElementById(`L${range[0]}`)?.scrollIntoView({ block: "center" });
}

if (pane) {
  pane.addEventListener("click", (event) => {
    const number = event.target.closest("a.no");
    if (!number) return;
    event.preventDefault();
    const line = Number(number.dataset.line);
    const range = event.shiftKey && first ? [Math.min(first, line), Math.max(first, line)] : [line, line];
    const anchor = range[0] === range[1] ? `#L${range[0]}` : `#L${range[0]}-L${range[1]}`;
    history.replaceState(null, "", anchor);
    const kept = first;
    mark(false);
    if (event.shiftKey && kept) first = kept;
  });
  addEventListener("hashchange", () => mark(true));
  mark(true);
}

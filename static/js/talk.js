// Writing in threads: files put into a comment, quotations without a reload, and a page that does not jump under
// somebody who writes when a new comment comes in. Without script the links and forms do the same.

const csrf = () => document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";

function insert(area, text) {
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

async function attach(editor, file) {
  const area = editor.querySelector("textarea");
  const problem = editor.querySelector("[data-problem]");
  const name = file.name.replace(/[[\]()\n]/g, " ").trim() || "image";
  const waiting = `![${editor.dataset.uploading} ${name}]()`;
  problem.hidden = true;
  insert(area, waiting);
  let made = "";
  try {
    const answer = await fetch(editor.dataset.upload, {
      method: "POST",
      headers: { "X-CSRFToken": csrf(), "Content-Type": "application/octet-stream" },
      body: file,
    });
    if (!answer.ok) throw new Error((await answer.json()).error);
    const path = new URL((await answer.text()).trim()).pathname;
    made = /\.(mp4|mov|webm|mp3|wav)$/.test(path) ? `[${name}](${path})` : `![${name}](${path})`;
  } catch (error) {
    problem.textContent = [editor.dataset.failed, error.message].filter(Boolean).join(" ");
    problem.hidden = false;
  }
  const at = area.value.indexOf(waiting);
  if (at < 0) return; // taken out by hand meanwhile
  // "preserve" would select a file whose end the cursor stands at, and the next one would replace it.
  const isBeside = area.selectionStart >= at && area.selectionStart <= at + waiting.length;
  area.setRangeText(made, at, at + waiting.length, isBeside ? "end" : "preserve");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

const attachAll = (editor, files) => [...files].forEach((file) => attach(editor, file));
const hasFiles = (data) => [...(data?.types ?? [])].includes("Files");

for (const button of document.querySelectorAll("[data-editor] [data-attach]")) {
  const editor = button.closest("[data-editor]");
  button.hidden = false;
  button.addEventListener("click", () => {
    const chooser = Object.assign(document.createElement("input"), { type: "file", multiple: true, accept: "image/*,video/*,audio/*" });
    chooser.addEventListener("change", () => attachAll(editor, chooser.files));
    chooser.click();
  });
}
document.addEventListener("paste", (event) => {
  const editor = event.target.closest?.("[data-editor]");
  if (!editor || !event.clipboardData.files.length) return;
  event.preventDefault();
  attachAll(editor, event.clipboardData.files);
});
document.addEventListener("dragover", (event) => {
  if (event.target.closest?.("[data-editor]") && hasFiles(event.dataTransfer)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const editor = event.target.closest?.("[data-editor]");
  if (!editor || !event.dataTransfer.files.length) return;
  event.preventDefault();
  attachAll(editor, event.dataTransfer.files);
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-quote]");
  const area = document.querySelector("#comment textarea");
  if (!link || !area || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const answer = await fetch(link.dataset.quote).catch(() => null);
  if (!answer?.ok) return void (location.href = link.href);
  const quote = await answer.text();
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
  insert(area, (area.value.trim() ? "\n\n" : "") + quote);
  area.scrollIntoView({ block: "center" });
});

// A new comment pushes the form down: whoever writes in it sees it where it was.
let held = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const active = document.activeElement;
  held = detail.target.id === "newer" && active?.matches("textarea, input") ? [active, active.getBoundingClientRect().top] : null;
});
document.addEventListener("htmx:afterSettle", () => {
  if (!held) return;
  const [active, top] = held;
  held = null;
  scrollBy(0, active.getBoundingClientRect().top - top);
});

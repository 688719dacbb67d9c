// The editor's manners: Tab indents, Enter keeps the indent, Ctrl+S saves, leaving asks first; write and preview.

const form = document.querySelector("form[data-editing]");
const area = form?.querySelector("textarea[data-editor]");

function insert(text) {
  // As if typed, so that undo knows it.
  if (!document.execCommand("insertText", false, text)) area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
}

function indent(back) {
  const { value, selectionStart: from, selectionEnd: to } = area;
  const start = value.lastIndexOf("\n", from - 1) + 1;
  if (from === to && !back) return insert(value.slice(start).startsWith("\t") || area.dataset.tab === "tab" ? "\t" : "    ");
  const end = value.indexOf("\n", Math.max(from, to - 1));
  const lines = value.slice(start, end < 0 ? value.length : end).split("\n");
  const moved = lines.map((line) => (back ? line.replace(/^(\t| {1,4})/, "") : line && `    ${line}`)).join("\n");
  area.setSelectionRange(start, end < 0 ? value.length : end);
  insert(moved);
  area.setSelectionRange(start, start + moved.length);
}

function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && event.key === "s") {
    event.preventDefault();
    form.requestSubmit(form.querySelector("button[value=save]"));
    return;
  }
  if (event.key === "Escape") {
    area.dataset.leaving = "1";
    return;
  }
  if (event.key === "Tab" && !area.dataset.leaving && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    indent(event.shiftKey);
  } else if (event.key === "Enter" && !event.isComposing && area.selectionStart === area.selectionEnd) {
    const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
    const blank = /^[ \t]*/.exec(area.value.slice(start, area.selectionStart))[0];
    if (blank) {
      event.preventDefault();
      insert(`\n${blank}`);
    }
  }
  if (event.key !== "Shift") delete area.dataset.leaving;
}

function show(name) {
  for (const tab of form.querySelectorAll("[data-tab]")) {
    const isShown = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", String(isShown));
    document.getElementById(tab.dataset.tab).hidden = !isShown;
  }
}

// What was typed and never saved (drafts.js keeps it) does not push the file's text aside: it is offered.
function offerDraft() {
  const key = `draft:${area.dataset.draft}`;
  let kept = null;
  try { kept = JSON.parse(localStorage.getItem(key))?.text ?? null; } catch { return; }
  const notice = form.querySelector("[data-kept]");
  if (!kept || kept === area.value) return;
  notice.hidden = false;
  form.querySelector("[data-put-back]").addEventListener("click", () => {
    area.focus();
    area.select();
    insert(kept);
    notice.hidden = true;
  });
  form.querySelector("[data-drop-draft]").addEventListener("click", () => {
    localStorage.removeItem(key);
    notice.hidden = true;
    area.focus();
  });
}

if (area) {
  const before = area.defaultValue;
  offerDraft();
  let leaves = false;
  area.addEventListener("keydown", onKey);
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value === "save") leaves = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!leaves && area.value !== before) event.preventDefault();
  });
  addEventListener("pageshow", () => { leaves = false; });
  for (const tab of form.querySelectorAll("[data-tab]")) tab.addEventListener("click", () => show(tab.dataset.tab));
}

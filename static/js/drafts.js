// What is typed into a long field (`data-draft="key"`) is kept in this browser until it was sent: a session that
// ended, a lost connection or a closed tab loses nothing.

import { MAX_CHARACTERS, depart, forget, mark, read, write } from "./kept.js";

function save(field) {
  const key = field.dataset.draft;
  const text = field.value;
  if (!text.trim() || text === field.defaultValue) forget(key);
  else if (text.length <= MAX_CHARACTERS) write(key, { base: mark(field.defaultValue), ...read(key), text, at: Date.now() });
}

function restore() {
  for (const field of document.querySelectorAll("textarea[data-draft]")) {
    const { text = "", base } = read(field.dataset.draft) ?? {};
    if (!text || field.value.trim() === text.trim()) continue;
    // What the server put there (a quotation, a text kept over the sign-in) stays, after what was typed.
    if (!field.value.trim() || mark(field.defaultValue) === base) field.value = text;
    else if ("draftJoin" in field.dataset && !field.value.includes(text.trim())) field.value = `${text}\n\n${field.value}`;
    else continue; // the page changed beneath the draft: the draft stays kept, and the editor of files offers it
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

document.addEventListener("input", (event) => {
  if (event.target.matches?.("textarea[data-draft]")) save(event.target);
});
document.addEventListener("submit", (event) => {
  for (const field of event.target.querySelectorAll("textarea[data-draft]")) depart(field.dataset.draft, event.target);
});

restore();
// What was typed before this script came.
for (const field of document.querySelectorAll("textarea[data-draft]")) if (field.value !== field.defaultValue) save(field);

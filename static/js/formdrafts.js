// All that is filled into a form with `data-draft="key"` is kept in this browser until it was sent. The form holds
// the notice of partials/_draft.html; in it, or where the page was drawn from what was sent:
//   data-draft-sent    on the form: the page is the answer to it, so what it shows is newer than what is kept
//   data-draft-keep    on a hidden field that belongs to what was typed, such as the commit it was begun on
//   data-draft-kept    on a part that the server has kept when it draws it anew
//   data-draft-fields  on a part that is drawn anew for other fields: those it lacks travel along in it

import { MAX_CHARACTERS, depart, forget, mark, read, write } from "./kept.js";

const NEVER = new Set(["password", "file", "submit", "button", "reset", "image", "search"]);
const isKept = (field) => field.name && !NEVER.has(field.type) && (field.type !== "hidden" || "draftKeep" in field.dataset);
const states = new Map();

// What is filled in; with `drawn` what the server put there.
function valuesOf(form, drawn = false) {
  const values = {};
  for (const field of form.elements) {
    if (!isKept(field)) continue;
    const isChecked = drawn ? field.defaultChecked : field.checked;
    if (field.type === "radio") {
      if (isChecked) values[field.name] = field.value;
    } else if (field.type === "checkbox") values[field.name] = isChecked ? "on" : "";
    else values[field.name] = drawn ? drawnValue(field) : field.value;
  }
  return values;
}

function drawnValue(field) {
  // A field of one line takes line breaks out.
  if (field instanceof HTMLInputElement) return field.type === "hidden" ? field.defaultValue : field.defaultValue.replace(/[\r\n]/g, "");
  if (!(field instanceof HTMLSelectElement)) return field.defaultValue;
  const options = [...field.options];
  return (options.find((option) => option.defaultSelected) ?? options[0])?.value ?? "";
}

const textOf = (values) => JSON.stringify(Object.entries(values).sort(([one], [other]) => (one < other ? -1 : 1)));
const isSame = (one, other) => textOf(one) === textOf(other);

function fill(form, values) {
  const missing = new Set(Object.keys(values));
  for (const field of form.elements) {
    if (!isKept(field) || !Object.hasOwn(values, field.name)) continue;
    const value = values[field.name];
    missing.delete(field.name);
    if (field.type === "radio") field.checked = field.value === value;
    else if (field.type === "checkbox") field.checked = value === "on";
    else if (field.value !== value) {
      if (field instanceof HTMLSelectElement && ![...field.options].some((option) => option.value === value)) field.add(new Option(value, value));
      field.value = value;
      field.closest("details")?.setAttribute("open", "");
    }
  }
  carry(form, Object.fromEntries([...missing].map((name) => [name, values[name]])));
}

// Fields that are drawn only later, for what was just filled in, travel along until then.
function carry(form, missing) {
  const place = form.querySelector("[data-draft-fields]");
  if (!place) return;
  for (const [name, value] of Object.entries(missing)) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", name, value });
    field.dataset.draftKeep = "";
    place.append(field);
  }
  place.dispatchEvent(new Event("input", { bubbles: true }));
}

// What was not typed, but drawn anew while the form was on its way, leaves it on its way.
function save(form, isTyped = true) {
  const state = states.get(form);
  const key = form.dataset.draft;
  const values = valuesOf(form);
  if (isSame(values, state.drawn) && !state.isSent) return forget(key);
  // What was sent and refused was begun over the page before this one.
  const before = read(key);
  const base = (state.isSent && before?.base) || mark(textOf(state.drawn));
  if (textOf(values).length <= MAX_CHARACTERS) write(key, { ...(isTyped ? {} : before), base, values, at: Date.now() });
}

function say(form, which) {
  const notice = form.querySelector("[data-draft-notice]");
  notice.hidden = !which;
  for (const words of notice.querySelectorAll("[data-when]")) words.hidden = words.dataset.when !== which;
}

function putBack(form, values) {
  form.closest("details")?.setAttribute("open", "");
  fill(form, values);
  Object.assign(states.get(form), { isOffered: false, isIdle: false });
  save(form);
  say(form, "back");
}

function drop(form) {
  const state = states.get(form);
  if (!state.isOffered) fill(form, state.drawn);
  // Beside what was offered something else may have been typed meanwhile.
  state.isIdle ||= !state.isOffered;
  state.isOffered = false;
  forget(form.dataset.draft);
  if (!state.isIdle) save(form);
  say(form, "");
}

function start(form) {
  const now = valuesOf(form);
  const drawn = valuesOf(form, true);
  // Not idle: something was typed before this script came, or the browser itself put it back.
  const state = { drawn, isSent: "draftSent" in form.dataset, isOffered: false, isIdle: isSame(now, drawn) };
  states.set(form, state);
  const { values, base } = read(form.dataset.draft) ?? {};
  form.querySelector("[data-put-back]").addEventListener("click", () => putBack(form, values));
  for (const button of form.querySelectorAll("[data-drop-draft]")) button.addEventListener("click", () => drop(form));
  if (!values || state.isSent) {
    if (values || !state.isIdle) save(form);
  } else if (isSame(values, drawn)) forget(form.dataset.draft);
  else if (isSame(values, now) || (state.isIdle && base === mark(textOf(drawn)))) putBack(form, values);
  else {
    state.isOffered = true;
    say(form, "offered");
  }
}

function typed(event) {
  const form = event.target.closest?.("form[data-draft]");
  if (!states.has(form)) return;
  states.get(form).isIdle = false;
  save(form);
}

document.addEventListener("input", typed);
document.addEventListener("change", typed);
document.addEventListener("submit", (event) => {
  if (states.has(event.target)) depart(event.target.dataset.draft, event.target);
});
// A part was drawn anew: what the server keeps itself needs no draft, what it does not is kept as it now is.
document.addEventListener("htmx:afterSettle", ({ target }) => {
  const form = target.closest?.("form[data-draft]");
  const state = states.get(form);
  if (!state) return;
  if (target.closest("[data-draft-kept]")) Object.assign(state, { drawn: valuesOf(form, true), isSent: false });
  if (!state.isIdle) save(form, false);
});
// htmx, which a form may be brought into step by, listens from then on.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("form[data-draft]").forEach(start));

// What was typed and not sent yet, in this browser's storage by key: long texts (drafts.js) and whole forms
// (formdrafts.js). Never used for passwords.
//
// A form with a `submit_key` is known to be done when the server says so, by the cookie `sent`; another form when
// the page it leads to is neither the sign-in nor the form again. Pages that forms lead to load this as well.

const PREFIX = "draft:";
const KEPT_DAYS = 14;
export const MAX_CHARACTERS = 1_000_000;

export function read(key) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key));
  } catch {
    return null; // no storage, or not ours
  }
}

export function write(key, draft) {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(draft));
  } catch {
    // The storage is full or forbidden: the page works as without it.
  }
}

export function forget(key) {
  try {
    localStorage.removeItem(PREFIX + key);
  } catch {
    // as above
  }
}

function keys() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)).map((key) => key.slice(PREFIX.length));
  } catch {
    return [];
  }
}

// Which text a draft was begun over: an article's, say, that may be another one when the draft is found again.
export function mark(text) {
  let sum = text.length;
  for (let at = 0; at < text.length; at += 1) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return sum;
}

// What was written under the key goes on its way with this form.
export function depart(key, form) {
  const draft = read(key);
  const submitKey = form.elements.namedItem("submit_key")?.value ?? "";
  if (draft) write(key, { ...draft, submitted: true, submitKey });
}

function clean() {
  const sent = document.cookie.match(/(?:^|; )sent=([0-9a-zA-Z]+)/)?.[1];
  const here = new Set([...document.querySelectorAll("[data-draft]")].map((field) => field.dataset.draft));
  const away = /^\/(login|signup)/.test(location.pathname);
  for (const key of keys()) {
    const draft = read(key);
    // A page that was refused and shown again is no longer on its way.
    const isDone = draft?.submitKey ? draft.submitKey === sent : draft?.submitted && !away && !here.has(key);
    const isOld = !draft?.at || Date.now() - draft.at > KEPT_DAYS * 86_400_000;
    if (isDone || isOld) forget(key);
  }
  if (sent) document.cookie = "sent=; max-age=0; path=/; samesite=lax";
}

clean();

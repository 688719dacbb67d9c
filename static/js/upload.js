// Files into a repo: chosen or dropped, the large ones in parts that a lost connection or a reload does not undo,
// all of them in one commit or pull request. The server keeps parts by content: what is here is never sent twice.

const form = document.querySelector("form[data-upload]");
const say = form ? form.dataset : {};
const PARALLEL = 3;
const BATCH = 500;
const MEMORY = `tuneyard-upload:${say.key}`;

// --- small things

const part = (name) => form.querySelector(`[data-${name}]`);
const encode = (path) => path.split("/").map(encodeURIComponent).join("/");

function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (size >= 999.5 && place < units.length - 1) { size /= 1000; place += 1; }
  return `${new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: place && size < 100 ? 1 : 0 }).format(size)} ${units[place]}`;
}

function csrf() {
  const cookie = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
  return cookie ? cookie[1] : form.elements.csrfmiddlewaretoken.value;
}

function remembered() {
  try { return JSON.parse(localStorage.getItem(MEMORY)) ?? null; } catch { return null; }
}

function remember(value) {
  try { value ? localStorage.setItem(MEMORY, JSON.stringify(value)) : localStorage.removeItem(MEMORY); } catch { /* full or forbidden */ }
}

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

class Refused extends Error {}

// --- hashing, in a worker so that the page stays quick

let worker;
let asked = 0;
const waiting = new Map();

function ask(message, onProgress, transfer = []) {
  if (!worker) {
    worker = new Worker(say.worker);
    worker.onmessage = ({ data }) => {
      const one = waiting.get(data.id);
      if (data.sha256 || data.failed) waiting.delete(data.id);
      if (data.sha256) one.resolve(data.sha256);
      else if (data.failed) one.reject(new Refused(say.sayChanged));
      else one.onProgress?.(data.done);
    };
  }
  asked += 1;
  return new Promise((resolve, reject) => {
    waiting.set(asked, { resolve, reject, onProgress });
    worker.postMessage({ ...message, id: asked }, transfer);
  });
}

// Only secure origins have the browser's own.
async function digest(buffer) {
  return crypto.subtle ? hex(await crypto.subtle.digest("SHA-256", buffer)) : ask({ digest: buffer });
}

// --- what is chosen

const items = new Map();

function problemOf(path, file) {
  const names = path.split("/");
  const bad = names.some((name) => !name || name === "." || name === ".." || /^\.git$/i.test(name) || new TextEncoder().encode(name).length > 255);
  if (bad || /[\u0000-\u001f\u007f]/.test(path)) return say.sayBadPath;
  return file.size > Number(say.maxBytes) ? say.sayTooLarge : "";
}

function choose(files) {
  tell("");
  for (const [relative, file] of files) {
    const path = say.folder ? `${say.folder}/${relative}` : relative;
    const isTwice = items.has(path);
    if (!isTwice && items.size >= Number(say.maxFiles)) { tell(say.sayTooMany); break; }
    items.get(path)?.row.remove();
    const item = { path, file, sent: 0, isDone: false, problem: problemOf(path, file) };
    items.set(path, item);
    draw(item, item.problem || (isTwice ? say.sayTwice : file.size ? say.sayWaiting : say.sayEmpty));
  }
  part("chosen").hidden = !items.size;
}

function draw(item, state) {
  const row = document.createElement("tr");
  for (const [text, name] of [[item.path, "mono"], [bytes(item.file.size), "num"], [state, "state"]]) {
    const cell = document.createElement("td");
    cell.className = name;
    cell.textContent = text;
    row.append(cell);
  }
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "icon-button";
  remove.textContent = "×";
  remove.setAttribute("aria-label", say.sayRemove.replace("{name}", item.path));
  remove.addEventListener("click", () => {
    if (going) return;
    items.delete(item.path);
    row.remove();
    part("chosen").hidden = !items.size;
  });
  row.insertCell().append(remove);
  item.row = row;
  row.classList.toggle("is-bad", Boolean(item.problem));
  part("chosen").querySelector("tbody").append(row);
}

function state(item, text) {
  item.row.querySelector(".state").textContent = text;
}

async function* inside(entry, path) {
  if (entry.isFile) {
    yield [path + entry.name, await new Promise((resolve, reject) => entry.file(resolve, reject))];
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const found = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!found.length) return;
    for (const one of found) yield* inside(one, `${path}${entry.name}/`);
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return choose([...transfer.files].map((file) => [file.name, file]));
  const found = [];
  for (const entry of entries) {
    for await (const one of inside(entry, "")) {
      found.push(one);
      if (found.length > Number(say.maxFiles)) break;
    }
  }
  return choose(found);
}

// --- sending, which can be paused and loses nothing with the connection

let going = false;
let leaves = false;
let paused = false;
let wake = () => {};
let stop = new AbortController();

function tell(text) {
  const box = part("problem");
  box.textContent = text;
  box.hidden = !text;
}

function pause(text) {
  paused = true;
  stop.abort();
  stop = new AbortController();
  tell(text);
  part("pause").hidden = true;
  part("resume").hidden = false;
}

function resume() {
  paused = false;
  tell("");
  part("pause").hidden = false;
  part("resume").hidden = true;
  wake();
}

async function gate() {
  while (paused) await new Promise((resolve) => { const before = wake; wake = () => { before(); resolve(); }; });
}

async function lost(times) {
  tell(say.sayLost);
  const wait = Math.min(1000 * 2 ** times, 15000);
  await new Promise((resolve) => {
    const timer = setTimeout(done, wait);
    function done() { clearTimeout(timer); removeEventListener("online", done); resolve(); }
    addEventListener("online", done);
    const before = wake;
    wake = () => { before(); done(); };
  });
}

// One request until it is answered; `once` hands a lost connection to the caller.
async function call(url, body, { once = false, method = "POST", type = "application/json" } = {}) {
  for (let times = 0; ; times += 1) {
    await gate();
    let answer;
    try {
      answer = await fetch(url, { method, body, signal: once ? undefined : stop.signal, headers: { "X-CSRFToken": csrf(), ...(body === undefined ? {} : { "Content-Type": type }) } });
    } catch (error) {
      if (once) throw error;
      if (!paused) await lost(times);
      continue;
    }
    if (answer.status === 401) { pause(say.saySignedOut); continue; }
    if (answer.status >= 500 || answer.status === 429) {
      if (once || times > 8) throw new Refused((await words(answer)) || say.sayLost);
      await lost(times);
      continue;
    }
    if (!paused) tell("");
    return answer;
  }
}

async function words(answer) {
  try { return (await answer.json()).error ?? ""; } catch { return answer.headers.get("X-Error-Message") ?? ""; }
}

async function json(answer) {
  if (!answer.ok) throw new Refused((await words(answer)) || `${answer.status}`);
  return answer.json();
}

function progress() {
  let done = 0;
  let total = 0;
  for (const item of items.values()) {
    if (item.problem || item.ignored) continue;
    total += item.file.size;
    done += item.isDone ? item.file.size : Math.min(item.sent, item.file.size);
  }
  const percent = total ? Math.floor((100 * done) / total) : 100;
  form.querySelector("progress").value = total ? done / total : 1;
  part("told").textContent = say.sayProgress.replace("{done}", bytes(done)).replace("{total}", bytes(total)).replace("{percent}", percent);
}

function put(href, buffer, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", href);
    request.setRequestHeader("X-CSRFToken", csrf());
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => resolve(request);
    request.onerror = request.onabort = request.ontimeout = () => reject(new Error("lost"));
    stop.signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(buffer);
  });
}

async function sendPart(item, one, size, moving) {
  const start = (one.number - 1) * size;
  let buffer;
  try { buffer = await item.file.slice(start, start + size).arrayBuffer(); } catch { throw new Refused(say.sayChanged); }
  const wanted = await digest(buffer.slice(0));
  for (let times = 0; !one.etags.includes(wanted); times += 1) {
    await gate();
    try {
      const answer = await put(one.href, buffer, (loaded) => moving(one.number, loaded));
      if (answer.status === 200 && answer.getResponseHeader("ETag") === `"${wanted}"`) { tell(""); break; }
      if (answer.status === 401) { pause(say.saySignedOut); continue; }
      if (answer.status < 500 && answer.status !== 200 && times > 3) throw new Refused(JSON.parse(answer.responseText || "{}").error ?? String(answer.status));
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    moving(one.number, 0);
    if (!paused) await lost(times);
  }
  moving(one.number, buffer.byteLength);
  return { partNumber: one.number, etag: wanted };
}

async function sendLarge(item, query) {
  const known = remembered();
  const mark = `${item.path}|${item.file.size}|${item.file.lastModified}`;
  item.sha256 = known?.hashes?.[mark];
  if (!item.sha256) {
    state(item, say.sayReading);
    item.sha256 = await ask({ file: item.file }, (done) => state(item, `${say.sayReading} ${Math.floor((100 * done) / item.file.size)} %`));
    const memory = remembered() ?? { names: [], hashes: {} };
    if (Object.keys(memory.hashes).length < 200) memory.hashes[mark] = item.sha256;
    remember(memory);
  }
  if (item.oid === item.sha256) return;
  const begin = `${say.api}/upload-parts/${encodeURIComponent(say.revision)}${query}`;
  const plan = await json(await call(begin, JSON.stringify({ oid: item.sha256, size: item.file.size })));
  if (plan.held) return;
  state(item, say.saySending);
  const loaded = new Map();
  const moving = (number, done) => {
    loaded.set(number, done);
    item.sent = [...loaded.values()].reduce((sum, one) => sum + one, 0);
    state(item, `${say.saySending} ${Math.floor((100 * item.sent) / item.file.size)} %`);
    progress();
  };
  const queue = [...plan.parts];
  const done = [];
  const lane = async () => {
    for (let one = queue.shift(); one; one = queue.shift()) done.push(await sendPart(item, one, plan.part_size, moving));
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  done.sort((a, b) => a.partNumber - b.partNumber);
  const answer = await call(plan.complete, JSON.stringify({ oid: item.sha256, parts: done }));
  if (!answer.ok) {
    const memory = remembered();
    if (memory) { delete memory.hashes[mark]; remember(memory); }
  }
  await json(answer);
}

async function base64(blob) {
  const reader = new FileReader();
  return new Promise((resolve, reject) => {
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(new Refused(say.sayChanged));
    reader.readAsDataURL(blob);
  });
}

async function blobId(file) {
  if (!crypto.subtle || file.size > 8e6) return "";
  const head = new TextEncoder().encode(`blob ${file.size}\0`);
  return hex(await crypto.subtle.digest("SHA-1", await new Blob([head, file]).arrayBuffer()));
}

// How each file is to be sent, and what is at its path now; the commit that this was read from.
async function plan(chosen, query) {
  let parent = "";
  for (let at = 0; at < chosen.length; at += BATCH) {
    const batch = chosen.slice(at, at + BATCH);
    const files = await Promise.all(batch.map(async ({ path, file }) => ({ path, size: file.size, sample: await base64(file.slice(0, 512)) })));
    const answer = await json(await call(`${say.api}/preupload/${encodeURIComponent(say.revision)}${query}`, JSON.stringify({ files })));
    parent = answer.commitOid;
    answer.files.forEach((one, place) => {
      Object.assign(batch[place], { mode: batch[place].file.size ? one.uploadMode : "regular", ignored: one.shouldIgnore, oid: one.oid });
    });
  }
  return parent;
}

async function commit(chosen, parent, query, creates) {
  const summary = form.elements.summary.value.trim() || form.elements.summary.placeholder;
  const header = { summary, description: form.elements.description.value };
  const lines = [];
  for (const item of chosen) {
    const value = item.mode === "lfs" ? { path: item.path, algo: "sha256", oid: item.sha256, size: item.file.size } : { path: item.path, encoding: "base64", content: await base64(item.file) };
    lines.push(JSON.stringify({ key: item.mode === "lfs" ? "lfsFile" : "file", value }));
  }
  const url = `${say.api}/commit/${encodeURIComponent(say.revision)}${query}`;
  for (let times = 0; ; times += 1) {
    const first = JSON.stringify({ key: "header", value: { ...header, parentCommit: parent } });
    let answer;
    try {
      answer = await call(url, new Blob([[first, ...lines].join("\n")]), { once: true, type: "application/x-ndjson" });
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (creates) throw new Refused(say.sayUnsure);
      await lost(times);
    }
    if (answer?.ok) return answer.json();
    if (answer && answer.status !== 412) throw new Refused((await words(answer)) || String(answer.status));
    // It may have arrived although its answer did not, or somebody else's commit came first.
    const newest = await json(await call(`${say.api}/commits/${encodeURIComponent(say.revision)}`, undefined, { method: "GET" }));
    const since = newest.slice(0, Math.max(0, newest.findIndex((one) => one.id === parent)));
    if (!answer && since.some((one) => one.title === summary)) return {};
    parent = newest[0]?.id ?? parent;
    if (times > 20) throw new Refused(say.sayLost);
  }
}

async function send() {
  const creates = form.querySelector("[name=how]:checked")?.value === "request";
  const query = creates ? "?create_pr=1" : "";
  const chosen = [...items.values()].filter((item) => !item.problem);
  if (!chosen.length) throw new Refused(say.sayNone);
  remember({ names: chosen.slice(0, 5).map((item) => item.path), hashes: remembered()?.hashes ?? {} });
  const parent = await plan(chosen, query);
  for (const item of chosen) if (item.ignored) state(item, say.sayIgnored);
  const wanted = chosen.filter((item) => !item.ignored);
  const small = wanted.filter((item) => item.mode === "regular");
  if (small.reduce((sum, item) => sum + item.file.size, 0) * 1.4 > Number(say.commitBytes)) throw new Refused(say.sayTooMuch);
  progress();
  for (const item of wanted) {
    if (item.mode === "lfs") await sendLarge(item, query);
    item.isDone = true;
    state(item, item.mode === "lfs" && item.oid === item.sha256 ? say.sayHere : say.saySent);
    progress();
  }
  const isHere = await Promise.all(wanted.map(async (item) => item.oid && item.oid === (item.mode === "lfs" ? item.sha256 : await blobId(item.file))));
  if (isHere.every(Boolean)) { remember(null); throw new Refused(say.sayNothing); }
  part("told").textContent = say.sayCommitting;
  const done = await commit(wanted, parent, query, creates);
  remember(null);
  leaves = true;
  location.assign(done.pullRequestUrl ? new URL(done.pullRequestUrl).pathname : say.back);
}

async function start() {
  if (going) return;
  going = true;
  part("send").disabled = true;
  part("overall").hidden = false;
  part("interrupted").hidden = true;
  try {
    await send();
  } catch (error) {
    tell(error instanceof Refused ? error.message : `${say.sayLost} (${error.message})`);
    part("overall").hidden = !items.size;
  } finally {
    if (!leaves) { going = false; part("send").disabled = false; }
  }
}

if (form) {
  form.classList.add("has-script");
  const drop = part("drop");
  for (const input of form.querySelectorAll("input[type=file]")) {
    const take = () => {
      choose([...input.files].map((file) => [file.webkitRelativePath || file.name, file]));
      input.value = "";
    };
    input.addEventListener("change", take);
    if (input.files.length) take(); // chosen before this script was here
  }
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("is-over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    if (!going) dropped(event.dataTransfer);
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); start(); });
  part("pause").addEventListener("click", () => pause(say.sayPaused));
  part("resume").addEventListener("click", resume);
  addEventListener("beforeunload", (event) => { if (going && !leaves) event.preventDefault(); });
  const known = remembered();
  if (known?.names?.length) {
    part("interrupted").hidden = false;
    part("names").textContent = known.names.join(", ");
    part("forget").addEventListener("click", () => { remember(null); part("interrupted").hidden = true; });
  }
}

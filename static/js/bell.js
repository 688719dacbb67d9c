// The number on the bell, asked for once a minute while somebody looks.

const SECONDS = 60;

async function ask() {
  const bell = document.getElementById("bell");
  if (!bell?.dataset.countAt || document.hidden || bell === document.activeElement) return;
  try {
    const answer = await fetch(bell.dataset.countAt, { headers: { "X-Requested-With": "fetch" } });
    if (answer.status !== 200) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("bell");
    if (fresh && fresh.outerHTML !== bell.outerHTML) bell.replaceWith(fresh);
  } catch {
    // The hub is away for a moment; the number stays as it was.
  }
}

setInterval(ask, SECONDS * 1000);
document.addEventListener("visibilitychange", ask);

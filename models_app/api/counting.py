"""Which requests for a file count as a download, and whose they are (hf-wire section 9)."""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.actor import Actor
from accounts.throttle import address_of
from models_app.actions.downloads import note_download
from models_app.api.recent import Recent
from models_app.models import Repo
from models_app.storage.gitstore import GitStore

QUERY_FILE = "config.json"
# Asking for the query file twice within so many seconds is one download: clients send HEAD, then GET.
WINDOW_SECONDS = 300
# What the tools of the field call themselves. Browsers, monitors and crawlers are not among them.
_CLIENTS = re.compile(
    r"hf_hub/|huggingface|hf-hub|hf_transfer|transformers/|diffusers/|datasets/|timm/|sentence-transformers|"
    r"\bgit/|git-lfs/|llama|vllm|candle|mlx",
    re.IGNORECASE,
)
# What programs without a person behind them call themselves, though they may use such a tool.
_BOTS = re.compile(
    r"(?<!ro)bot\b|crawl|spider|slurp|scrap(?:er|y)|monitor|uptime|pingdom|headless", re.IGNORECASE
)

# Whom this process noted lately, so that a busy client writes one line and not thousands.
_recent = Recent()


def count_request(
    request: HttpRequest, actor: Actor, repo: Repo, store: GitStore, oid: str, path: str
) -> None:
    """Note a download, if this request for `path` of commit `oid` is one.

    Where a repo has a `config.json`, only that file counts, at most once in five minutes a client; elsewhere
    a client's first file of the day does.
    """
    agent = request.headers.get("User-Agent", "")[:500]
    if not _CLIENTS.search(agent) or _BOTS.search(agent):
        return
    now = timezone.now()
    seconds, window = 86_400, ""
    if path == QUERY_FILE:
        seconds, window = WINDOW_SECONDS, str(int(now.timestamp()) // WINDOW_SECONDS)
    elif (entry := store.entry(oid, QUERY_FILE)) is not None and entry.is_file:
        return
    # A keyed hash that changes every day: it tells clients apart, and nobody can tell from it who they are.
    who = f"user {actor.user.pk}" if actor.user else f"{address_of(request)} {agent}"
    if _recent.is_new(f"{repo.pk} {now:%Y-%m-%d} {who}", now.timestamp(), seconds):
        key = salted_hmac("tuneyard.downloads", f"{now:%Y-%m-%d} {window} {who}").hexdigest()[:20]
        note_download(repo, key, now)

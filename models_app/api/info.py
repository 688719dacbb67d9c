"""What is known of a repo at a revision: info, references, commits (hf-wire sections 4 and 6)."""

from __future__ import annotations

from html import escape
from typing import Any

from django.http import JsonResponse
from rest_framework.request import Request

from accounts.prepared import Prepared
from models_app.actions.index_reading import MAX_SIBLINGS
from models_app.api.facts import gather
from models_app.api.repo_view import RepoAPIView
from models_app.api.summaries import info_properties, siblings_json, siblings_with_blobs_json, summary_json
from models_app.api.wire import flag, next_link, query_int, wire_time
from models_app.content.cards import parse_card
from models_app.discussions import pull_request_refs
from models_app.files import git_store
from models_app.models import Repo, RepoCard
from models_app.storage.githistory import Commit
from models_app.storage.gitstore import Entry, GitStore, Ref
from models_app.storage.lfs import format_pointer

MAX_COMMITS_PAGE = 1000
MAX_CARD_BYTES = 1024**2
_CARD = Prepared(
    lambda repo: RepoCard.objects.filter(repo=repo).defer("html", "search_text", "preview").order_by(), 1
)


class RepoInfo(RepoAPIView):
    """GET /api/{T}/{id}[/revision/{rev}]; `blobs=true` adds sizes, `expand=…` asks for single properties,
    `securityStatus=true` for the state of scans."""

    def get(self, request: Request, revision: str = "", **words: str) -> JsonResponse:
        repo = self.repo()
        store = git_store(repo)
        oid = store.resolve(revision or repo.default_branch)
        expand = request.GET.getlist("expand") + request.GET.getlist("expand[]")
        wanted = dict.fromkeys(info_properties(repo.repo_type, expand))
        _load_card(repo)
        info = summary_json(repo, wanted, gather(self.actor, [repo], wanted))
        if not expand or "sha" in expand:
            info["sha"] = oid
        if not expand or "siblings" in expand:
            info["siblings"] = _siblings(repo, store, oid, blobs=flag(request.GET.get("blobs")))
        if "cardData" in info and not _is_indexed(repo, oid):
            info["cardData"] = _metadata_at(store, oid)
        if flag(request.GET.get("securityStatus")) and not expand:
            # Nothing here is scanned, and nothing is claimed to have been.
            info["securityRepoStatus"] = {"scansDone": False, "filesWithIssues": []}
        return JsonResponse(info, headers={"X-Repo-Commit": oid})


def _load_card(repo: Repo) -> None:
    """Its card without the long texts, which info does not tell; where there is none nothing happens."""
    card = _CARD.first(repo.pk)
    if card is not None:
        repo.card = card


def _is_indexed(repo: Repo, oid: str) -> bool:
    card = getattr(repo, "card", None)
    return card is not None and card.oid == oid


def _metadata_at(store: GitStore, oid: str) -> dict[str, Any]:
    """The card's metadata as of another commit than the indexed one."""
    entry = store.entry(oid, "README.md")
    if entry is None or not entry.is_file or entry.pointer or entry.size > MAX_CARD_BYTES:
        return {}
    return parse_card(store.blob(entry.oid).decode("utf-8", "replace")).metadata


def _siblings(repo: Repo, store: GitStore, oid: str, *, blobs: bool) -> list[dict[str, Any]]:
    """Every file of a commit, from the index where it has them all; with `blobs` also sizes and ids."""
    if _is_indexed(repo, oid) and len(repo.card.siblings) < MAX_SIBLINGS:
        return siblings_with_blobs_json(repo.card) if blobs else siblings_json(repo.card)
    if not blobs:
        return [{"rfilename": entry.path} for entry in store.files(oid)]
    return [_sibling_json(entry) for entry in store.files(oid)]


def _sibling_json(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": entry.path, "size": entry.size, "blobId": entry.oid}
    if entry.pointer:
        pointer_size = len(format_pointer(entry.pointer))
        found["lfs"] = {"sha256": entry.pointer.sha256, "size": entry.size, "pointerSize": pointer_size}
    return found


class Refs(RepoAPIView):
    """GET …/refs: branches and tags, with `include_prs` pull requests; this hub makes no conversions."""

    def get(self, request: Request, **words: str) -> JsonResponse:
        repo = self.repo()
        branches, tags = git_store(repo).refs()
        answer: dict[str, list[dict[str, str]]] = {
            "branches": [_ref_json(ref) for ref in branches],
            "tags": [_ref_json(ref) for ref in tags],
            "converts": [],
        }
        if flag(request.GET.get("include_prs")):
            answer["pullRequests"] = [_ref_json(ref) for ref in pull_request_refs(repo)]
        return JsonResponse(answer)


def _ref_json(ref: Ref) -> dict[str, str]:
    return {"name": ref.name, "ref": ref.ref, "targetCommit": ref.oid}


class Commits(RepoAPIView):
    """GET …/commits/{rev}: newest first, pages by `p` and `limit`, `X-Total-Count`."""

    def get(self, request: Request, revision: str, **words: str) -> JsonResponse:
        store = git_store(self.repo())
        oid = store.resolve(revision)
        page = query_int(request, "p", default=0, highest=10**6)
        limit = query_int(request, "limit", default=50, lowest=1, highest=MAX_COMMITS_PAGE)
        formatted = "formatted" in request.GET.getlist("expand[]") + request.GET.getlist("expand")
        total = store.count_commits(oid)
        headers = {"X-Total-Count": str(total)}
        if (page + 1) * limit < total:
            headers["Link"] = next_link(request, p=page + 1)
        rows = [_commit_json(found, formatted) for found in store.history(oid, page * limit, limit)]
        return JsonResponse(rows, safe=False, headers=headers)


def _commit_json(commit: Commit, formatted: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author, "avatar": ""}],
        "date": wire_time(commit.date),
    }
    if formatted:
        found["formatted"] = {"title": escape(commit.title), "message": escape(commit.message)}
    return found

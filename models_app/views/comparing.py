"""Any two revisions side by side, and the tensors of one weights file in both."""

from __future__ import annotations

from urllib.parse import quote

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from models_app.access import check_repo, may_read_content
from models_app.content.safetensors import BadSafetensors
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.errors import EntryNotFound, RevisionNotFound
from models_app.storage.gitdiff import diff
from models_app.storage.gitmerge import merge_base, new_commits
from models_app.storage.gitstore import Entry, GitStore
from models_app.tensor_diffs import diff_tensors
from models_app.views.diffs import shown_changes
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

MAX_COMMITS = 50
MAX_SHOWN = 1000
MAX_REVISION = 300


@require_safe
@page
def compare(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """`a...b` is what b has that a had not when they parted, `a..b` all in which they differ."""
    repo = repo_page(request, repo_type, namespace, name)
    if not repo.head_oid:
        raise Http404
    chosen = [request.GET.get(side, "").strip()[:MAX_REVISION] for side in ("from", "to")]
    if all(chosen):
        ends = "...".join(quote(side, safe="") for side in chosen)
        return HttpResponseRedirect(f"{repo.get_absolute_url()}/compare/{ends}")
    store = git_store(repo)
    dots = "..." if "..." in rest else ".."
    first, _dots, second = rest.strip("/").partition(dots)
    branches, tags = store.refs()
    context = repo_context(request, repo, tab="commits") | {
        "first": first,
        "second": second,
        "refs": [*branches, *tags],
    }
    try:
        old, new = store.resolve(first), store.resolve(second)
    except RevisionNotFound as missing:
        problem = _("There is no branch, tag or commit “%(name)s” here.") % {"name": missing.revision[:100]}
        return render(request, "repo/compare.html", context | {"problem": problem}, status=404)
    base = (merge_base(store, old, new) or old) if dots == "..." else old
    context |= {"base": base, "old": old, "new": new, "is_same": base == new}
    if not may_read_content(request.actor, repo):
        context["is_gated"] = True
    elif base != new:
        context["commits"] = new_commits(store, new, [old], MAX_COMMITS)
        context |= shown_changes(diff(store, base, new))
    return render(request, "repo/compare.html", context)


@require_safe
@page
def tensors(request: HubRequest, repo_type: str, namespace: str, name: str, rest: str) -> HttpResponse:
    """`{oid}...{oid}/{path}`: which tensors of a weights file changed between two commits, and how far."""
    repo = check_repo(request.actor, repo_page(request, repo_type, namespace, name))
    ends, _slash, path = rest.partition("/")
    first, _dots, second = ends.partition("...")
    store = git_store(repo)
    old, new = _entry(store, first, path), _entry(store, second, path)
    context = repo_context(request, repo, tab="commits") | {
        "path": path,
        "quoted_path": quote(path),
        "first": first,
        "second": second,
    }
    return render(request, "repo/tensors.html", context | _tensors(repo, old, new))


def _tensors(repo: Repo, old: Entry, new: Entry) -> dict[str, object]:
    try:
        found = diff_tensors(repo, old, new)
    except BadSafetensors as refusal:
        return {"problem": _("One of the two files is no sound safetensors file: %(why)s") % {"why": refusal}}
    except EntryNotFound:
        return {"problem": _("The content of one of the two files is not on this hub.")}
    shown = found.changes[:MAX_SHOWN]
    farthest = max((change.distance or 0.0 for change in shown), default=0.0)
    return {"found": found, "changes": shown, "more": len(found.changes) - len(shown), "farthest": farthest}


def _entry(store: GitStore, revision: str, path: str) -> Entry:
    """The weights file in a commit, or 404."""
    try:
        entry = store.entry(store.resolve(revision), path)
    except RevisionNotFound as missing:
        raise Http404 from missing
    if entry is None or not entry.is_file or not path.endswith(".safetensors"):
        raise Http404
    return entry

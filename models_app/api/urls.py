"""The whole wire on one page, matched on the raw path, so that an encoded slash stays inside its segment.

Django's outer resolver only decides that a path belongs to the wire; `wire_entry` matches the raw path
against `WIRE` and hands every captured text over decoded.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path, re_path
from django.urls.exceptions import Resolver404
from django.urls.resolvers import RegexPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt

from models_app.api import (
    access_requests,
    attachments,
    buckets,
    collections,
    commits,
    compare,
    discussions,
    files,
    follows,
    git,
    info,
    leaderboards,
    lfs,
    likes,
    listing,
    moves,
    my_repos,
    not_here,
    oauth,
    page_uploads,
    quicksearch,
    repos,
    resolve,
    spaces,
    squash,
    tags,
    tensors,
    users,
    webhooks,
    xet,
    xet_copies,
    xet_download,
    xet_links,
    xet_upload,
)
from models_app.api.repo_view import REPO_TYPES
from models_app.api.wire import error_response, raw_path

_REPO = "api/<str:kind>/<str:namespace>/<str:name>"


def _file_routes(kind: str) -> list[URLPattern]:
    """Files and git, outside /api: models have no prefix there."""
    top = ("" if kind == "models" else f"{kind}/") + "<str:namespace>/<str:name>"
    words = {"kind": kind}
    return [
        path(f"{top}/resolve/<str:revision>/<path:path>", resolve.Resolve.as_view(), words),
        path(f"{top}/raw/<str:revision>/<path:path>", resolve.Raw.as_view(), words),
        path(f"{top}/info/refs", git.InfoRefs.as_view(), words),
        path(f"{top}/git-upload-pack", git.UploadPack.as_view(), words),
        path(f"{top}/git-receive-pack", git.ReceivePack.as_view(), words),
    ]


def _first_word(route: URLPattern) -> str | None:
    """The word behind `api/` that a route wants; empty where it takes any, None for routes elsewhere."""
    top, _, rest = str(route.pattern).removeprefix("^").partition("/")
    if top != "api":
        return None
    word = rest.removesuffix("$").partition("/")[0]
    return word if re.fullmatch(r"[\w-]+", word) else ""


def _resolver(*words: str | None) -> URLResolver:
    return URLResolver(RegexPattern(r"^/"), [route for route in WIRE if _first_word(route) in words])


_TYPES = rf"(?:(?:{'|'.join(kind for kind in REPO_TYPES if kind != 'models')})/)?"
WIRE: list[URLPattern] = [
    # identity
    path("api/whoami-v2", users.WhoAmI.as_view()),
    path("api/agent-harnesses", users.AgentHarnesses.as_view()),
    path("api/telemetry/<path:topic>", users.Telemetry.as_view()),
    path("api/users/<str:name>/overview", users.UserOverview.as_view()),
    path("api/organizations/<str:name>/overview", users.OrganizationOverview.as_view()),
    *follows.urlpatterns,
    *quicksearch.urlpatterns,
    # repositories
    path("api/repos/create", repos.CreateRepo.as_view()),
    path("api/repos/delete", repos.DeleteRepo.as_view()),
    path("api/validate-yaml", commits.ValidateYaml.as_view()),
    *listing.urlpatterns,
    *leaderboards.urlpatterns,
    *xet.urlpatterns,
    *xet_download.urlpatterns,
    *xet_links.urlpatterns,
    *xet_upload.urlpatterns,
    *lfs.urlpatterns,
    *attachments.urlpatterns,
    *buckets.urlpatterns,
    *collections.urlpatterns,
    *webhooks.urlpatterns,
    *oauth.urlpatterns,
    *not_here.urlpatterns,
    *moves.urlpatterns,
    *my_repos.urlpatterns,
    *compare.urlpatterns,
    *tags.urlpatterns,
    *tensors.urlpatterns,
    *spaces.urlpatterns,
    *squash.urlpatterns,
    *xet_copies.urlpatterns,
    *discussions.urlpatterns,
    *likes.urlpatterns,
    *access_requests.urlpatterns,
    path(f"{_REPO}/settings", repos.RepoSettings.as_view()),
    path(f"{_REPO}/auth-check", repos.AuthCheck.as_view()),
    path(f"{_REPO}/auth-check/write", repos.AuthCheckWrite.as_view()),
    path(_REPO, info.RepoInfo.as_view()),
    path(f"{_REPO}/revision/<str:revision>", info.RepoInfo.as_view()),
    path(f"{_REPO}/refs", info.Refs.as_view()),
    path(f"{_REPO}/commits/<str:revision>", info.Commits.as_view()),
    # files
    path(f"{_REPO}/tree/<str:revision>", files.Tree.as_view()),
    path(f"{_REPO}/tree/<str:revision>/<path:path>", files.Tree.as_view()),
    path(f"{_REPO}/paths-info/<str:revision>", files.PathsInfo.as_view()),
    # writing
    path(f"{_REPO}/preupload/<str:revision>", commits.Preupload.as_view()),
    path(f"{_REPO}/upload-parts/<str:revision>", page_uploads.UploadParts.as_view()),
    path(f"{_REPO}/commit/<str:revision>", commits.Commit.as_view()),
    path(f"{_REPO}/branch/<str:branch>", commits.Branch.as_view()),
    path(f"{_REPO}/tag/<str:name_or_revision>", commits.Tag.as_view()),
    # everything else below a repo type is about a repo nobody has
    re_path(rf"^api/(?P<kind>{'|'.join(REPO_TYPES)})/", repos.NoSuchRepo.as_view()),
    *[route for kind in sorted(REPO_TYPES, key="models".__eq__) for route in _file_routes(kind)],
    # one-segment ids of old clients
    re_path(rf"^{_TYPES}[^/]+(?:/[^/]+)?/(?:resolve|raw)/", repos.NoSuchRepo.as_view()),
]
# There are many routes: a path is compared only with those that its first words leave over.
_elsewhere = _resolver(None)
_below_api = {word: _resolver(word, "") for word in {_first_word(route) or "" for route in WIRE}}


def _routes_for(raw: str) -> URLResolver:
    _, top, word = [*raw.split("/", 3), "", ""][:3]
    return _below_api.get(word, _below_api[""]) if top == "api" else _elsewhere


@csrf_exempt
def wire_entry(request: HttpRequest) -> HttpResponseBase:
    """Find the endpoint by the raw path and call it. `ActorMiddleware` keeps the CSRF check of sessions."""
    try:
        raw = raw_path(request)
        match = _routes_for(raw).resolve(raw)
    except Resolver404:
        return error_response(404, f"This hub does not serve {request.path_info[:200]!r}.")
    texts = {name: unquote(text) if isinstance(text, str) else text for name, text in match.kwargs.items()}
    response = match.func(request, *match.args, **texts)
    if response.get("X-Error-Code") == "RepoNotFound":
        response = moves.redirect_of_moved(request, texts) or response
    return _without_body(response) if request.method == "HEAD" else response


def _without_body(response: HttpResponseBase) -> HttpResponseBase:
    """The same headers, with the length GET would have, and nothing after them."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = iter(())
    elif isinstance(response, HttpResponse):
        response.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
    return response


urlpatterns = [
    re_path(r"^(?:api|cas|lfs|v1)/", wire_entry),
    re_path(r"^(?:oauth/(?:device|token)$|uploads(?:/|$)|papers/[^/]+\.md$)", wire_entry),
    re_path(rf"^{_TYPES}[^/]+(?:/[^/]+)?/(?:resolve|raw)/", wire_entry),
    re_path(r"^buckets/[^/]+/[^/]+/resolve/", wire_entry),
    re_path(
        rf"^{_TYPES}[^/]+/[^/]+/"
        r"(?:info/refs|info/lfs/.*|git-upload-pack|git-receive-pack|ask-access)$",
        wire_entry,
    ),
]

"""The Xet wire, going down: which chunks make up a file, signed links to them, and look-ups of chunks
(hf-wire 19.3).

A file is told only to bearers of a ticket of a repo or bucket that holds it, and a link opens only the bytes
of that file: what else lies in the same container stays shut (decisions 0004 and 0014).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from accounts.auth import bearer_text
from models_app.actions.dedup import lookup_of_chunk, lookup_of_latest
from models_app.api.ranges import outside
from models_app.api.wire import HubAPIView, WireError, public_url
from models_app.api.xet import CAS, TICKET_SECONDS, read_ticket
from models_app.api.xet_links import Linker, asked_range, linker
from models_app.files import reconstruction_of
from models_app.large_files import held_by
from models_app.models import LargeFile, Repo
from models_app.storage.xet.hashing import hash_from_text
from models_app.storage.xet.reconstruct import FetchRange, Reconstruction

_Json = dict[str, Any]
_Answer = Callable[[Reconstruction, Linker], _Json]


def xet_headers(token_path: str, file: LargeFile) -> dict[str, str]:
    """What turns a client's download to Xet: the file's Xet name, and where to get a ticket (hf-wire 9).

    `token_path` is that of the token endpoint of the commit, or of the bucket. Nothing where the operator has
    switched Xet downloads off, and for empty files, which have no chunks.
    """
    if not settings.HUB_XET_DOWNLOAD or not file.size:
        return {}
    return {"X-Xet-Hash": file.xet_hash, "Link": f'<{public_url(token_path)}>; rel="xet-auth"'}


def read_token_path(kind: str, repo: Repo, commit: str) -> str:
    """The path at which a reader of `repo` gets a ticket; `kind` as in URLs (`models`)."""
    return f"/api/{kind}/{repo.repo_id}/xet-read-token/{commit}"


class Reconstructions(HubAPIView):
    """GET /cas/{gen}/v{1|2}/reconstructions/{file hash}, with `Range` for a part of the file.

    400 for what is no hash, 404 for a file that the ticket's repo or bucket does not hold, 416 past its end.
    """

    def get(self, request: HttpRequest, generation: int, name: str, answer: _Answer) -> HttpResponse:
        actor, place = read_ticket(request, "read")
        _raw_hash(name)
        file = held_by(place).filter(xet_hash=name).first()
        if file is None:
            raise WireError(404, "No file of this repo has that Xet hash.")
        start, stop = asked_range(request, file.size)
        if start >= stop and (file.size or "Range" in request.headers):
            return outside(file.size)
        plan = reconstruction_of(file, start, stop)
        response = JsonResponse(answer(plan, linker(actor, place, generation)))
        response["Cache-Control"] = "no-store"
        return response


def _terms_json(plan: Reconstruction) -> list[_Json]:
    return [
        {
            "hash": term.container,
            "unpacked_length": term.length,
            "range": {"start": term.chunk_start, "end": term.chunk_end},
        }
        for term in plan.terms
    ]


def first_version(plan: Reconstruction, link: Linker) -> _Json:
    """`fetch_info`: a link for each run of chunks. Chunk ranges end before their `end`, byte ranges with
    it."""
    fetches = {
        container: [
            {"range": _chunks_json(run), "url": link(container, run), "url_range": _bytes_json(run)}
            for run in runs
        ]
        for container, runs in plan.fetches.items()
    }
    return {"offset_into_first_range": plan.skip, "terms": _terms_json(plan), "fetch_info": fetches}


def second_version(plan: Reconstruction, link: Linker) -> _Json:
    """`xorbs`: links that may open several runs each; ours open one, which clients fetch side by side."""
    xorbs = {
        container: [
            {
                "url": link(container, run),
                "ranges": [{"chunks": _chunks_json(run), "bytes": _bytes_json(run)}],
            }
            for run in runs
        ]
        for container, runs in plan.fetches.items()
    }
    return {"offset_into_first_range": plan.skip, "terms": _terms_json(plan), "xorbs": xorbs}


def _chunks_json(run: FetchRange) -> _Json:
    return {"start": run.chunk_start, "end": run.chunk_end}


def _bytes_json(run: FetchRange) -> _Json:
    return {"start": run.byte_start, "end": run.byte_stop - 1}


class ChunkLookup(HubAPIView):
    """GET /cas/{gen}/v1/chunks/{prefix}/{hash}: a shard of what lies beside this chunk, so that an upload can
    leave out what is here already.

    Where the actor may read no file that holds it, once for each ticket a shard of what they or this place
    had last, else 404.
    """

    def get(self, request: HttpRequest, generation: int, prefix: str, name: str) -> HttpResponse:
        actor, place = read_ticket(request, "read")
        shard = lookup_of_chunk(actor, place=place, chunk=_raw_hash(name))
        if shard is None and actor.user is not None and _is_first_miss(request):
            shard = lookup_of_latest(actor, place=place)
        if shard is None:
            raise WireError(404, "No file that you may read holds this chunk.")
        return HttpResponse(shard, content_type="application/octet-stream")


def _is_first_miss(request: HttpRequest) -> bool:
    """Once for each ticket and web process: the client keeps what it was told, and a hint is no small
    answer."""
    ticket = hashlib.sha256((bearer_text(request) or "").encode()).hexdigest()
    return cache.add(f"xet-first-miss:{ticket}", True, TICKET_SECONDS)


def _raw_hash(name: str) -> bytes:
    try:
        return hash_from_text(name)
    except ValueError as error:
        raise WireError(400, "A Xet hash is 64 lower-case hex digits.") from error


urlpatterns = [
    path(f"{CAS}/v1/reconstructions/<str:name>", Reconstructions.as_view(), {"answer": first_version}),
    path(f"{CAS}/v2/reconstructions/<str:name>", Reconstructions.as_view(), {"answer": second_version}),
    path(f"{CAS}/v1/chunks/<str:prefix>/<str:name>", ChunkLookup.as_view()),
]

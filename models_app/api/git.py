"""Git's smart HTTP protocol (hf-wire section 18): clone, fetch, push, with and without `.git` in the URL."""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from models_app.actions.pushes import check_pusher, receive_push
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError, body_stream, read_limited
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage import githttp
from models_app.storage.gitpush import advertise_push, read_request, report
from models_app.storage.streams import Body, discard

_NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache"}
_GZIP = ("gzip", "x-gzip")


class GitView(RepoAPIView):
    """Git shows plain text to its user, and asks for a password only after a challenge."""

    def git_repo(self) -> Repo:
        """The repo of this URL, whose files the caller may read."""
        self.kwargs["name"] = self.kwargs["name"].removesuffix(".git")
        return self.repo(content=True)

    def refuse(self, error: Exception) -> HttpResponseBase:
        """The wire's refusal as text; 401 with the Basic challenge (the password is a token)."""
        if isinstance(error, githttp.BadPackRequest):
            error = WireError(400, str(error))
        refusal = super().refuse(error)
        text = refusal.get("X-Error-Message", "Something went wrong.")
        response = HttpResponse(
            f"{text}\n", status=refusal.status_code, content_type="text/plain; charset=utf-8"
        )
        for name, value in refusal.items():
            if name.startswith("X-") or name in ("Retry-After", "Location"):
                response[name] = value
        if response.status_code == 401:
            response["WWW-Authenticate"] = 'Basic realm="Tuneyard", charset="UTF-8"'
        return response

    def protocol(self) -> str:
        """The client's `Git-Protocol`, checked again before it becomes an environment variable."""
        return str(self.request.headers.get("Git-Protocol", ""))


class InfoRefs(GitView):
    """GET …/info/refs: the references, with which a fetch or a push begins; `service` says which."""

    def get(self, request: Request, **words: str) -> HttpResponse:
        repo = self.git_repo()
        service = request.GET.get("service", "")
        if service == "git-receive-pack":
            answer = advertise_push(git_store(check_pusher(self.actor, repo)))
        elif service == "git-upload-pack":
            answer = githttp.advertise(git_store(repo).path, self.protocol())
        else:
            raise WireError(403, "This hub speaks git's smart HTTP protocol only; please use a current git.")
        return HttpResponse(answer, content_type=f"application/x-{service}-advertisement", headers=_NO_CACHE)


class UploadPack(GitView):
    """POST …/git-upload-pack: the negotiation in, the pack out as git makes it."""

    def post(self, request: Request, **words: str) -> StreamingHttpResponse:
        repo = self.git_repo()
        body = read_limited(request, githttp.MAX_REQUEST_BYTES)
        if request.headers.get("Content-Encoding", "").lower() in _GZIP:
            body = githttp.gunzip(body)
        pieces = githttp.upload_pack(git_store(repo).path, self.protocol(), body)
        return StreamingHttpResponse(
            pieces, content_type="application/x-git-upload-pack-result", headers=_NO_CACHE
        )


class ReceivePack(GitView):
    """POST …/git-receive-pack: the references to move and the pack in, what became of them out."""

    def post(self, request: Request, **words: str) -> HttpResponse:
        repo = check_pusher(self.actor, self.git_repo())
        body: Body = body_stream(request)
        if request.headers.get("Content-Encoding", "").lower() in _GZIP:
            body = githttp.Unzipped(body_stream(request))
        asked = read_request(body)
        answer = b""
        if asked.updates:
            answer = report(asked, receive_push(self.actor, repo=repo, request=asked, body=body))
        return HttpResponse(answer, content_type="application/x-git-receive-pack-result", headers=_NO_CACHE)

    def refuse(self, error: Exception) -> HttpResponseBase:
        """As for the others, after the body: a client still sending would see a broken pipe instead."""
        with suppress(WireError):
            discard(body_stream(self.request), settings.HUB_PUSH_BYTES)
        return super().refuse(error)

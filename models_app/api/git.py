"""Clone and fetch with plain git (hf-wire section 18): smart HTTP, with and without `.git` after the name."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError, read_limited
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage import githttp

_NO_PUSH = (
    "This hub does not take pushes by git yet. Upload with huggingface_hub instead: "
    "`hf upload <repo> <folder>`; it keeps the same history."
)
_NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache"}


class GitView(RepoAPIView):
    """Git shows plain text to its user, and asks for a password only after a challenge."""

    def git_repo(self) -> Repo:
        """The repo of this URL, whose files the caller may read."""
        self.kwargs["name"] = self.kwargs["name"].removesuffix(".git")
        return self.repo(content=True)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """The wire's refusal as text; 401 with the Basic challenge (the password is a token)."""
        if isinstance(exc, githttp.BadPackRequest):
            exc = WireError(400, str(exc))
        refusal = super().handle_exception(exc)
        text = refusal.get("X-Error-Message", "Something went wrong.")
        response = HttpResponse(
            f"{text}\n", status=refusal.status_code, content_type="text/plain; charset=utf-8"
        )
        for name, value in refusal.items():
            if name.startswith("X-"):
                response[name] = value
        if response.status_code == 401:
            response["WWW-Authenticate"] = 'Basic realm="Tuneyard", charset="UTF-8"'
        return response

    def protocol(self) -> str:
        """The client's `Git-Protocol`, checked again before it becomes an environment variable."""
        return str(self.request.headers.get("Git-Protocol", ""))


class InfoRefs(GitView):
    """GET …/info/refs?service=git-upload-pack."""

    def get(self, request: Request, **words: str) -> HttpResponse:
        repo = self.git_repo()
        service = request.GET.get("service", "")
        if service == "git-receive-pack":
            raise WireError(403, _NO_PUSH)
        if service != "git-upload-pack":
            raise WireError(403, "This hub speaks git's smart HTTP protocol only; please use a current git.")
        answer = githttp.advertise(git_store(repo).path, self.protocol())
        return HttpResponse(
            answer, content_type="application/x-git-upload-pack-advertisement", headers=_NO_CACHE
        )


class UploadPack(GitView):
    """POST …/git-upload-pack: the negotiation in, the pack out as git makes it."""

    def post(self, request: Request, **words: str) -> StreamingHttpResponse:
        repo = self.git_repo()
        body = read_limited(request, githttp.MAX_REQUEST_BYTES)
        if request.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
            body = githttp.gunzip(body)
        pieces = githttp.upload_pack(git_store(repo).path, self.protocol(), body)
        return StreamingHttpResponse(
            pieces, content_type="application/x-git-upload-pack-result", headers=_NO_CACHE
        )


class ReceivePack(GitView):
    """POST …/git-receive-pack: refused in words."""

    def post(self, request: Request, **words: str) -> HttpResponse:
        self.git_repo()
        raise WireError(403, _NO_PUSH)

"""Uploading: validate, plan, commit; branches and tags (hf-wire sections 7 and 8)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from rest_framework.request import Request

from accounts.actor import Level
from models_app.actions import branches
from models_app.actions.commits import commit
from models_app.actions.preupload import FileToUpload, plan_upload
from models_app.actions.pull_requests import open_with_commit
from models_app.actions.xet import expect_files
from models_app.api.repo_view import RepoAPIView, repo_url
from models_app.api.wire import (
    HubAPIView,
    WireError,
    flag,
    json_object,
    public_url,
    read_ndjson,
    text_field,
)
from models_app.content.cards import validate_card
from models_app.discussions import check_upload
from models_app.storage.lfs import is_lfs_oid
from models_app.storage.operations import (
    AddFile,
    AddPointer,
    DeleteEntry,
    DeleteFolder,
    Operation,
)

MAX_PREUPLOAD_FILES = 1000


class ValidateYaml(HubAPIView):
    """POST /api/validate-yaml: 400 when there are errors; `Accept: text/plain` gets the same as lines of
    text."""

    def post(self, request: Request) -> HttpResponseBase:
        body = json_object(request)
        content = text_field(body, "content", limit=2_000_000)
        errors, warnings = validate_card(content, text_field(body, "repoType", limit=20, default="model"))
        status = 400 if errors else 200
        if "text/plain" in request.headers.get("Accept", ""):
            lines = [f"- Error: {text}" for text in errors] + [f"- Warning: {text}" for text in warnings]
            return HttpResponse("\n".join(lines), status=status, content_type="text/plain; charset=utf-8")
        answer = {
            "errors": [{"message": text} for text in errors],
            "warnings": [{"message": text} for text in warnings],
        }
        if errors:
            answer["error"] = "Invalid metadata in README.md."  # type: ignore[assignment]
        return JsonResponse(answer, status=status)


class Preupload(RepoAPIView):
    """POST …/preupload/{branch}: how each file is to be sent, and what is there already."""

    def post(self, request: Request, revision: str, **words: str) -> JsonResponse:
        repo = self.repo()
        check_upload(self.actor, repo, revision, create_pr=flag(request.GET.get("create_pr")))
        body = json_object(request)
        rows = body.get("files")
        if not isinstance(rows, list) or len(rows) > MAX_PREUPLOAD_FILES:
            raise WireError(400, f"'files' must be a list of at most {MAX_PREUPLOAD_FILES} files.")
        asked = [_file_to_upload(row) for row in rows]
        plan = plan_upload(
            repo=repo,
            branch=revision,
            files=asked,
            git_ignore=_rules_text(body, "gitIgnore"),
            git_attributes=_rules_text(body, "gitAttributes"),
        )
        large = [told.size for told, file in zip(asked, plan.files, strict=True) if file.mode == "lfs"]
        expect_files(self.actor, repo, large)
        files = [
            {"path": file.path, "uploadMode": file.mode, "shouldIgnore": file.ignored}
            | ({"oid": file.oid} if file.oid else {})
            for file in plan.files
        ]
        return JsonResponse({"files": files, "commitOid": plan.commit_oid})


def _rules_text(body: Mapping[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else text_field(body, name, limit=1_000_000)


def _file_to_upload(row: object) -> FileToUpload:
    if not isinstance(row, dict):
        raise WireError(400, "Every entry of 'files' must be an object.")
    size = row.get("size", 0)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise WireError(400, "'size' must be a whole number of bytes.")
    sample = text_field(row, "sample", limit=4096, default="")
    return FileToUpload(text_field(row, "path", limit=8192), size, _base64(sample, "sample"))


def _base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError(400, f"{what!r} is not valid base64.") from error


class Commit(RepoAPIView):
    """POST …/commit/{branch}, ndjson: a `header` line, then operations in order, read as they arrive."""

    def post(self, request: Request, revision: str, **words: str) -> JsonResponse:
        repo, create_pr = self.repo(), flag(request.GET.get("create_pr"))
        check_upload(self.actor, repo, revision, create_pr=create_pr)
        # base64 makes four bytes of three; the rest of the line is the path and the JSON around it
        line_limit = settings.HUB_REGULAR_FILE_BYTES * 4 // 3 + 64 * 1024
        lines = read_ndjson(request, settings.HUB_COMMIT_BYTES, line_limit)
        header = _header(next(lines, {}))
        wanted: dict[str, Any] = {
            "repo": repo,
            "branch": revision,
            "operations": _operations(lines),
            "summary": text_field(header, "summary", limit=10_000),
            "description": text_field(header, "description", limit=200_000, default=""),
            "parent": _parent(header),
        }
        if create_pr:
            opened, done = open_with_commit(self.actor, **wanted)
            answer = {"pullRequestUrl": public_url(opened.get_absolute_url())}
        else:
            done, answer = commit(self.actor, **wanted), {}
        url = f"{repo_url(repo)}/commit/{done.oid}"
        return JsonResponse(
            {"success": True, "commitOid": done.oid, "commitUrl": url, "hookOutput": "", **answer}
        )


def _header(line: Mapping[str, Any]) -> Mapping[str, Any]:
    value = line.get("value")
    if line.get("key") != "header" or not isinstance(value, dict):
        raise WireError(400, "The first line of a commit must be its header, with a summary.")
    return value


def _parent(header: Mapping[str, Any]) -> str | None:
    parent = text_field(header, "parentCommit", limit=40, default="").lower()
    if parent and (len(parent) < 5 or not set(parent) <= set("0123456789abcdef")):
        raise WireError(400, "'parentCommit' must be 5 to 40 hexadecimal digits.")
    return parent or None


def _operations(lines: Iterator[dict[str, Any]]) -> Iterator[Operation]:
    for line in lines:
        value = line.get("value")
        if not isinstance(value, dict):
            raise WireError(400, "Every line of a commit must have a 'key' and an object as 'value'.")
        yield _operation(str(line.get("key")), value)


def _operation(key: str, value: Mapping[str, Any]) -> Operation:
    # Longer paths are refused by the path's own grammar, which names the path.
    path = text_field(value, "path", limit=100_000)
    match key:
        case "file":
            return AddFile(path, _content(path, value))
        case "lfsFile":
            return _pointer(path, value)
        case "deletedFile":
            # A path without a slash at its end may also be a folder's: the public hub takes either.
            return DeleteEntry(path)
        case "deletedFolder":
            return DeleteFolder(path)
        case "deletedEntry":
            return DeleteEntry(path)
    raise WireError(400, f"This hub does not know the commit operation {key[:40]!r}.")


def _content(path: str, value: Mapping[str, Any]) -> bytes:
    text = value.get("content")
    encoding = value.get("encoding", "utf-8")
    if not isinstance(text, str):
        raise WireError(400, f"The content of {path[:200]!r} must be a string.")
    if encoding == "base64":
        content = _base64(text, f"content of {path[:200]}")
    elif encoding == "utf-8":
        content = text.encode("utf-8", "surrogatepass")
    else:
        raise WireError(400, f"The encoding of {path[:200]!r} must be base64 or utf-8.")
    if len(content) > settings.HUB_REGULAR_FILE_BYTES:
        limit = settings.HUB_REGULAR_FILE_BYTES
        raise WireError(413, f"{path[:200]!r} is larger than {limit} bytes; upload it as a large file.")
    return content


def _pointer(path: str, value: Mapping[str, Any]) -> AddPointer:
    oid, size = value.get("oid"), value.get("size")
    if value.get("algo", "sha256") != "sha256" or not isinstance(oid, str) or not is_lfs_oid(oid):
        raise WireError(400, f"{path[:200]!r} must name its content by a sha256 of 64 hexadecimal digits.")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise WireError(400, f"The size of {path[:200]!r} must be a whole number of bytes.")
    return AddPointer(path, oid, size)


class Branch(RepoAPIView):
    """POST and DELETE …/branch/{name}."""

    def post(self, request: Request, branch: str, **words: str) -> JsonResponse:
        repo = self.repo(Level.WRITE)
        start = text_field(json_object(request), "startingPoint", limit=300, default="")
        oid = branches.create_branch(self.actor, repo=repo, branch=branch, starting_point=start or None)
        return JsonResponse({"success": True, "commitOid": oid})

    def delete(self, request: Request, branch: str, **words: str) -> JsonResponse:
        branches.delete_branch(self.actor, repo=self.repo(Level.WRITE), branch=branch)
        return JsonResponse({"success": True})


class Tag(RepoAPIView):
    """POST …/tag/{revision} makes a tag there, DELETE …/tag/{tag} removes one."""

    def post(self, request: Request, name_or_revision: str, **words: str) -> JsonResponse:
        repo = self.repo(Level.WRITE)
        body = json_object(request)
        tag = text_field(body, "tag", limit=300)
        message = text_field(body, "message", limit=10_000, default="")
        oid = branches.create_tag(
            self.actor, repo=repo, tag=tag, revision=name_or_revision, message=message or None
        )
        return JsonResponse({"success": True, "commitOid": oid})

    def delete(self, request: Request, name_or_revision: str, **words: str) -> JsonResponse:
        branches.delete_tag(self.actor, repo=self.repo(Level.WRITE), tag=name_or_revision)
        return JsonResponse({"success": True})

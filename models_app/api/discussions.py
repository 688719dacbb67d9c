"""Discussions and pull requests on the wire (hf-wire section 10)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from models_app.access import may_read_content
from models_app.actions import discussions as actions
from models_app.actions.pull_requests import merge_pull_request, open_draft
from models_app.api.discussion_json import discussion_json, event_json
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError, flag, flag_field, json_object, query_int, text_field
from models_app.discussions import KINDS, STATUSES, access_discussion, changes, conflicts, threads_of
from models_app.models import Discussion, Repo

PAGE_SIZE = 50
MAX_PAGE_SIZE = 100
# The actions have narrower limits and name them; these keep absurd texts out of the messages.
_TITLE_LIMIT, _TEXT_LIMIT = 10_000, 1_000_000


class Discussions(RepoAPIView):
    """GET …/discussions lists threads by `type`, `status` and `author`, pages by `p`; POST opens one."""

    def get(self, request: Request, **words: str) -> JsonResponse:
        repo = self.repo()
        kind, status = _choice(request, "type", KINDS), _choice(request, "status", STATUSES)
        author = request.GET.get("author", "")
        rows = threads_of(repo, kind=kind, status=status, author=author)
        limit = query_int(request, "limit", default=PAGE_SIZE, lowest=1, highest=MAX_PAGE_SIZE)
        start = query_int(request, "p", default=0, highest=10**6) * limit
        closed = threads_of(repo, kind=kind, status="closed", author=author)
        return JsonResponse(
            {
                "discussions": [discussion_json(row, repo) for row in rows[start : start + limit]],
                "count": rows.count(),
                "start": start,
                "numClosedDiscussions": closed.count(),
            }
        )

    def post(self, request: Request, **words: str) -> JsonResponse:
        repo, body = self.repo(), _body(request)
        opened = (open_draft if flag_field(body, "pullRequest") else actions.open_discussion)(
            self.actor,
            repo=repo,
            title=text_field(body, "title", limit=_TITLE_LIMIT),
            description=text_field(body, "description", limit=_TEXT_LIMIT, default=""),
        )
        return JsonResponse({**discussion_json(opened, repo), "pullRequest": opened.is_pull_request})


class DiscussionDetails(RepoAPIView):
    """GET …/discussions/{num}: the thread with its events; `diff=1` adds what a pull request changes."""

    def get(self, request: Request, num: int, **words: str) -> JsonResponse:
        repo = self.repo()
        discussion = access_discussion(self.actor, repo, num)
        events = discussion.events.select_related("author", "hidden_by")
        found = {
            **discussion_json(discussion, repo),
            "events": [event_json(event) for event in events],
        }
        if discussion.is_pull_request:
            found |= self._changes(repo, discussion, flag(request.GET.get("diff")))
        return JsonResponse(found)

    def _changes(self, repo: Repo, discussion: Discussion, with_diff: bool) -> dict[str, Any]:
        base = {"base": f"refs/heads/{discussion.target_branch}"}
        if discussion.merge_oid:
            base["mergeCommitId"] = discussion.merge_oid
        found: dict[str, Any] = {"changes": base, "filesWithConflicts": conflicts(repo, discussion)}
        # A gate keeps people from the files, so also from what changes in them.
        if with_diff and may_read_content(self.actor, repo):
            diff = changes(repo, discussion)
            found["diff"] = diff.text if diff is not None else ""
        return found


class Comment(RepoAPIView):
    """POST …/discussions/{num}/comment."""

    def post(self, request: Request, num: int, **words: str) -> JsonResponse:
        repo, text = self.repo(), text_field(_body(request), "comment", limit=_TEXT_LIMIT)
        made = actions.comment(self.actor, repo=repo, num=num, text=text)
        return JsonResponse({"newMessage": event_json(made)}, status=201)


class EditComment(RepoAPIView):
    """POST …/discussions/{num}/comment/{event}/edit."""

    def post(self, request: Request, num: int, event: str, **words: str) -> JsonResponse:
        repo, text = self.repo(), text_field(_body(request), "content", limit=_TEXT_LIMIT)
        made = actions.edit_comment(self.actor, repo=repo, num=num, event=event, text=text)
        return JsonResponse({"updatedComment": event_json(made)})


class HideComment(RepoAPIView):
    """POST …/discussions/{num}/comment/{event}/hide; the text is gone for good."""

    def post(self, request: Request, num: int, event: str, **words: str) -> JsonResponse:
        made = actions.hide_comment(self.actor, repo=self.repo(), num=num, event=event)
        return JsonResponse({"updatedComment": event_json(made)})


class Title(RepoAPIView):
    """POST …/discussions/{num}/title."""

    def post(self, request: Request, num: int, **words: str) -> JsonResponse:
        repo, title = self.repo(), text_field(_body(request), "title", limit=_TITLE_LIMIT)
        made = actions.rename(self.actor, repo=repo, num=num, title=title)
        return JsonResponse({"newTitle": event_json(made)})


class Status(RepoAPIView):
    """POST …/discussions/{num}/status: `open` or `closed`, with a comment if there is one to make."""

    def post(self, request: Request, num: int, **words: str) -> JsonResponse:
        repo, body = self.repo(), _body(request)
        made = actions.change_status(
            self.actor,
            repo=repo,
            num=num,
            status=text_field(body, "status", limit=20),
            text=text_field(body, "comment", limit=_TEXT_LIMIT, default=""),
        )
        return JsonResponse({"newStatus": event_json(made)})


class Merge(RepoAPIView):
    """POST …/discussions/{num}/merge; 409 where files conflict."""

    def post(self, request: Request, num: int, **words: str) -> JsonResponse:
        repo = self.repo()
        text = text_field(_body(request), "comment", limit=_TEXT_LIMIT, default="")
        oid = merge_pull_request(self.actor, repo=repo, num=num, text=text)
        return JsonResponse({"success": True, "mergeCommitId": oid})


def _body(request: HttpRequest) -> dict[str, Any]:
    """The body as an object; clients send none, or `null`, where they have nothing to say."""
    return json_object(request, null=True)


def _choice(request: HttpRequest, name: str, known: tuple[str, ...]) -> str:
    value = request.GET.get(name) or "all"
    if value not in known:
        raise WireError(400, f"{name!r} must be one of {', '.join(known)}.")
    return value


_ALL = "api/<str:kind>/<str:namespace>/<str:name>/discussions"
_ONE = f"{_ALL}/<int:num>"
urlpatterns: list[URLPattern] = [
    path(_ALL, Discussions.as_view()),
    path(_ONE, DiscussionDetails.as_view()),
    path(f"{_ONE}/comment", Comment.as_view()),
    path(f"{_ONE}/comment/<str:event>/edit", EditComment.as_view()),
    path(f"{_ONE}/comment/<str:event>/hide", HideComment.as_view()),
    path(f"{_ONE}/title", Title.as_view()),
    path(f"{_ONE}/status", Status.as_view()),
    path(f"{_ONE}/merge", Merge.as_view()),
]

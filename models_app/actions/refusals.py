"""Refusals that only a write can meet; the gate's own are in `access.py`."""

from __future__ import annotations

from models_app.access import Refusal
from models_app.models import DiscussionEvent, Repo


class RepoExists(Refusal):
    """The id is taken; `repo` is who has it."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(f"You already created this {repo.repo_type} repo: {repo.repo_id}")
        self.repo = repo


class InvalidInput(Refusal):
    """What was asked for makes no sense here; the sentence says which part and why."""


class NotUploaded(Refusal):
    """A commit names large content that was never uploaded to this repo."""


class CredentialEnded(Refusal):
    """The token was revoked or expired while the request was under way: nothing may be published with it."""

    def __init__(self) -> None:
        super().__init__("This token was revoked or has expired; nothing was changed.")


class MergeRefused(Refusal):
    """Both sides of a pull request changed the same files; the sentence names them."""


class EditedMeanwhile(Refusal):
    """A comment was edited elsewhere while a new text for it was written; `event` is how it stands."""

    def __init__(self, event: DiscussionEvent) -> None:
        super().__init__("This comment was edited meanwhile; nothing was saved yet.")
        self.event = event

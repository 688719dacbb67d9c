"""Tutorials are written in the page: a form becomes a README with its front matter, and that a commit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.utils.translation import gettext as _

from accounts.actor import Actor
from models_app.actions.commits import commit
from models_app.actions.pull_requests import open_with_commit
from models_app.actions.refusals import InvalidInput
from models_app.actions.repos import create_repo
from models_app.actions.threads import checked_title
from models_app.content.cards import Card, parse_card
from models_app.discussions import is_writer
from models_app.files import git_store
from models_app.models import Discussion, Repo, RepoType
from models_app.storage.operations import AddFile

# What is shown of a card in one go; an article longer than that is a book.
MAX_BODY_CHARACTERS = 120_000
MAX_SUMMARY_CHARACTERS = 300
MAX_TAGS = 20
LISTS = ("tags", "models", "datasets", "recipes", "runs")
CARD = "README.md"
_TAG = re.compile(r"[\w][\w .:+-]{0,49}")
_REPO_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Article:
    """What the form holds; `lists` are tags and what the article is about."""

    title: str
    summary: str
    body: str
    lists: dict[str, list[str]] = field(default_factory=dict)


def create_tutorial(
    actor: Actor, *, namespace: str, name: str, article: Article, private: bool = False
) -> Repo:
    """A new tutorial with its first text. Raises what `create_repo` does, and InvalidInput."""
    text = card_text(article, {})
    repo = create_repo(actor, repo_type=RepoType.TUTORIAL, namespace=namespace, name=name, private=private)
    commit(
        actor,
        repo=repo,
        branch=repo.default_branch,
        operations=[AddFile(CARD, text.encode())],
        summary=f"Write {article.title}"[:200],
    )
    return repo


def change_tutorial(
    actor: Actor, *, repo: Repo, article: Article, parent: str, summary: str = ""
) -> Discussion | None:
    """Commit a new text on `parent`: StaleParent where it is no longer the newest. By somebody who may not
    write it is offered as a pull request, which is returned."""
    known = card_of(repo, parent)
    text = card_text(article, known.metadata if known else {})
    change: dict[str, Any] = {
        "repo": repo,
        "branch": repo.default_branch,
        "operations": [AddFile(CARD, text.encode())],
        "summary": summary.strip() or f"Edit {article.title}"[:200],
    }
    if is_writer(actor, repo):
        commit(actor, **change, parent=parent)
        return None
    return open_with_commit(actor, **change, parent=parent or None)[0]


def card_of(repo: Repo, oid: str) -> Card | None:
    """The tutorial's README at a commit."""
    store = git_store(repo)
    entry = store.entry(oid, CARD) if oid else None
    if entry is None or not entry.is_file or entry.pointer is not None:
        return None
    return parse_card(store.blob(entry.oid).decode("utf-8", "replace"))


def card_text(article: Article, metadata: dict[str, Any]) -> str:
    """The README: what the form knows over what the card said before. InvalidInput, one sentence."""
    title = checked_title(article.title)
    summary = " ".join(article.summary.split())
    if len(summary) > MAX_SUMMARY_CHARACTERS:
        raise InvalidInput(
            _("The summary has at most %(most)d characters.") % {"most": MAX_SUMMARY_CHARACTERS}
        )
    if not article.body.strip():
        raise InvalidInput(_("A tutorial needs a text."))
    if len(article.body) > MAX_BODY_CHARACTERS:
        raise InvalidInput(
            _("The text has at most %(most)d characters; make several tutorials of it.")
            % {"most": MAX_BODY_CHARACTERS}
        )
    if "\0" in article.body + summary:
        raise InvalidInput(_("A text must not contain NUL characters."))
    lists = {name: _checked(name, article.lists.get(name, [])) for name in LISTS}
    kept = {key: value for key, value in metadata.items() if key not in {"title", "summary", *LISTS}}
    wanted = {"title": title, "summary": summary, **lists}
    front = {key: value for key, value in wanted.items() if value} | kept
    written = yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=1000)
    return f"---\n{written}---\n\n{article.body.replace(chr(13) + chr(10), chr(10)).strip()}\n"


def _checked(name: str, values: list[str]) -> list[str]:
    known = list(dict.fromkeys(values))
    if len(known) > MAX_TAGS:
        raise InvalidInput(_("At most %(most)d entries in one list.") % {"most": MAX_TAGS})
    pattern = {"tags": _TAG, "runs": _UUID}.get(name, _REPO_ID)
    wrong = next((value for value in known if not pattern.fullmatch(value)), None)
    if wrong is None:
        return known
    shown = repr(wrong[:60])
    if name == "tags":
        raise InvalidInput(_("%(value)s is no tag: use letters, digits, spaces and “-”.") % {"value": shown})
    if name == "runs":
        raise InvalidInput(_("%(value)s is not the id of a run.") % {"value": shown})
    raise InvalidInput(_("%(value)s is not the id of a repo, such as owner/name.") % {"value": shown})

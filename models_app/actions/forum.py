"""The site's forum: its topics are repos of the organization `forum`, whose threads are plain discussions."""

from __future__ import annotations

import json

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.actor import Actor
from accounts.models import Namespace, Organization
from models_app.access import Forbidden, is_moderator
from models_app.actions.after import index_head
from models_app.actions.authors import email_of
from models_app.actions.events import record_event
from models_app.actions.refusals import InvalidInput, RepoExists
from models_app.actions.repos import check_repo_name, remove_git
from models_app.actions.threads import checked_title
from models_app.files import git_store
from models_app.models import FORUM_NAMESPACE, EventTag, Repo, RepoType
from models_app.storage.gitcommit import Author, write_commit
from models_app.storage.operations import AddFile

MAX_ABOUT_CHARACTERS = 300
# name: title and what it is for, in English; pages translate them
DEFAULT_TOPICS = {
    "questions": (
        gettext_noop("Questions"),
        gettext_noop("How do I …? Ask, and mark the answer that helped."),
    ),
    "show-your-work": (
        gettext_noop("Show your work"),
        gettext_noop("Models, datasets and recipes you made here, and what you learned on the way."),
    ),
    "data": (gettext_noop("Data"), gettext_noop("Finding it, cleaning it, labelling it, sharing it.")),
    "hardware": (
        gettext_noop("Hardware and speed"),
        gettext_noop("What runs where, how fast, and what to buy next."),
    ),
    "about-this-hub": (
        gettext_noop("About this hub"),
        gettext_noop("News of this hub, wishes, and what does not work as it should."),
    ),
}
_WORDS_OF_ROUTES = ("new", "feed", "search")


def ensure_topics() -> list[str]:
    """Make the first topics where the forum has none; the names of those made. Safe to call at every start,
    and by two processes at once."""
    if Repo.objects.filter(repo_type=RepoType.FORUM).exists():
        return []
    place = _namespace()
    made = []
    for name, (title, about) in DEFAULT_TOPICS.items():
        try:
            _make(Actor(), place, name, title, about)
        except RepoExists:
            continue
        made.append(name)
    return made


def make_topic(actor: Actor, *, name: str, title: str, about: str) -> Repo:
    """A new topic: staff, in a browser. Raises InvalidInput, RepoExists or Forbidden."""
    if not is_moderator(actor):
        raise Forbidden(_("Only the hub's staff may open topics of the forum."))
    check_repo_name(name)
    if name.lower() in _WORDS_OF_ROUTES:
        raise InvalidInput(_("This name is one of the forum's own addresses; please choose another."))
    about = " ".join(about.split())
    if len(about) > MAX_ABOUT_CHARACTERS:
        raise InvalidInput(
            _("What a topic is about has at most %(most)d characters.") % {"most": MAX_ABOUT_CHARACTERS}
        )
    return _make(actor, _namespace(), name, checked_title(title), about)


def _namespace() -> Namespace:
    """The organization behind the forum; nobody can register its name, so it is made here."""
    found = Namespace.objects.named(FORUM_NAMESPACE).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            organization = Organization.objects.create(fullname="Forum")
            return Namespace.objects.create(name=FORUM_NAMESPACE, organization=organization)
    except IntegrityError:  # another process was first
        return Namespace.objects.get(name=FORUM_NAMESPACE)


def _make(actor: Actor, place: Namespace, name: str, title: str, about: str) -> Repo:
    taken = Repo.objects.named(RepoType.FORUM, f"{place.name}/{name}").first()
    if taken is not None:
        raise RepoExists(taken)
    repo = Repo(repo_type=RepoType.FORUM, namespace=place, name=name)
    try:
        with transaction.atomic():
            repo.save(force_insert=True)
            _first_commit(repo, actor, f"---\ntitle: {json.dumps(title)}\n---\n{about}\n")
            if actor.user is not None:
                record_event(
                    actor, EventTag.REPO_CREATE, repo=repo, repo_type=repo.repo_type, repo_id=repo.repo_id
                )
    except BaseException as error:
        remove_git(repo)
        taken = Repo.objects.named(RepoType.FORUM, f"{place.name}/{name}").first()
        if isinstance(error, IntegrityError) and taken is not None:
            raise RepoExists(taken) from None
        raise
    return repo


def _first_commit(repo: Repo, actor: Actor, card: str) -> None:
    store = git_store(repo)
    store.init(repo.default_branch)
    who = actor.user.username if actor.user else "tuneyard"
    repo.head_oid = write_commit(
        store,
        branch=repo.default_branch,
        operations=[AddFile("README.md", card.encode())],
        parent=None,
        author=Author(who, email_of(who), timezone.now()),
        message="initial commit",
    )
    repo.save(update_fields=["head_oid"])
    index_head(repo, repo.head_oid)

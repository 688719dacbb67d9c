"""Whom an event concerns: for each tag that people hear of, the notes it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from accounts.models import Membership, Namespace, User
from models_app.actions.board_notes import of_board_move
from models_app.actions.notes import Note
from models_app.actions.thread_notes import accepted, commented, followers_of, opened, status_changed
from models_app.models import Event, EventTag, Follow, NoteKind
from models_app.telling import owners_of

Rule = Callable[[Event], Iterator[Note]]


def _run_ended(event: Event) -> Iterator[Note]:
    stage = event.data.get("stage")
    if event.actor_id is None or stage not in ("COMPLETED", "ERROR"):
        return
    run = str(event.data.get("run", ""))[:64]
    about = {"stage": stage, "name": event.repo.repo_id if event.repo is not None else ""}
    yield Note(
        NoteKind.RUN, f"run:{run}", {event.actor_id}, event.repo, f"/runs/{run}", about, also_oneself=True
    )


def _access_asked(event: Event) -> Iterator[Note]:
    if event.repo is not None and event.data.get("status") == "pending":
        path = f"{event.repo.get_absolute_url()}/settings/access"
        people = owners_of(event.repo.namespace)
        yield Note(NoteKind.ACCESS, f"access:{event.repo_id}", people, event.repo, path, {"asked": True})


def _access_decided(event: Event) -> Iterator[Note]:
    name, status = str(event.data.get("username", "")), str(event.data.get("status", ""))
    if event.repo is not None and status in ("accepted", "rejected"):
        people = set(User.objects.filter(username__lower=name.lower()).values_list("pk", flat=True))
        path = event.repo.get_absolute_url()
        yield Note(NoteKind.ACCESS, f"decided:{event.repo_id}", people, event.repo, path, {"status": status})


def _followed(event: Event) -> Iterator[Note]:
    owner = Namespace.objects.named(str(event.data.get("namespace", ""))).first()
    if owner is None or event.actor is None:
        return
    if owner.user_id is not None:
        people = {owner.user_id}
    else:
        admins = Membership.objects.filter(organization=owner.organization_id, role="admin")
        people = set(admins.values_list("user_id", flat=True))
    about = {"organization": owner.name if owner.is_organization else ""}
    yield Note(NoteKind.FOLLOWER, f"follower:{owner.pk}", people, path=f"/{event.actor.username}", data=about)


def _liked(event: Event) -> Iterator[Note]:
    if event.repo is not None:
        people = owners_of(event.repo.namespace)
        yield Note(NoteKind.LIKE, f"like:{event.repo_id}", people, event.repo, event.repo.get_absolute_url())


def _committed(event: Event) -> Iterator[Note]:
    repo = event.repo
    if repo is None:
        return
    if event.tag == EventTag.REPO_PUSH:
        head = f"refs/heads/{repo.default_branch}"
        if not any(one.get("ref") == head and one.get("new") for one in event.data.get("refs", [])):
            return
    elif event.data.get("branch") != repo.default_branch:
        return
    about = {"summary": str(event.data.get("summary", ""))[:200]}
    path = f"{repo.get_absolute_url()}/commits/{repo.default_branch}"
    yield Note(NoteKind.REPO_UPDATE, f"commit:{repo.pk}", followers_of(repo), repo, path, about)


def _published(event: Event) -> Iterator[Note]:
    """A repo is new to others when it is made public: at once, or by its settings later."""
    repo = event.repo
    if repo is None or repo.private or repo.repo_type == "forum":
        return
    if event.tag == EventTag.REPO_SETTINGS and event.data.get("changed", {}).get("private") is not False:
        return
    people = set(Follow.objects.filter(namespace=repo.namespace_id).values_list("user_id", flat=True))
    yield Note(NoteKind.NEW_WORK, f"work:{repo.pk}", people, repo, repo.get_absolute_url())


def _badge(event: Event) -> Iterator[Note]:
    owner = Namespace.objects.named(str(event.data.get("namespace", ""))).first()
    if owner is not None:
        kind = str(event.data.get("kind", ""))[:40]
        yield Note(
            NoteKind.BADGE,
            f"badge:{owner.pk}:{kind}",
            owners_of(owner),
            path="/badges",
            data={"badge": kind, "organization": owner.name if owner.is_organization else ""},
            also_oneself=True,
        )


RULES: dict[str, Rule] = {
    EventTag.DISCUSSION_OPEN: opened,
    EventTag.DISCUSSION_COMMENT: commented,
    EventTag.DISCUSSION_STATUS: status_changed,
    EventTag.DISCUSSION_MERGE: status_changed,
    EventTag.DISCUSSION_ACCEPT: accepted,
    EventTag.RUN_FINISH: _run_ended,
    EventTag.ACCESS_ASK: _access_asked,
    EventTag.ACCESS_DECIDE: _access_decided,
    EventTag.FOLLOW_ADD: _followed,
    EventTag.LIKE_ADD: _liked,
    EventTag.COMMIT_ADD: _committed,
    EventTag.REPO_PUSH: _committed,
    EventTag.REPO_CREATE: _published,
    EventTag.REPO_DUPLICATE: _published,
    EventTag.REPO_SETTINGS: _published,
    EventTag.BOARD_MOVE: of_board_move,
    EventTag.BADGE_EARN: _badge,
}

"""Who is let in at a gate: people ask, owners decide. `repo` arguments come from the repo's own gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import User
from models_app import access
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import InvalidInput
from models_app.content.gates import BadAnswer, check_answers, read_gate
from models_app.models import AccessRequest, AccessStatus, EventTag, Repo, RepoCard

MAX_REASON = 200


def ask_access(actor: Actor, *, repo: Repo, answers: Mapping[str, Any] | None = None) -> AccessRequest:
    """Ask to be let in: accepted at once where the gate is automatic, else pending until an owner decides.

    Asking again changes nothing that an owner has decided. Raises InvalidInput where there is no gate, where
    the actor is in already, or for a form that is not filled in.
    """
    person = access.check_person(actor)
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.READ, content=False)
        _require_gate(row)
        found = AccessRequest.objects.filter(repo=row, user=person).first()
        if found is not None and (found.decided_at or found.status != AccessStatus.PENDING):
            return found
        if found is None:
            if access.may_read_content(actor, row):
                raise InvalidInput(f"You already have access to {row.repo_type} {row.repo_id}.")
            found = AccessRequest(repo=row, user=person, fields=_answers(row, answers or {}))
        elif row.gated != "auto":
            return found
        if row.gated == "auto":
            found.status, found.decided_at = AccessStatus.ACCEPTED, timezone.now()
        found.save()
        record_event(actor, EventTag.ACCESS_ASK, repo=row, status=str(found.status))
    return found


def decide(
    actor: Actor,
    *,
    repo: Repo,
    status: str,
    username: str | None = None,
    request_id: str | None = None,
    reason: str = "",
) -> AccessRequest:
    """Accept, reject, or put back to pending one request, named by its person or by its own id.

    Raises NotThere for an unknown person or request and for one that has this status already (wire section
    11), InvalidInput where there is no gate or the status makes no sense.
    """
    if status not in AccessStatus.values:
        raise InvalidInput("'status' must be one of pending, accepted or rejected.")
    if reason and status != AccessStatus.REJECTED:
        raise InvalidInput("'rejectionReason' can only be given when rejecting.")
    if len(reason) > MAX_REASON:
        raise InvalidInput(f"'rejectionReason' is longer than {MAX_REASON} characters.")
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.WRITE)
        _require_gate(row)
        found = _request_of(row, username, request_id)
        if found.status == status:
            raise access.NotThere(f"The request of {found.user.username} is already {status}.")
        found.status, found.decided_at = AccessStatus(status), timezone.now()
        found.rejection_reason = reason.replace("\0", "")
        found.save(update_fields=["status", "decided_at", "rejection_reason"])
        record_event(
            actor, EventTag.ACCESS_DECIDE, repo=row, username=found.user.username, status=str(status)
        )
    return found


def grant(actor: Actor, *, repo: Repo, username: str) -> AccessRequest:
    """Let somebody in who need not have asked.

    Raises NotThere for an unknown person, InvalidInput where there is no gate or they are in already.
    """
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.WRITE)
        _require_gate(row)
        person = _person(username)
        found = AccessRequest.objects.filter(repo=row, user=person).first()
        is_member = Actor(person).namespace_levels.get(row.namespace_id, Level.NONE) >= Level.READ
        if is_member or (found is not None and found.status == AccessStatus.ACCEPTED):
            raise InvalidInput(f"{person.username} already has access to {row.repo_type} {row.repo_id}.")
        if found is None:
            found = AccessRequest(repo=row, user=person, granted=True)
        found.status, found.decided_at, found.rejection_reason = AccessStatus.ACCEPTED, timezone.now(), ""
        found.save()
        record_event(actor, EventTag.ACCESS_DECIDE, repo=row, username=person.username, status="accepted")
    return found


def _require_gate(repo: Repo) -> None:
    if repo.gated == "false":
        raise InvalidInput(f"{repo.repo_type} {repo.repo_id} is not gated.")


def _answers(repo: Repo, answers: Mapping[str, Any]) -> dict[str, Any]:
    metadata = RepoCard.objects.filter(repo=repo).values_list("metadata", flat=True).first()
    try:
        return check_answers(read_gate(metadata or {}), answers)
    except BadAnswer as error:
        raise InvalidInput(str(error)) from error


def _request_of(repo: Repo, username: str | None, request_id: str | None) -> AccessRequest:
    rows = AccessRequest.objects.select_related("user").filter(repo=repo)
    if username is not None:
        found = rows.filter(user=_person(username)).first()
    else:
        try:
            found = rows.filter(uuid=UUID(request_id or "")).first()
        except ValueError:
            found = None
    if found is None:
        raise access.NotThere("There is no such access request.")
    return found


def _person(username: str) -> User:
    rows = User.objects.filter(username__lower=username.lower())
    found = rows.first() if username.isprintable() else None
    if found is None:
        raise access.NotThere(f"There is no user named {username[:96]!r}.")
    return found

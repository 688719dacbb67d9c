"""The gate: every door gets its repo here, with the question of who may ask it already answered.

Four refusals: not found (a private repo and a missing one are indistinguishable), gated, disabled, forbidden;
and a fifth that only says that nobody is signed in.
"""

from __future__ import annotations

from django.conf import settings

from accounts.actor import Actor, Level
from accounts.models import Namespace, TokenRole, User
from accounts.prepared import Prepared
from models_app.models import AccessRequest, AccessStatus, Repo, RepoType

_BY_ID = Prepared(
    lambda repo_type, namespace, name: (
        Repo.objects.select_related("namespace").named(repo_type, f"{namespace}/{name}").order_by()
    ),
    "type",
    "namespace",
    "name",
)


class Refusal(Exception):
    """Something the caller may not have; `message` is one sentence for them."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RepoNotFound(Refusal):
    """There is no such repo, or none that this caller may know of."""


class NotThere(Refusal):
    """Something that is no repo is not there, or is not for this caller to know of."""


class RepoGated(Refusal):
    """The repo may be known, its content only by people its owner let in; `repo` is where to ask."""

    def __init__(self, message: str, repo: Repo) -> None:
        super().__init__(message)
        self.repo = repo


class RepoDisabled(Refusal):
    """A moderator has taken the repo out of service."""


class Forbidden(Refusal):
    """The caller may see it, but not do this."""


class LoginRequired(Refusal):
    """Nobody is signed in, and this needs somebody."""


def access_repo(
    actor: Actor, repo_type: str, repo_id: str, need: Level = Level.READ, *, content: bool = True
) -> Repo:
    """The repo with this id, if the actor may do `need` with it.

    `content=False` asks only for what is known of the repo (info, lists of files, its page), which a gated
    repo shows to everybody. Raises RepoNotFound, RepoDisabled, RepoGated, Forbidden or LoginRequired.
    """
    namespace, _, name = repo_id.lower().partition("/")
    repo = None if "\0" in repo_id else _BY_ID.first(repo_type, namespace, name)  # PostgreSQL has no NUL
    if repo is None:
        raise RepoNotFound("Repository not found")
    return check_repo(actor, repo, need, content=content)


def check_repo(actor: Actor, repo: Repo, need: Level = Level.READ, *, content: bool = True) -> Repo:
    """The same questions about a repo already at hand (a run's target, a benchmark's dataset)."""
    # Most requests read a public repo: that everybody may, whoever they are, so nobody's roles are looked up.
    level = Level.READ if need == Level.READ and not repo.private else effective_level(actor, repo)
    if level < Level.READ:
        raise RepoNotFound("Repository not found")
    if repo.disabled_at is not None and not is_moderator(actor):
        raise RepoDisabled("Access to this resource is disabled.")
    if content and need == Level.READ and not may_read_content(actor, repo):
        raise RepoGated(_gate_message(actor, repo), repo)
    if level < need:
        raise too_little(actor, f"{repo.repo_type} {repo.repo_id}", need)
    return repo


def effective_level(actor: Actor, repo: Repo) -> Level:
    """What the actor may do with the repo, whatever its gate says and whether it is in service."""
    ceiling = actor.repo_ceiling(repo.repo_type, repo.repo_id, repo.namespace)
    level = level_within(actor, repo.namespace, ceiling, private=repo.private)
    # The forum belongs to the hub: its staff pin, lock and hide there.
    if repo.repo_type == RepoType.FORUM and is_moderator(actor):
        return max(level, Level.WRITE)
    return level


def level_within(actor: Actor, namespace: Namespace, ceiling: Level, *, private: bool) -> Level:
    """The user's level in the namespace, capped by what their credential allows; everybody reads what is
    public."""
    level = min(actor.namespace_levels.get(namespace.pk, Level.NONE), ceiling)
    return level if private else max(level, Level.READ)


def may_read_content(actor: Actor, repo: Repo) -> bool:
    """Whether a gate, if there is one, lets the actor through to the files.

    Members of the namespace, and people whose request was accepted, with a credential that reaches the repo.
    """
    if repo.gated == "false" or is_moderator(actor):
        return True
    if actor.user is None or actor.repo_ceiling(repo.repo_type, repo.repo_id, repo.namespace) < Level.READ:
        return False
    if actor.namespace_levels.get(repo.namespace_id, Level.NONE) >= Level.READ:
        return True
    return request_status(actor, repo) == AccessStatus.ACCEPTED


def request_status(actor: Actor, repo: Repo) -> str:
    """How the actor's request to be let in stands; empty where they never asked."""
    if actor.user is None:
        return ""
    rows = AccessRequest.objects.filter(repo=repo, user=actor.user)
    return rows.values_list("status", flat=True).first() or ""


def _gate_message(actor: Actor, repo: Repo) -> str:
    """Why the gate is shut, in the public hub's own words, which people search for."""
    what = f"{repo.repo_type} {repo.repo_id}"
    if actor.user is None:
        return (
            f"Access to {what} is restricted. You must have access to it and be authenticated to access it. "
            "Please log in."
        )
    if actor.is_scoped and actor.repo_ceiling(repo.repo_type, repo.repo_id, repo.namespace) < Level.READ:
        return f"Access to {what} is restricted, and this fine-grained token does not list it."
    match request_status(actor, repo):
        case AccessStatus.PENDING:
            return f"Your request to access {what} is awaiting a review from the repo authors."
        case AccessStatus.REJECTED:
            return f"Your request to access {what} has been rejected by the repo's authors."
    address = f"{settings.HUB_PUBLIC_URL}{repo.get_absolute_url()}"
    return (
        f"Access to {what} is restricted and you are not in the authorized list. "
        f"Visit {address} to ask for access."
    )


def check_person(actor: Actor) -> User:
    """The person behind the actor, for what people do as themselves: like, follow, ask to be let in.

    A fine-grained token may do so where it may write to the person's own namespace. Raises LoginRequired or
    Forbidden.
    """
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    own = Namespace.objects.filter(user=actor.user).first() if actor.token else None
    if actor.token is not None and (own is None or actor.namespace_ceiling(own) < Level.WRITE):
        raise too_little(actor, "your own account", Level.WRITE)
    return actor.user


def access_namespace(
    actor: Actor, name: str | None, need: Level = Level.WRITE, *, what: str = "a repo"
) -> Namespace:
    """The namespace (None: the actor's own) to create something in; `what` names it in the refusal.

    A namespace of somebody else and a missing one are refused in the same words, so that neither can be told.
    """
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    wanted = actor.user.username if name is None else name
    namespace = Namespace.objects.named(wanted).select_related("organization").first()
    if namespace is None or actor.namespace_levels.get(namespace.pk, Level.NONE) < need:
        raise Forbidden(f"You don't have the rights to create {what} under the namespace {_shown(wanted)}.")
    if actor.namespace_ceiling(namespace) < need:
        raise too_little(actor, f"namespace {namespace.name}", need)
    return namespace


def is_moderator(actor: Actor) -> bool:
    """Staff in a browser session; a token never carries a moderator's powers."""
    return actor.user is not None and actor.user.is_staff and actor.token is None


def too_little(actor: Actor, what: str, need: Level) -> Refusal:
    """The refusal for a caller who may see `what` but not do `need` with it."""
    if actor.is_anonymous:
        return LoginRequired("Invalid username or password.")
    if actor.token is not None and actor.token.role == TokenRole.READ:
        return Forbidden("You must use a write token to change anything on the hub; this is a read token.")
    if actor.is_scoped:
        return Forbidden(f"This fine-grained token does not allow {need.name.lower()} access to {what}.")
    return Forbidden(f"You don't have {need.name.lower()} access to {what}.")


def _shown(text: str) -> str:
    """Untrusted text inside a message: quoted, escaped and short."""
    return repr(text[:96])

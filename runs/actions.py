"""What people do with runs: submit, cancel, try again, copy; `runs/reviving.py` has going on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app.access import Forbidden, LoginRequired, Refusal, access_namespace
from models_app.actions.events import record_event
from models_app.actions.locking import check_credential, lock_repo
from models_app.actions.refusals import InvalidInput, RepoExists
from models_app.actions.repos import create_repo
from models_app.content.recipes import fingerprint
from models_app.files import git_store
from models_app.models import EventTag, Repo
from runs import dispatch
from runs.choices import free_stem
from runs.estimates import foretold
from runs.flavors import DEFAULT_FLAVOR, FLAVORS
from runs.freezing import Frozen, freeze
from runs.labels import label_problems, labels_of, put_labels
from runs.lifecycle import NotYourRun, finish_run
from runs.models import Kind, Run, Stage
from runs.quotas import check_may_queue
from runs.ties import NO_TIES, Ties
from training.recipe import Problem, Recipe, RecipeError, parse_recipe

SHORTEST_TIMEOUT_SECONDS = 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


class RunHasEnded(Refusal):
    """There is nothing left to cancel."""


@dataclass(frozen=True)
class Target:
    """Where a run publishes: an existing empty repo of ours, or the name of one to make."""

    namespace: Namespace
    name: str


def submit(
    actor: Actor,
    *,
    recipe: Recipe,
    target: str,
    flavor: str = DEFAULT_FLAVOR,
    private: bool | None = None,
    timeout_seconds: int | None = None,
    labels: Mapping[str, str] | None = None,
    ties: Ties = NO_TIES,
) -> Run:
    """Queue a run of this recipe that publishes to `target` (`namespace/name`, or a name of one's own).

    Every revision is frozen to a commit oid. `private=None`: private when the base or the data is, else as
    the namespace says. `timeout_seconds=None`: as long as the hub lets a run take. Raises RecipeError with
    every problem, by field (also `target`, `flavor`, `timeoutSeconds`, `labels`); Forbidden; LoginRequired;
    TooManyRuns.
    """
    if actor.user is None:
        raise LoginRequired("Sign in to start a run.")
    if actor.token is not None and actor.token.scopes.get("run"):
        raise Forbidden("A run's own token cannot start another run.")
    problems: list[Problem] = [*label_problems(labels or {}), *_timeout_problems(timeout_seconds)]
    if flavor not in FLAVORS:
        problems.append(Problem("flavor", f"flavor must be one of {', '.join(FLAVORS)}."))
    place = _parse_target(actor, target, problems)
    frozen = freeze(actor, recipe, problems)
    forecast = foretold(frozen, flavor, place.namespace, problems) if frozen and place else {}
    if problems or place is None or frozen is None:
        raise RecipeError(problems)
    with transaction.atomic():
        check_may_queue(place.namespace)
        repo = _target_repo(actor, place, _privacy(private, frozen))
        run = _insert(actor, frozen, repo, flavor, timeout_seconds, {**ties.columns(), "forecast": forecast})
        put_labels(run, labels or {})
        return run


def cancel(actor: Actor, *, run: Run) -> Run:
    """Stop the run: at once while it waits, at its worker's next report while it runs. Raises RunHasEnded."""
    with transaction.atomic():
        # Locked: it must not be put back between the look at its stage and the mark.
        Run.objects.select_for_update().filter(pk=run.pk).first()
        run.refresh_from_db()
        if run.has_ended:
            raise RunHasEnded("This run has ended already.")
        if run.cancel_requested_at is None:  # asked twice it is told of once
            record_event(actor, EventTag.RUN_CANCEL, repo=run.target_repo, run=str(run.uuid))
        if run.stage == Stage.SCHEDULING:
            try:
                finish_run(run, stage=Stage.CANCELED)
            except NotYourRun:  # a worker took it between the two lines above
                run.refresh_from_db()
        if run.stage == Stage.RUNNING:
            Run.objects.filter(pk=run.pk, cancel_requested_at=None).update(cancel_requested_at=timezone.now())
        run.refresh_from_db()
    return run


def retry(actor: Actor, *, run: Run) -> Run:
    """Submit a run that failed again from the start: same commits, same target. Raises what `submit` raises.

    Another row, whose `parent` is this one: what became of the first can still be read. RunHasEnded for a run
    that goes on or has finished, and where its target is gone. `runs/reviving.py` lets the same run go on.
    """
    if not run.has_ended or run.stage == Stage.COMPLETED or run.kind != Kind.TRAIN:
        raise RunHasEnded("Only a run that failed or was canceled can be tried again.")
    if run.target_repo is None:
        raise RunHasEnded("The repo it was to publish to is gone; start a copy of it instead.")
    return submit(
        actor,
        recipe=parse_recipe(run.recipe),
        target=run.target_repo.repo_id,
        flavor=run.flavor,
        timeout_seconds=run.timeout_seconds if is_shorter(run.timeout_seconds) else None,
        labels=labels_of(run),
        ties=Ties(parent=run),
    )


def clone(actor: Actor, *, run: Run, to_own: bool = False) -> Run:
    """Submit any run again as it was, to a target of its own beside the first. Raises as `submit` does.

    `to_own`: in the actor's own namespace, where they may not write to the run's. A copy of what is private
    is private.
    """
    if run.kind != Kind.TRAIN:
        raise RunHasEnded("A measured step publishes nothing, so there is nothing to copy.")
    recipe = parse_recipe(run.recipe)
    owner = run.namespace
    if to_own and actor.user is not None and not _may_write(actor, owner):
        owner = actor.user.namespace
    stem = "-".join(name.rpartition("/")[2] for name in recipe.repos)
    if run.target_repo is not None:
        stem = re.sub(r"-\d+$", "", run.target_repo.name)
    return submit(
        actor,
        recipe=recipe,
        target=f"{owner.name}/{free_stem(owner.name, stem)}",
        flavor=run.flavor,
        private=True if run.target_repo is not None and run.target_repo.private else None,
        timeout_seconds=run.timeout_seconds if is_shorter(run.timeout_seconds) else None,
        labels=labels_of(run),
        ties=Ties(parent=run),
    )


def _may_write(actor: Actor, namespace: Namespace) -> bool:
    level = actor.namespace_levels.get(namespace.pk, Level.NONE)
    return min(level, actor.namespace_ceiling(namespace)) >= Level.WRITE


def set_labels(actor: Actor, *, run: Run, labels: Mapping[str, str]) -> Run:
    """Let these be all the labels of the run. Raises RecipeError for what is no label."""
    problems = list(label_problems(labels))
    if problems:
        raise RecipeError(problems)
    with transaction.atomic():
        check_credential(actor)
        Run.objects.select_for_update().get(pk=run.pk)
        run.label_rows.all().delete()
        put_labels(run, labels)
        record_event(actor, EventTag.RUN_LABEL, repo=run.target_repo, run=str(run.uuid))
    return run


def _insert(
    actor: Actor,
    frozen: Frozen,
    target: Repo,
    flavor: str,
    timeout_seconds: int | None,
    columns: dict[str, Any],
) -> Run:
    assert actor.user is not None  # `submit` has refused anonymous callers
    run = Run.objects.create(
        namespace=target.namespace,
        created_by=actor.user,
        flavor=flavor,
        activity="waiting for a worker",
        recipe=frozen.recipe.as_dict(),
        recipe_fingerprint=fingerprint(frozen.recipe),
        base_repo=frozen.base,
        base_oid=frozen.base_oid,
        dataset_repo=frozen.dataset,
        dataset_oid=frozen.dataset_oid,
        benchmark_repo=frozen.benchmark,
        benchmark_oid=frozen.benchmark_oid,
        target_repo=target,
        target_base_oid=git_store(target).resolve(target.default_branch),
        timeout_seconds=timeout_seconds or settings.HUB_RUN_TIMEOUT_SECONDS,
        **columns,
    )
    record_event(actor, EventTag.RUN_SUBMIT, repo=target, run=str(run.uuid))
    transaction.on_commit(lambda: dispatch.wake(run))
    return run


def is_shorter(seconds: int) -> bool:
    """Whether a run was given a time of its own, and may have it still."""
    return SHORTEST_TIMEOUT_SECONDS <= seconds < settings.HUB_RUN_TIMEOUT_SECONDS


def _timeout_problems(seconds: int | None) -> Iterator[Problem]:
    longest = settings.HUB_RUN_TIMEOUT_SECONDS
    if seconds is not None and not SHORTEST_TIMEOUT_SECONDS <= seconds <= longest:
        text = f"timeoutSeconds must be {SHORTEST_TIMEOUT_SECONDS} to {longest}, this hub's limit for a run."
        yield Problem("timeoutSeconds", text)


def _parse_target(actor: Actor, text: str, problems: list[Problem]) -> Target | None:
    namespace, _, name = text.strip().rpartition("/")
    if not _NAME.fullmatch(name) or (namespace and not _NAME.fullmatch(namespace)):
        problems.append(Problem("target", "target must be a repo name like namespace/name."))
        return None
    return Target(access_namespace(actor, namespace or None, Level.WRITE), name)


def _target_repo(actor: Actor, place: Target, private: bool | None) -> Repo:
    try:
        return create_repo(
            actor, repo_type="model", namespace=place.namespace.name, name=place.name, private=private
        )
    except InvalidInput as refusal:
        raise RecipeError([Problem("target", f"target: {refusal.message}")]) from None
    except RepoExists as taken:
        # Locked, so that of two runs submitted at once one sees the other.
        repo = lock_repo(actor, taken.repo)
    if Run.objects.active().filter(target_repo=repo).exists():
        raise RecipeError([Problem("target", f"Another run is already going to publish to {repo.repo_id}.")])
    store = git_store(repo)
    files = [entry.path for entry in store.files(store.resolve(repo.default_branch))]
    if files and files != [".gitattributes"]:
        text = f"{repo.repo_id} already holds files; choose another name for the result."
        raise RecipeError([Problem("target", text)])
    return repo


def _privacy(asked: bool | None, frozen: Frozen) -> bool | None:
    """What came from private things stays private unless its owner says otherwise."""
    sources = (frozen.base, frozen.dataset)
    return True if asked is None and any(repo.private for repo in sources) else asked

"""A run that failed or was canceled goes on: the same row, curve and ledger, from its last checkpoint.

To try it again from the start is another run (`actions.retry`), so that the page, the log and the curve of
the one that failed stay as they are.
"""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor, Level
from models_app.access import LoginRequired, Refusal
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.files import git_store
from models_app.models import EventTag, Repo
from runs import checkpoints, dispatch
from runs.models import Kind, Run, Stage
from runs.published import find_published
from runs.quotas import check_may_queue
from training.recipe import RecipeError, parse_recipe

FAILED = (Stage.ERROR, Stage.CANCELED)
NOTHING_KEPT = "No checkpoint of this run is kept, so it cannot go on; try it again from the start."


class NotResumable(Refusal):
    """The run cannot go on; the sentence says why."""


def why_not(run: Run) -> str:
    """Why the run cannot be resumed, as far as its row tells; empty where it can. Asks nothing."""
    if run.stage not in FAILED:
        done = run.stage == Stage.COMPLETED
        return "This run has finished." if done else "This run is under way already."
    if run.kind != Kind.TRAIN:
        return "A measured step is not resumed; ask for another."
    gone = [name for name in ("target", "base", "dataset") if getattr(run, f"{name}_repo_id") is None]
    if gone:
        return f"The {gone[0]} repo of this run was deleted, so it cannot go on."
    return "" if run.checkpoint_step else NOTHING_KEPT


def resume(actor: Actor, *, run: Run) -> Run:
    """Let the run go on from its checkpoint: it waits again, with no losses and a clock that begins anew.

    Its attempts are counted on. Of two clicks one resumes it; the other raises NotResumable, as what cannot
    go on does. Raises Forbidden, LoginRequired, CredentialEnded as writing to the target does; TooManyRuns.
    """
    if actor.user is None:
        raise LoginRequired("Sign in to resume this run.")
    with transaction.atomic():
        if run.target_repo is not None:
            # Whoever submits a run to the same repo holds this lock too.
            _check_target(run, lock_repo(actor, run.target_repo, Level.WRITE))
        run.refresh_from_db()
        _check(run)
        check_may_queue(run.namespace)
        _put_back(run)
        record_event(
            actor, EventTag.RUN_RESUME, repo=run.target_repo, run=str(run.uuid), stage=str(Stage.SCHEDULING)
        )
        transaction.on_commit(lambda: dispatch.wake(run))
    run.refresh_from_db()
    return run


def _check(run: Run) -> None:
    reason = why_not(run)
    if not reason and not (run.created_by.is_active and not run.created_by.is_suspended):
        reason = "The account that started this run is closed; start it again as your own."
    if not reason and not checkpoints.is_kept(run):
        reason = NOTHING_KEPT
    if reason:
        raise NotResumable(reason)
    try:
        parse_recipe(run.recipe)
    except RecipeError as error:
        raise NotResumable(f"This release no longer takes its recipe: {error.message}") from None


def _check_target(run: Run, repo: Repo) -> None:
    """Nobody else may publish there, nor have published; what the run itself published is welcome."""
    if Run.objects.active().filter(target_repo=repo).exclude(pk=run.pk).exists():
        raise NotResumable(f"Another run is going to publish to {repo.repo_id}.")
    store = git_store(repo)
    head = store.resolve(repo.default_branch)
    files = [entry.path for entry in store.files(head)]
    if files and files != [".gitattributes"] and find_published(run) is None:
        raise NotResumable(f"{repo.repo_id} holds files by now; start the run again under another name.")


def _put_back(run: Run) -> None:
    same = Run.objects.filter(
        pk=run.pk, stage=run.stage, attempt=run.attempt, finished_at=run.finished_at
    ).update(
        stage=Stage.SCHEDULING,
        activity="waiting for a worker",
        message="",
        message_id="",
        losses=0,
        sends=0,
        sent_at=None,
        not_before=None,
        worker=None,
        claimed_at=None,
        heartbeat_at=None,
        cancel_requested_at=None,
        finished_at=None,
    )
    if not same:
        raise NotResumable("Somebody else has resumed this run just now.")

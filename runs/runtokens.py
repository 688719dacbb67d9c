"""The token of one attempt: it reads the inputs, writes the target, reports the attempt, and ends with it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from accounts.models import AccessToken, TokenRole
from accounts.tokens import mint_token
from runs.models import Run

# A worker that uploads as its time runs out should still be told so by the hub, not by its token.
TOKEN_MARGIN = timedelta(minutes=10)


def mint_run_token(run: Run) -> str:
    """The text of a token for the run's current attempt."""
    read = [repo for repo in (run.base_repo, run.dataset_repo, run.benchmark_repo) if repo is not None]
    repos = {f"{repo.repo_type}:{repo.repo_id}": "read" for repo in read}
    if run.target_repo is not None:
        repos[f"model:{run.target_repo.repo_id}"] = "write"
    _, text = mint_token(
        run.created_by,
        name=f"run {run.uuid}",
        role=TokenRole.FINE_GRAINED,
        scopes={"repos": repos, "run": str(run.uuid), "attempt": run.attempt},
        expires_at=timezone.now() + run.time_limit + TOKEN_MARGIN,
    )
    return text


def revoke_run_tokens(run: Run) -> None:
    """Cut off whoever still has the run in hand; inside the caller's transaction."""
    tokens = AccessToken.objects.filter(user=run.created_by, name=f"run {run.uuid}", revoked_at=None)
    tokens.filter(scopes__run=str(run.uuid)).update(revoked_at=timezone.now())

"""The worker's doors: claim with a worker's token, then report, result, finish with the run's own token."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework.response import Response

from accounts.auth import bearer_text
from models_app.api.wire import error_response
from models_app.models import Repo
from runs import lifecycle, payloads, reports
from runs.api import RunAPIView
from runs.flavors import memory_limit
from runs.lifecycle import Claim, NotYourRun
from runs.models import Run, Worker
from runs.worker_payloads import read_hardware, read_versions
from runs.workers import find_worker

NOT_A_WORKER = "This is not the token of an enabled worker of this hub."


class WorkerTokenView(RunAPIView):
    """A door that only workers use; who comes with no worker's token is told so."""

    def read(self, request: HttpRequest) -> tuple[Worker, dict[str, Any]] | None:
        """The worker and what a claim takes of its request; None for a stranger. Raises BadReport (400)."""
        worker = find_worker(bearer_text(request))
        if worker is None:
            return None
        body = payloads.read_object(request)
        return worker, {
            "flavors": payloads.texts(body, "flavors"),
            "versions": read_versions(body),
            "hardware": read_hardware(body),
        }


class ClaimNextView(WorkerTokenView):
    """`POST /api/runs/claim`: the queue's first run for this worker, with all it needs; 204 when nothing
    waits for it."""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        found = self.read(request)
        if found is None:
            return error_response(401, NOT_A_WORKER)
        worker, told = found
        claim = lifecycle.claim_next(worker, **told)
        return Response(claim_json(claim)) if claim else Response(status=204)


class ClaimView(WorkerTokenView):
    """`POST /api/runs/{uuid}/claim`: just this run, 409 when it cannot be had; for tests and tools."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> HttpResponseBase:
        found = self.read(request)
        if found is None:
            return error_response(401, NOT_A_WORKER)
        worker, told = found
        return Response(claim_json(lifecycle.claim(worker, uuid, **told)))


class RunTokenView(RunAPIView):
    """A door that only the run's current attempt may use: its token names the run and the attempt."""

    def read(self, request: HttpRequest, uuid: uuids.UUID) -> tuple[Run, dict[str, Any]]:
        """The run and the request's body. Raises NotYourRun (409), or BadReport (400)."""
        self.check_token(uuid)
        body = payloads.read_object(request)
        return self.run_of(uuid, payloads.number(body, "attempt")), body

    def check_token(self, uuid: uuids.UUID) -> None:
        """Raises NotYourRun where the token is not one of this run, whatever else is asked."""
        token = self.actor.token
        if token is None or token.scopes.get("run") != str(uuid):
            raise NotYourRun("This is not the token of this run.")

    def run_of(self, uuid: uuids.UUID, attempt: int | None) -> Run:
        """The run, if this attempt is its current one and the token's own. Raises NotYourRun (409)."""
        self.check_token(uuid)
        token = self.actor.token
        run = Run.objects.for_pages().filter(uuid=uuid).first()
        known = token.scopes.get("attempt") if token is not None else None
        if run is None or attempt != known or attempt != run.attempt or run.stage != "RUNNING":
            raise NotYourRun("This run has moved on without you.")
        return run


class ReportView(RunTokenView):
    """`POST …/report`: progress, and the heartbeat; the answer says whether to cancel."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run, body = self.read(request, uuid)
        cancel = reports.report(
            run,
            attempt=run.attempt,
            activity=payloads.text(body, "activity", 40) or None,
            step=payloads.number(body, "step"),
            total_steps=payloads.number(body, "total_steps"),
            metrics=payloads.metrics(body),
            logs=payloads.logs(body),
        )
        return Response({"cancel": cancel})


class ResultView(RunTokenView):
    """`POST …/result`: the benchmark's evaluation; the answer is its proof."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run, body = self.read(request, uuid)
        evaluation = payloads.mapping(body, "evaluation")
        return Response(reports.record_result(run, attempt=run.attempt, evaluation=evaluation))


class FinishView(RunTokenView):
    """`POST …/finish`: the end of the attempt, and of its token."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run, body = self.read(request, uuid)
        reports.finish(
            run,
            outcome=payloads.text(body, "outcome", 20),
            result_oid=payloads.text(body, "result_oid", 40),
            message_id=payloads.text(body, "message_id", 64),
            message=payloads.text(body, "message", 2000),
            summary=payloads.mapping(body, "summary"),
        )
        run.refresh_from_db(fields=["stage"])
        return Response({"stage": run.stage})


def claim_json(claim: Claim) -> dict[str, Any]:
    """The answer to a claim: frozen repos, the recipe, the run token, the clocks."""
    run = claim.run
    benchmark = run.recipe.get("benchmark") or {}
    return {
        "run": str(run.uuid),
        "kind": run.kind,
        "url": settings.HUB_PUBLIC_URL + run.get_absolute_url(),
        "attempt": run.attempt,
        "token": claim.token,
        "recipe": run.recipe,
        "base": _pinned(run.base_repo, run.base_oid),
        "dataset": _pinned(run.dataset_repo, run.dataset_oid),
        "benchmark": run.benchmark_repo
        and {
            **_pinned(run.benchmark_repo, run.benchmark_oid),
            "task_id": benchmark.get("task_id"),
            "split": benchmark.get("split"),
        },
        "target": {"repo": run.target_repo.repo_id, "type": "model"} if run.target_repo else None,
        "checkpoint": checkpoint_json(run),
        "memory_limit_bytes": memory_limit(run.flavor),
        "timeout_seconds": run.timeout_seconds,
        "heartbeat_seconds": heartbeat_seconds(),
        "published_oid": claim.published_oid,
    }


def checkpoint_json(run: Run) -> dict[str, Any] | None:
    """The checkpoint that the hub keeps of the run, from which the attempt goes on."""
    if run.checkpoint_step is None:
        return None
    return {"step": run.checkpoint_step, "bytes": run.checkpoint_bytes, "sha256": run.checkpoint_sha256}


def heartbeat_seconds() -> float:
    """How often a worker with nothing to say should report; a few may be lost before it counts as silent."""
    return min(max(settings.HUB_HEARTBEAT_TIMEOUT_SECONDS / 5, 0.2), 10.0)


def _pinned(repo: Repo | None, oid: str) -> dict[str, str]:
    return {"repo": repo.repo_id if repo else "", "oid": oid}

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
from runs.lifecycle import Claim, NotYourRun
from runs.models import Run
from runs.workers import find_worker


class ClaimView(RunAPIView):
    """`POST /api/runs/{uuid}/claim`: 200 with all the worker needs, 409 when there is nothing to claim."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> HttpResponseBase:
        worker = find_worker(bearer_text(request))
        if worker is None:
            return error_response(401, "This is not the token of an enabled worker of this hub.")
        body = payloads.read_object(request)
        versions = {
            str(k)[:40]: str(v)[:80] for k, v in list(payloads.mapping(body, "versions").items())[:20]
        }
        flavors = payloads.texts(body, "flavors")
        return Response(claim_json(lifecycle.claim(worker, uuid, flavors=flavors, versions=versions)))


class RunTokenView(RunAPIView):
    """A door that only the run's current attempt may use: its token names the run and the attempt."""

    def read(self, request: HttpRequest, uuid: uuids.UUID) -> tuple[Run, dict[str, Any]]:
        """The run and the request's body. Raises NotYourRun (409), or BadReport (400)."""
        token = self.actor.token
        if token is None or token.scopes.get("run") != str(uuid):
            raise NotYourRun("This is not the token of this run.")
        body = payloads.read_object(request)
        run = Run.objects.for_pages().filter(uuid=uuid).first()
        attempt = payloads.number(body, "attempt")
        if (
            run is None
            or attempt != token.scopes.get("attempt")
            or attempt != run.attempt
            or run.stage != "RUNNING"
        ):
            raise NotYourRun("This run has moved on without you.")
        return run, body


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
        "timeout_seconds": run.timeout_seconds,
        "heartbeat_seconds": heartbeat_seconds(),
        "published_oid": claim.published_oid,
    }


def heartbeat_seconds() -> float:
    """How often a worker with nothing to say should report; a few may be lost before it counts as silent."""
    return min(max(settings.HUB_HEARTBEAT_TIMEOUT_SECONDS / 5, 0.2), 10.0)


def _pinned(repo: Repo | None, oid: str) -> dict[str, str]:
    return {"repo": repo.repo_id if repo else "", "oid": oid}

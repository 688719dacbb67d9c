"""Runs over HTTP for people's scripts: submit, list, look, cancel."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework.response import Response

from accounts.actor import Level
from models_app.access import Refusal
from models_app.api.wire import HubAPIView, error_response, wire_time
from runs import actions, payloads, quotas
from runs.access import RunNotFound, access_run
from runs.flavors import DEFAULT_FLAVOR
from runs.lifecycle import NotClaimable, NotYourRun
from runs.models import Run
from runs.reports import BadReport
from training.recipe import RecipeError, parse_recipe

_STATUS: dict[type[Refusal], int] = {
    RunNotFound: 404,
    NotClaimable: 409,
    NotYourRun: 409,
    actions.RunHasEnded: 409,
    quotas.TooManyRuns: 429,
}
LIST_LIMIT = 100


class RunAPIView(HubAPIView):
    """Adds the refusals of runs to the wire's."""

    def refuse(self, error: Exception) -> HttpResponseBase:
        if isinstance(error, RecipeError):
            problems = [{"field": problem.field, "message": problem.message} for problem in error.problems]
            return error_response(422, error.message, problems=problems)
        if isinstance(error, BadReport):
            return error_response(400, str(error))
        for kind, status in _STATUS.items():
            if isinstance(error, kind):
                return error_response(status, error.message)
        return super().refuse(error)


class RunsView(RunAPIView):
    """`GET /api/runs[?target=ns/name]`: the newest runs; `POST /api/runs`: submit one."""

    def get(self, request: HttpRequest) -> Response:
        runs = Run.objects.visible_to(self.actor).for_pages()
        namespace, _, name = request.GET.get("target", "").replace("\0", "").rpartition("/")
        if name:
            runs = runs.filter(target_repo__namespace__name__iexact=namespace, target_repo__name__iexact=name)
        return Response([run_json(run) for run in runs[:LIST_LIMIT]])

    def post(self, request: HttpRequest) -> Response:
        body = payloads.read_object(request)
        private = body.get("private")
        if private is not None and not isinstance(private, bool):
            raise BadReport("private must be true, false or left out.")
        run = actions.submit(
            self.actor,
            recipe=parse_recipe(payloads.mapping(body, "recipe")),
            target=payloads.text(body, "target", 200),
            flavor=payloads.text(body, "flavor", 32, DEFAULT_FLAVOR),
            private=private,
        )
        return Response(run_json(run), 201)


class RunView(RunAPIView):
    """`GET /api/runs/{uuid}`."""

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        return Response(run_json(access_run(self.actor, uuid)))


class CancelView(RunAPIView):
    """`POST /api/runs/{uuid}/cancel`."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run = access_run(self.actor, uuid, Level.WRITE)
        return Response(run_json(actions.cancel(self.actor, run=run)))


def run_json(run: Run) -> dict[str, Any]:
    """One run as scripts see it; times as everywhere on the wire, progress in optimizer steps."""
    repos = {"base": run.base_repo, "dataset": run.dataset_repo, "benchmark": run.benchmark_repo}
    oids = {"base": run.base_oid, "dataset": run.dataset_oid, "benchmark": run.benchmark_oid}
    return {
        "id": str(run.uuid),
        "url": settings.HUB_PUBLIC_URL + run.get_absolute_url(),
        "stage": run.stage,
        "activity": run.activity,
        "messageId": run.message_id,
        "message": run.message,
        "flavor": run.flavor,
        "recipe": run.recipe,
        **{name: {"repo": repo.repo_id, "oid": oids[name]} if repo else None for name, repo in repos.items()},
        "target": {"repo": run.target_repo.repo_id, "type": "model"} if run.target_repo else None,
        "resultOid": run.result_oid or None,
        "attempt": run.attempt,
        "progress": {"step": run.progress_step, "total": run.progress_total},
        "cancelRequested": run.cancel_requested_at is not None,
        "createdBy": run.created_by.username,
        "createdAt": wire_time(run.created_at),
        "finishedAt": wire_time(run.finished_at) if run.finished_at else None,
        "summary": run.summary,
    }

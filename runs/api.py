"""Runs over HTTP for people's scripts: submit, list, look, cancel, go on, try again, copy."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase
from rest_framework.response import Response

from accounts.actor import Actor, Level
from models_app.access import Refusal
from models_app.api.wire import HubAPIView, error_response
from runs import actions, payloads, quotas, reviving, run_lists, wishes
from runs import recipe_wishes as shared_wishes
from runs.access import RunNotFound, access_run
from runs.choices import free_stem
from runs.flavors import DEFAULT_FLAVOR
from runs.lifecycle import NotClaimable, NotYourRun
from runs.models import Run
from runs.reports import BadReport
from runs.run_json import run_detail, run_json
from runs.ties import Ties
from training.recipe import Recipe, RecipeError

FIELDS = (
    "recipe", "recipe_repo", "base", "dataset", "target", "flavor", "private", "timeoutSeconds", "labels",
    "parent", "id",
)  # fmt: skip


class IdTaken(Refusal):
    """The id that the submitter chose is another run's."""


_STATUS: dict[type[Refusal], int] = {
    RunNotFound: 404,
    NotClaimable: 409,
    NotYourRun: 409,
    IdTaken: 409,
    actions.RunHasEnded: 409,
    reviving.NotResumable: 409,
    quotas.TooManyRuns: 429,
}


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
    """`GET /api/runs`: runs newest first, narrowed by the query, in pages; `POST /api/runs`: submit one.

    The same `id` sent twice makes one run: the second answer is 200 with the first one's. `recipe_repo` names
    a shared recipe: the one that `recipe` follows, or in its place, for other `base` and `dataset`.
    """

    def get(self, request: HttpRequest) -> Response:
        asked = run_lists.Asked(
            target=request.GET.get("target", ""),
            namespace=request.GET.get("namespace", ""),
            stages=request.GET.getlist("stage"),
            sweep=request.GET.get("sweep", ""),
            base=request.GET.get("base", ""),
            dataset=request.GET.get("dataset", ""),
            labels=request.GET.getlist("label"),
            mine=request.GET.get("mine", ""),
            cursor=request.GET.get("cursor", ""),
            limit=request.GET.get("limit", ""),
        )
        rows, headers = run_lists.page_of(self.actor, request, asked)
        return Response([run_json(run) for run in rows], headers=headers)

    def post(self, request: HttpRequest) -> Response:
        body = payloads.read_object(request)
        wishes.only(body, FIELDS)
        uuid = wishes.uuid_in(body, "id")
        made = known_run(self.actor, uuid)
        if made is not None:
            return Response(run_json(made), 200)
        try:
            return Response(run_json(_submitted(self.actor, body, uuid)), 201)
        except (RecipeError, IntegrityError) as error:
            # Of the same request sent twice at once the second finds the first one's target taken.
            made = known_run(self.actor, uuid)
            if made is not None:
                return Response(run_json(made), 200)
            if isinstance(error, IntegrityError):
                raise IdTaken("This id is taken; choose another.") from None
            raise


def known_run(actor: Actor, uuid: uuids.UUID | None) -> Run | None:
    """The run that the actor has submitted with this id, if there is one. Raises IdTaken for others' runs."""
    try:
        run = access_run(actor, uuid) if uuid is not None else None
    except RunNotFound:
        return None
    if run is not None and run.created_by != actor.user:
        raise IdTaken("This id is another run's; choose another.")
    return run


def _submitted(actor: Actor, body: dict[str, Any], uuid: uuids.UUID | None) -> Run:
    recipe, shared, oid = shared_wishes.recipe_in(actor, body)
    parent = wishes.uuid_in(body, "parent")
    return actions.submit(
        actor,
        recipe=recipe,
        target=payloads.text(body, "target", 200) or _own_target(actor, recipe),
        flavor=payloads.text(body, "flavor", 32, DEFAULT_FLAVOR),
        private=wishes.flag_in(body, "private"),
        timeout_seconds=payloads.number(body, "timeoutSeconds"),
        labels=wishes.labels_in(body),
        ties=Ties(
            uuid=uuid,
            parent=access_run(actor, parent) if parent is not None else None,
            recipe_repo=shared,
            recipe_oid=oid,
        ),
    )


def _own_target(actor: Actor, recipe: Recipe) -> str:
    """A name of one's own that says what was trained on what, where none is asked for."""
    if actor.user is None:
        return "x"  # `submit` tells them to sign in
    return free_stem(actor.user.username, "-".join(repo.rpartition("/")[2] for repo in recipe.repos))


class RunView(RunAPIView):
    """`GET /api/runs/{uuid}`: the run with its attempts, timeline, forecast and checkpoint."""

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        return Response(run_detail(self.actor, access_run(self.actor, uuid)))


class CancelView(RunAPIView):
    """`POST /api/runs/{uuid}/cancel`: at once while it waits, within seconds while it runs."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run = access_run(self.actor, uuid, Level.WRITE)
        return Response(run_json(actions.cancel(self.actor, run=run)))


class ResumeView(RunAPIView):
    """`POST /api/runs/{uuid}/resume`: the same run goes on from its checkpoint; 409 says why it cannot."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run = access_run(self.actor, uuid, Level.WRITE)
        return Response(run_json(reviving.resume(self.actor, run=run)))


class RetryView(RunAPIView):
    """`POST /api/runs/{uuid}/retry`: a failed run once more from the start, to the same target; a new run."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run = access_run(self.actor, uuid, Level.WRITE)
        return Response(run_json(actions.retry(self.actor, run=run)), 201)


class CloneView(RunAPIView):
    """`POST /api/runs/{uuid}/clone`: any run once more as it was, published beside the first; a new run."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run = access_run(self.actor, uuid)
        return Response(run_json(actions.clone(self.actor, run=run, to_own=True)), 201)

"""Sweeps over HTTP: start, list, look, add to, stop."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest, JsonResponse
from rest_framework.response import Response

from accounts.actor import Actor, Level
from models_app.api.wire import paginate, query_int, wire_time
from runs import payloads, sweeps, wishes
from runs.api import IdTaken, RunAPIView
from runs.flavors import DEFAULT_FLAVOR
from runs.models import Sweep
from runs.reports import BadReport
from runs.sweep_access import SweepNotFound, access_sweep, visible_sweeps
from runs.sweep_rows import Board, Row, Setting, board_of
from training.recipe import RecipeError

PAGE_SIZE = 50
FIELDS = (
    "recipe", "axes", "name", "namespace", "mode", "samples", "flavor", "private", "timeoutSeconds", "labels",
    "id",
)  # fmt: skip
MORE_FIELDS = ("axes", "samples")


class SweepsView(RunAPIView):
    """`GET /api/sweeps`: newest first, `namespace` narrows; `POST /api/sweeps`: queue a run for each point of
    `axes`, all or none. The same `id` sent twice makes one sweep.
    """

    def get(self, request: HttpRequest) -> JsonResponse:
        rows = visible_sweeps(self.actor).order_by("-pk")
        namespace = request.GET.get("namespace", "").replace("\0", "")[:100]
        if namespace:
            rows = rows.filter(namespace__name__iexact=namespace)
        limit = query_int(request, "limit", default=PAGE_SIZE, lowest=1, highest=PAGE_SIZE)
        page, headers = paginate(request, rows, limit)
        return JsonResponse([sweep_json(sweep) for sweep in page], safe=False, headers=headers)

    def post(self, request: HttpRequest) -> Response:
        body = payloads.read_object(request)
        wishes.only(body, FIELDS)
        uuid = wishes.uuid_in(body, "id")
        made = _known(self.actor, uuid)
        if made is not None:
            return Response(_whole(self.actor, made), 200)
        try:
            return Response(_whole(self.actor, _submitted(self.actor, body, uuid)), 201)
        except (RecipeError, IntegrityError) as error:
            made = _known(self.actor, uuid)
            if made is not None:
                return Response(_whole(self.actor, made), 200)
            if isinstance(error, IntegrityError):
                raise IdTaken("This id is taken; choose another.") from None
            raise


class SweepView(RunAPIView):
    """`GET /api/sweeps/{uuid}`: its runs as rows, best first, settings over their seeds, and the best."""

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        return Response(_whole(self.actor, access_sweep(self.actor, uuid)))


class ExtendSweepView(RunAPIView):
    """`POST /api/sweeps/{uuid}/extend`: queue what more values of `axes`, or `samples` drawn anew, make."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        sweep = access_sweep(self.actor, uuid, Level.WRITE)
        body = payloads.read_object(request)
        wishes.only(body, MORE_FIELDS)
        more = sweeps.extend_sweep(
            self.actor,
            sweep=sweep,
            axes=payloads.mapping(body, "axes"),
            samples=payloads.number(body, "samples"),
        )
        return Response(_whole(self.actor, more))


class CancelSweepView(RunAPIView):
    """`POST /api/sweeps/{uuid}/cancel`: stop every run that has not ended; 409 when there is none."""

    def post(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        sweep = access_sweep(self.actor, uuid, Level.WRITE)
        count = sweeps.cancel_sweep(self.actor, sweep=sweep)
        return Response({**_whole(self.actor, sweep), "canceled": count})


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """One sweep, as it is in lists."""
    return {
        "id": str(sweep.uuid),
        "url": settings.HUB_PUBLIC_URL + sweep.get_absolute_url(),
        "name": sweep.name,
        "namespace": sweep.namespace.name,
        "createdBy": sweep.created_by.username,
        "createdAt": wire_time(sweep.created_at),
        "axes": sweep.axes,
    }


def board_json(board: Board) -> dict[str, Any]:
    """What was found; `score` is of `metric`, on the benchmark, or where it begins with `val/` on the
    validation part."""
    return {
        "metric": board.metric or None,
        "higherIsBetter": board.higher_is_better,
        "counts": board.counts,
        "best": _setting_json(board.best) if board.best else None,
        "settings": [_setting_json(setting) for setting in board.settings],
        "rows": [_row_json(row) for row in board.rows],
    }


def _row_json(row: Row) -> dict[str, Any]:
    run = row.run
    return {
        "run": str(run.uuid),
        "url": settings.HUB_PUBLIC_URL + run.get_absolute_url(),
        "target": run.target_repo.repo_id if run.target_repo else None,
        "index": run.sweep_index,
        "values": row.values,
        "stage": run.stage,
        "progress": {"step": run.progress_step, "total": run.progress_total},
        "score": row.score,
        "seconds": row.seconds,
        "best": row.is_best,
    }


def _setting_json(setting: Setting) -> dict[str, Any]:
    return {
        "values": setting.values,
        "n": setting.n,
        "mean": setting.mean,
        "sd": setting.sd,
        "runs": [str(row.run.uuid) for row in setting.rows],
    }


def _whole(actor: Actor, sweep: Sweep) -> dict[str, Any]:
    return {**sweep_json(sweep), "recipe": sweep.recipe, **board_json(board_of(actor, sweep))}


def _known(actor: Actor, uuid: uuids.UUID | None) -> Sweep | None:
    try:
        sweep = access_sweep(actor, uuid) if uuid is not None else None
    except SweepNotFound:
        return None
    if sweep is not None and sweep.created_by != actor.user:
        raise IdTaken("This id is another sweep's; choose another.")
    return sweep


def _submitted(actor: Actor, body: dict[str, Any], uuid: uuids.UUID | None) -> Sweep:
    if not isinstance(body.get("axes"), dict):
        raise BadReport(
            "axes must be an object of fields with their values, like {'optim.lr': [0.001, 0.003]}."
        )
    return sweeps.submit_sweep(
        actor,
        recipe=wishes.recipe_in(body),
        axes=payloads.mapping(body, "axes"),
        name=payloads.text(body, "name", 200),
        namespace=payloads.text(body, "namespace", 100) or None,
        mode=payloads.text(body, "mode", 20, "grid"),
        samples=payloads.number(body, "samples"),
        wish=sweeps.Wish(
            flavor=payloads.text(body, "flavor", 32, DEFAULT_FLAVOR),
            private=wishes.flag_in(body, "private"),
            timeout_seconds=payloads.number(body, "timeoutSeconds"),
            labels=wishes.labels_in(body),
        ),
        uuid=uuid,
    )

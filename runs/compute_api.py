"""What a namespace has computed, over HTTP: for its members."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.response import Response

from models_app.api.wire import wire_time
from runs import quotas
from runs.api import RunAPIView
from runs.compute import access_compute, entries_of, people_of
from runs.ledger import PERIOD
from runs.models import Attempt

MAX_ENTRIES = 100


class ComputeView(RunAPIView):
    """`GET /api/namespaces/{namespace}/compute`: what its runs took within 30 days, by whom, what is left."""

    def get(self, request: HttpRequest, namespace: str) -> Response:
        found, now = access_compute(self.actor, namespace), timezone.now()
        usage = quotas.usage_of(found, now)
        limits = usage.limits
        return Response(
            {
                "namespace": found.name,
                "days": PERIOD.days,
                "usedSeconds": round(usage.seconds, 3),
                "limitSeconds": limits.seconds,
                "leftSeconds": usage.seconds_left,
                "running": usage.running,
                "maxRunning": limits.running or None,
                "waiting": usage.waiting,
                "maxWaiting": limits.waiting or None,
                "people": [
                    {"user": one.username, "runs": one.runs, "seconds": one.seconds, "freeSeconds": one.free}
                    for one in people_of(found, now)
                ],
                "attempts": [_entry(entry) for entry in entries_of(found, now)[:MAX_ENTRIES]],
            }
        )


def _entry(entry: Attempt) -> dict[str, Any]:
    return {
        "run": str(entry.run.uuid),
        "kind": entry.run.kind,
        "number": entry.number,
        "user": entry.run.created_by.username,
        "worker": entry.worker_name,
        "flavor": entry.flavor,
        "startedAt": wire_time(entry.started_at),
        "endedAt": wire_time(entry.ended_at) if entry.ended_at else None,
        "outcome": entry.outcome or None,
        "messageId": entry.message_id,
        "seconds": entry.seconds,
        "chargedSeconds": entry.charged_seconds,
    }

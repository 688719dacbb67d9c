"""The doors of machines that are no run's: what an idle worker says of itself, and the program it runs."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.response import Response

from accounts.auth import bearer_text
from models_app.api.wire import error_response
from runs import payloads
from runs.api import RunAPIView
from runs.models import Doing
from runs.reports import BadReport
from runs.wheel import wheel_bytes, wheel_name
from runs.worker_api import heartbeat_seconds
from runs.worker_payloads import read_hardware, read_versions
from runs.workers import find_worker, note_machine

NOT_A_WORKER = "This is not the token of an enabled worker of this hub."
_CACHE_SECONDS = 3600


class HelloView(RunAPIView):
    """`POST /api/workers/hello`: an idle worker lives, and says what it has; the answer is what is wanted of
    it: `{"name", "state", "heartbeat_seconds"}`."""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        worker = find_worker(bearer_text(request))
        if worker is None:
            return error_response(401, NOT_A_WORKER)
        body = payloads.read_object(request)
        doing = payloads.text(body, "doing", 20, Doing.IDLE)
        if doing not in Doing.values:
            raise BadReport(f"doing must be one of {', '.join(Doing.values)}.")
        payloads.texts(body, "flavors")
        note_machine(worker, versions=read_versions(body), hardware=read_hardware(body), doing=doing)
        return Response(
            {"name": worker.name, "state": worker.state, "heartbeat_seconds": heartbeat_seconds()}
        )


class WheelView(RunAPIView):
    """`GET /api/workers/{filename}`: the worker's program as a wheel for pip, of this hub's version
    (`tuneyard-VERSION-py3-none-any.whl`); the same for everybody."""

    def get(self, request: HttpRequest, filename: str) -> HttpResponseBase:
        if filename != wheel_name():
            return error_response(404, f"The worker's program is at /api/workers/{wheel_name()}.")
        content = wheel_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": f"public, max-age={_CACHE_SECONDS}"}
        if request.headers.get("If-None-Match", "").removeprefix("W/") == etag:
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(content, content_type="application/zip", headers=headers)


def wheel_url() -> str:
    """Where pip finds the program."""
    return f"{settings.HUB_PUBLIC_URL}/api/workers/{wheel_name()}"

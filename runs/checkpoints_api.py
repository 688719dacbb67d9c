"""The door for checkpoints: the run's current attempt brings the newest, and fetches the one that is kept."""

from __future__ import annotations

import re
import uuid as uuids

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from rest_framework.response import Response

from models_app.api.wire import WireError, error_response, upload_stream
from models_app.storage.streams import discard
from runs import checkpoints
from runs.models import Run
from runs.payloads import MAX_STEP
from runs.worker_api import RunTokenView

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Of a refused body so much is taken off the wire, so that the worker reads the refusal.
_DISCARDED_BYTES = 64 * 1024**2


class CheckpointView(RunTokenView):
    """`PUT …/checkpoint?attempt=&step=`: raw bytes with `Content-Length` and `X-Checksum-Sha256`, kept as the
    run's newest checkpoint, with every point of the curve up to `step` sent before. `GET …/checkpoint` hands
    out the one that is kept."""

    def put(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run = self._run(request, uuid)
        step, size = _number(request.GET.get("step"), "step"), _size(request)
        sha256 = request.headers.get("X-Checksum-Sha256", "")
        if not _SHA256.fullmatch(sha256):
            raise WireError(400, "X-Checksum-Sha256 must be the body's SHA-256, 64 lower-case hex digits.")
        body = upload_stream(request)
        checkpoints.keep(run, attempt=run.attempt, step=step, size=size, sha256=sha256, body=body)
        return Response({"step": step, "bytes": size, "sha256": sha256})

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> HttpResponseBase:
        run = self._run(request, uuid)
        headers = {"Content-Length": str(run.checkpoint_bytes), "X-Checksum-Sha256": run.checkpoint_sha256}
        return StreamingHttpResponse(
            checkpoints.pieces(run), content_type="application/octet-stream", headers=headers
        )

    def refuse(self, error: Exception) -> HttpResponseBase:
        """As everywhere, after what has come of the body."""
        if self.request.method == "PUT":
            discard(upload_stream(self.request), _DISCARDED_BYTES)
        if isinstance(error, checkpoints.NoCheckpoint):
            return error_response(404, error.message)
        if isinstance(error, checkpoints.NotWhatWasSent):
            return error_response(400, error.message)
        return super().refuse(error)

    def _run(self, request: HttpRequest, uuid: uuids.UUID) -> Run:
        self.check_token(uuid)
        return self.run_of(uuid, _number(request.GET.get("attempt"), "attempt"))


def _number(text: str | None, name: str) -> int:
    if not text or not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MAX_STEP:
        raise WireError(400, f"{name} must be a whole number from 0 to {MAX_STEP}.")
    return int(text)


def _size(request: HttpRequest) -> int:
    announced = request.META.get("CONTENT_LENGTH") or ""
    if not announced.isascii() or not announced.isdigit() or len(announced) > 18 or not int(announced):
        raise WireError(411, "A checkpoint needs a Content-Length above 0.")
    size, most = int(announced), settings.HUB_MAX_CHECKPOINT_BYTES
    if size > most:
        raise WireError(413, f"The checkpoint has {size} bytes; this hub keeps {most} of a run at most.")
    return size

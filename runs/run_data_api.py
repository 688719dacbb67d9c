"""What a run tells while it goes on and leaves behind: its log, its curves, the files it published."""

from __future__ import annotations

import csv
import io
import re
import uuid as uuids
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from rest_framework.response import Response

from models_app.access import access_repo
from models_app.api import sse
from models_app.api.wire import WireError, public_url, query_int, query_words, wire_time
from models_app.files import git_store
from models_app.storage.gitstore import Entry
from runs.access import access_run
from runs.api import RunAPIView
from runs.job_logs import LogReader, lines_since
from runs.models import Run
from runs.run_json import checkpoint_json

MAX_LINES = 1000
MAX_FILES = 1000
_BATCH = 2000
_PLACE = re.compile(r"(\d{1,9})\.(\d{1,9})")


class LogsView(RunAPIView):
    """`GET /api/runs/{uuid}/logs`: lines behind `since`, which each answer's `next` is; `format` `text` is
    the whole rest to keep, `events` server-sent events until the run ends or the stream's time is up.
    """

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> HttpResponseBase:
        run = access_run(self.actor, uuid)
        since = _place(request.GET.get("since", ""))
        limit = query_int(request, "limit", default=MAX_LINES, lowest=1, highest=MAX_LINES)
        match _choice(request, "format", ("json", "text", "events")):
            case "text":
                return _download(_text_lines(run, since), "text/plain", f"run-{run.uuid}.log")
            case "events":
                slot = sse.Slot()
                reader = LogReader(self.actor, run, since=since)
                return sse.event_stream(reader.session(follow=bool(slot)), slot)
        lines = lines_since(run, since, limit)
        last = (lines[-1].attempt, lines[-1].seq) if lines else since
        rows = [
            {"attempt": line.attempt, "seq": line.seq, "at": wire_time(line.at), "text": line.text}
            for line in lines
        ]
        return Response({"lines": rows, "next": f"{last[0]}.{last[1]}" if last[0] >= 0 else ""})


class MetricsView(RunAPIView):
    """`GET /api/runs/{uuid}/metrics`: every point, by series; `name` chooses series, `since` leaves out steps
    up to it, `format` is `json` or `csv`.
    """

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> HttpResponseBase:
        run = access_run(self.actor, uuid)
        names = query_words(request, "name")
        since = query_int(request, "since", default=-1, highest=2**31 - 1)
        rows = run.metrics.filter(step__gt=since).order_by("step", "name")
        if names:
            rows = rows.filter(name__in=names)
        if _choice(request, "format", ("json", "csv")) == "csv":
            return _download(_csv_lines(rows), "text/csv", f"run-{run.uuid}.csv")
        series: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for name, step, value in rows.values_list("name", "step", "value"):
            series[name].append((step, value))
        return Response({"id": str(run.uuid), "totalSteps": run.progress_total, "series": series})


class ArtifactsView(RunAPIView):
    """`GET /api/runs/{uuid}/artifacts`: the files that the run published, each with the URL to get it from,
    and the checkpoint it can go on from.
    """

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        run = access_run(self.actor, uuid)
        told: dict[str, Any] = {"repo": None, "oid": None, "files": [], "checkpoint": checkpoint_json(run)}
        if run.target_repo is not None and run.result_oid:
            # Its gate: who may see the run may not yet read the files.
            repo = access_repo(self.actor, "model", run.target_repo.repo_id)
            entries = islice(git_store(repo).files(run.result_oid), MAX_FILES)
            files = [_file_json(repo.repo_id, run.result_oid, entry) for entry in entries]
            told |= {"repo": repo.repo_id, "oid": run.result_oid, "files": files}
        return Response(told)


def _file_json(repo_id: str, oid: str, entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "size": entry.pointer.size if entry.pointer else entry.size,
        "sha256": entry.pointer.sha256 if entry.pointer else None,
        "url": public_url(f"/{repo_id}/resolve/{oid}/{quote(entry.path)}"),
    }


def _text_lines(run: Run, since: tuple[int, int]) -> Iterator[str]:
    # By pages, not by a cursor: that would need its connection for as long as a client reads.
    while lines := lines_since(run, since, _BATCH):
        yield "".join(f"{wire_time(line.at)} {line.text}\n" for line in lines)
        since = lines[-1].attempt, lines[-1].seq


def _csv_lines(rows: Any) -> Iterator[str]:
    yield "step,name,value,at\n"
    # One step has few series, so pages end between steps; the bound on points keeps this one query small.
    for start in range(0, 10**9, _BATCH):
        page = list(rows.values_list("step", "name", "value", "at")[start : start + _BATCH])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows((step, name, repr(value), wire_time(at)) for step, name, value, at in page)
        yield text.getvalue()
        if len(page) < _BATCH:
            return


def _download(lines: Iterator[str], media_type: str, name: str) -> HttpResponseBase:
    answer = StreamingHttpResponse(lines, content_type=f"{media_type}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-cache"
    return answer


def _place(text: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(text) if text.isascii() else None
    if text and found is None:
        raise WireError(400, "'since' must be what an earlier answer's 'next' was, like 1.57.")
    return (int(found[1]), int(found[2])) if found else (-1, -1)


def _choice(request: HttpRequest, name: str, words: tuple[str, ...]) -> str:
    """One of the words, the first where nothing is said."""
    text = request.GET.get(name, "") or words[0]
    if text not in words:
        raise WireError(400, f"{name!r} must be one of {', '.join(words)}.")
    return text

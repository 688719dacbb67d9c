"""Runs as the stock client's jobs (section 17): `hf jobs ps`, `inspect`, `logs`, `cancel`, `rerun`, `run`.

A job is a fine-tuning run; who may see it and who may stop it, `runs/access.py` says, as everywhere.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from rest_framework.response import Response

from accounts.actor import Level
from accounts.models import Namespace
from models_app.api import sse
from models_app.api.wire import WireError, paginate, query_int
from runs import actions, job_specs, payloads
from runs.access import RunNotFound, access_run
from runs.api import RunAPIView
from runs.choices import flavors_served
from runs.job_json import hardware_json, job_json
from runs.job_logs import LogReader
from runs.models import Kind, Run, Stage

PAGE_SIZE = 100
MAX_TAIL = 100_000
MAX_FILTERS = 32
SCHEDULED = "This hub has no scheduled jobs: start a run when it is time for it."


class JobAPIView(RunAPIView):
    """Base of endpoints whose URL names `namespace` and `job_id`."""

    def job(self, need: Level = Level.READ) -> Run:
        """The run of this URL, or the gate's refusal; a run of another namespace is not found here."""
        run = access_run(self.actor, self.kwargs["job_id"], need)
        if run.kind != Kind.TRAIN or run.namespace.name.lower() != self.kwargs["namespace"].lower():
            raise RunNotFound("There is no such job.")
        return run


class Hardware(RunAPIView):
    """GET /api/jobs/hardware: the flavors that workers serve."""

    def get(self, request: HttpRequest) -> Response:
        return Response([hardware_json(flavor) for flavor in flavors_served()])


class Jobs(RunAPIView):
    """GET /api/jobs/{namespace}: filters `stage` and `label` (`key=value`), pages; POST: submit one."""

    def get(self, request: HttpRequest, namespace: str) -> JsonResponse:
        rows = self._visible(_namespace(namespace))
        told = ",".join(request.GET.getlist("stage"))
        stages = [stage.strip().upper() for stage in told.split(",") if stage.strip()]
        if stages:
            rows = rows.filter(stage__in=[stage for stage in Stage.values if stage in stages])
        for label in request.GET.getlist("label")[:MAX_FILTERS]:
            key, is_set, value = label.replace("\0", "").partition("=")
            if not is_set:
                raise WireError(400, "'label' must be like key=value.")
            rows = rows.filter(label_rows__key=key, label_rows__value=value)
        limit = query_int(request, "limit", default=PAGE_SIZE, lowest=1, highest=PAGE_SIZE)
        rows = rows.for_pages().prefetch_related("label_rows").order_by("-created_at", "-pk")
        page, headers = paginate(request, rows, limit)
        return JsonResponse([job_json(run) for run in page], safe=False, headers=headers)

    def _visible(self, namespace: Namespace) -> Any:
        """The list-side twin of `access_run` within one namespace."""
        rows: QuerySet[Run] = Run.objects.training().filter(namespace=namespace)
        seen = Q(pk__in=Run.objects.visible_to(self.actor).values("pk"))
        level = self.actor.namespace_levels.get(namespace.pk, Level.NONE)
        if min(level, self.actor.namespace_ceiling(namespace)) >= Level.READ:
            seen |= Q(target_repo=None)
        return rows.filter(seen)

    def post(self, request: HttpRequest, namespace: str) -> Response:
        spec = job_specs.read_spec(payloads.read_object(request), namespace)
        run = actions.submit(
            self.actor,
            recipe=spec.recipe,
            target=spec.target,
            flavor=spec.flavor,
            private=spec.private,
            timeout_seconds=spec.timeout_seconds,
            labels=spec.labels,
        )
        return Response(job_json(run))


def _namespace(name: str) -> Namespace:
    known = Namespace.objects.filter(name__lower=name.lower())
    namespace = known.first() if name.isprintable() else None
    if namespace is None:
        raise WireError(404, f"There is no user or organization named {name[:96]!r}.")
    return namespace


class Job(JobAPIView):
    """GET /api/jobs/{namespace}/{id}."""

    def get(self, request: HttpRequest, **words: str) -> Response:
        return Response(job_json(self.job()))


class CancelJob(JobAPIView):
    """POST …/cancel: at once while it waits, at its worker's next report while it runs."""

    def post(self, request: HttpRequest, **words: str) -> Response:
        return Response(job_json(actions.cancel(self.actor, run=self.job(Level.WRITE))))


class DuplicateJob(JobAPIView):
    """POST …/duplicate: the same run once more, published beside the first."""

    def post(self, request: HttpRequest, **words: str) -> Response:
        return Response(job_json(actions.clone(self.actor, run=self.job())))


class JobLabels(JobAPIView):
    """PUT …/labels: `labels` replace those there are."""

    def put(self, request: HttpRequest, **words: str) -> Response:
        run = self.job(Level.WRITE)
        labels = job_specs.labels(payloads.read_object(request))
        return Response(job_json(actions.set_labels(self.actor, run=run, labels=labels)))


class JobLogs(JobAPIView):
    """GET …/logs?tail=: `data: {"data", "timestamp"}` a line, until the run ends or the stream's time is up.

    When all streams are taken it tells what there is and ends; the client comes again for more.
    """

    def get(self, request: HttpRequest, **words: str) -> HttpResponseBase:
        run = self.job()
        tail = query_int(request, "tail", default=-1, highest=MAX_TAIL)
        reader = LogReader(self.actor, run, None if tail < 0 else tail)
        slot = sse.Slot()
        return sse.event_stream(reader.session(follow=bool(slot)), slot)


class JobMetrics(JobAPIView):
    """GET …/metrics: an empty stream. Clients read processor and memory here, which no worker reports.

    The curves of training are on the run's page.
    """

    def get(self, request: HttpRequest, **words: str) -> HttpResponseBase:
        self.job()
        return sse.event_stream(iter(()))


class JobExpose(JobAPIView):
    """PUT …/expose: refused in words."""

    def put(self, request: HttpRequest, **words: str) -> Response:
        self.job(Level.WRITE)
        raise WireError(400, "A fine-tune listens on no port, so there is none to expose.")


class ScheduledJobs(RunAPIView):
    """GET /api/scheduled-jobs/{namespace}: none; POST: refused in words."""

    def get(self, request: HttpRequest, namespace: str) -> Response:
        _namespace(namespace)
        return Response([])

    def post(self, request: HttpRequest, namespace: str) -> Response:
        raise WireError(400, SCHEDULED)


class ScheduledJob(RunAPIView):
    """Everything about one scheduled job: there is none."""

    def _answer(self, request: HttpRequest, **words: str) -> Response:
        raise WireError(404, SCHEDULED)

    get = post = put = delete = _answer

"""Runs on the wire."""

from __future__ import annotations

from django.urls import path, re_path

from runs import (
    api,
    checkpoints_api,
    compute_api,
    jobs_api,
    preflights_api,
    run_data_api,
    sweeps_api,
    worker_api,
    workers_api,
)

_JOB = "api/jobs/<str:namespace>/<str:job_id>"

urlpatterns = [
    path("api/runs", api.RunsView.as_view()),
    path("api/runs/<uuid:uuid>", api.RunView.as_view()),
    path("api/runs/<uuid:uuid>/cancel", api.CancelView.as_view()),
    path("api/runs/<uuid:uuid>/resume", api.ResumeView.as_view()),
    path("api/runs/<uuid:uuid>/retry", api.RetryView.as_view()),
    path("api/runs/<uuid:uuid>/clone", api.CloneView.as_view()),
    path("api/runs/<uuid:uuid>/logs", run_data_api.LogsView.as_view()),
    path("api/runs/<uuid:uuid>/metrics", run_data_api.MetricsView.as_view()),
    path("api/runs/<uuid:uuid>/artifacts", run_data_api.ArtifactsView.as_view()),
    # one recipe with many settings
    path("api/sweeps", sweeps_api.SweepsView.as_view()),
    path("api/sweeps/<uuid:uuid>", sweeps_api.SweepView.as_view()),
    path("api/sweeps/<uuid:uuid>/extend", sweeps_api.ExtendSweepView.as_view()),
    path("api/sweeps/<uuid:uuid>/cancel", sweeps_api.CancelSweepView.as_view()),
    path("api/runs/claim", worker_api.ClaimNextView.as_view()),
    path("api/runs/<uuid:uuid>/claim", worker_api.ClaimView.as_view()),
    path("api/runs/<uuid:uuid>/report", worker_api.ReportView.as_view()),
    path("api/runs/<uuid:uuid>/result", worker_api.ResultView.as_view()),
    path("api/runs/<uuid:uuid>/finish", worker_api.FinishView.as_view()),
    path("api/runs/<uuid:uuid>/checkpoint", checkpoints_api.CheckpointView.as_view()),
    # what was computed
    path("api/namespaces/<str:namespace>/compute", compute_api.ComputeView.as_view()),
    # machines
    path("api/workers/hello", workers_api.HelloView.as_view()),
    path("api/workers/<str:filename>", workers_api.WheelView.as_view()),
    # what a run will need
    path("api/preflights", preflights_api.PreflightsView.as_view()),
    path("api/preflights/<uuid:uuid>", preflights_api.PreflightView.as_view()),
    # the same runs, as the stock client's jobs
    path("api/jobs/hardware", jobs_api.Hardware.as_view()),
    path("api/jobs/<str:namespace>", jobs_api.Jobs.as_view()),
    path(_JOB, jobs_api.Job.as_view()),
    path(f"{_JOB}/cancel", jobs_api.CancelJob.as_view()),
    path(f"{_JOB}/duplicate", jobs_api.DuplicateJob.as_view()),
    path(f"{_JOB}/labels", jobs_api.JobLabels.as_view()),
    path(f"{_JOB}/logs", jobs_api.JobLogs.as_view()),
    path(f"{_JOB}/metrics", jobs_api.JobMetrics.as_view()),
    path(f"{_JOB}/expose", jobs_api.JobExpose.as_view()),
    path("api/scheduled-jobs/<str:namespace>", jobs_api.ScheduledJobs.as_view()),
    re_path(r"^api/scheduled-jobs/", jobs_api.ScheduledJob.as_view()),
]

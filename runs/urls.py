"""The pages of runs."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from runs import (
    again_views,
    compare_views,
    embedding,
    estimate_views,
    guide_urls,
    list_views,
    queue_views,
    recipe_urls,
    sweep_views,
    views,
    worker_views,
)

urlpatterns: list[URLPattern] = [
    *recipe_urls.urlpatterns,
    *guide_urls.urlpatterns,
    path("runs", list_views.runs, name="runs"),
    path("runs/compare", compare_views.compare_runs, name="run-compare"),
    path("runs/<uuid:uuid>", views.run, name="run"),
    path("runs/<uuid:uuid>/progress", views.progress, name="run-progress"),
    path("runs/<uuid:uuid>/curves", views.curves, name="run-curves"),
    path("runs/<uuid:uuid>/metrics.json", views.metrics, name="run-metrics"),
    path("runs/<uuid:uuid>/log.txt", views.log, name="run-log"),
    path("runs/<uuid:uuid>/embed", embedding.embed, name="run-embed"),
    path("runs/<uuid:uuid>/cancel", views.cancel, name="run-cancel"),
    # again: from the checkpoint, from the start, beside it
    path("runs/<uuid:uuid>/resume", again_views.resume, name="run-resume"),
    path("runs/<uuid:uuid>/retry", again_views.retry, name="run-retry"),
    path("runs/<uuid:uuid>/clone", again_views.clone, name="run-clone"),
    # machines
    path("settings/workers", worker_views.machines, name="machines"),
    path("settings/workers/<int:pk>", worker_views.machine, name="machine"),
    path("settings/organizations/<str:name>/workers", worker_views.machines, name="organization-machines"),
    # the queue
    path("queue", queue_views.queue, name="queue"),
    path("queue/<str:namespace>", queue_views.compute, name="compute"),
    # what a run will need
    path("preflights/<uuid:uuid>/estimate", estimate_views.preflight, name="preflight-estimate"),
    re_path(
        r"^(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)/finetune/estimate$",
        estimate_views.estimate_form,
        name="run-estimate",
    ),
    # one recipe with many settings
    path("sweeps", sweep_views.sweeps, name="sweeps"),
    path("sweeps/<uuid:uuid>", sweep_views.sweep, name="sweep"),
    path("sweeps/<uuid:uuid>/board", sweep_views.board, name="sweep-board"),
    path("sweeps/<uuid:uuid>/rows.json", sweep_views.rows, name="sweep-rows"),
    path("sweeps/<uuid:uuid>/cancel", sweep_views.cancel, name="sweep-cancel"),
    path("sweeps/<uuid:uuid>/extend", sweep_views.extend, name="sweep-extend"),
    re_path(r"^(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)/sweep$", sweep_views.new_sweep, name="sweep-new"),
    path("jobs/<str:namespace>/<uuid:uuid>", views.job, name="job"),
    re_path(r"^(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)/finetune$", views.new_run, name="run-new"),
]

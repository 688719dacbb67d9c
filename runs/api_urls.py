"""Runs on the wire."""

from __future__ import annotations

from django.urls import path

from runs import api, worker_api

urlpatterns = [
    path("api/runs", api.RunsView.as_view()),
    path("api/runs/<uuid:uuid>", api.RunView.as_view()),
    path("api/runs/<uuid:uuid>/cancel", api.CancelView.as_view()),
    path("api/runs/<uuid:uuid>/claim", worker_api.ClaimView.as_view()),
    path("api/runs/<uuid:uuid>/report", worker_api.ReportView.as_view()),
    path("api/runs/<uuid:uuid>/result", worker_api.ResultView.as_view()),
    path("api/runs/<uuid:uuid>/finish", worker_api.FinishView.as_view()),
]

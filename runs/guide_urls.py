"""The five stages for newcomers."""

from __future__ import annotations

from django.urls import URLPattern, path

from runs import guide_choose, guide_publish, guide_tour, guide_tune, guide_upload, guide_views, guide_watch

urlpatterns: list[URLPattern] = [
    path("start", guide_views.start, name="start"),
    path("tour", guide_tour.close, name="tour-close"),
    path("start/<uuid:uuid>", guide_views.resume, name="guide"),
    path("start/<uuid:uuid>/discard", guide_views.discard, name="guide-discard"),
    path("start/<uuid:uuid>/model", guide_choose.model, name="guide-model"),
    path("start/<uuid:uuid>/data", guide_choose.data, name="guide-data"),
    path("start/<uuid:uuid>/upload", guide_upload.upload, name="guide-upload"),
    path("start/<uuid:uuid>/tune", guide_tune.tune, name="guide-tune"),
    path("start/<uuid:uuid>/estimate", guide_tune.estimate, name="guide-estimate"),
    path("start/<uuid:uuid>/evaluate", guide_watch.evaluate, name="guide-evaluate"),
    path("start/<uuid:uuid>/progress", guide_watch.progress, name="guide-progress"),
    path("start/<uuid:uuid>/remedy", guide_watch.remedy, name="guide-remedy"),
    path("start/<uuid:uuid>/publish", guide_publish.publish, name="guide-publish"),
]

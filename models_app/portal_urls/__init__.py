"""The portal's routes, a file a subject; they come before the pages of repos and people."""

from __future__ import annotations

from django.urls import URLPattern

from models_app.portal_urls import files, find, judge, learn, people, talk

urlpatterns: list[URLPattern] = [
    *find.urlpatterns,
    *files.urlpatterns,
    *judge.urlpatterns,
    *talk.urlpatterns,
    *people.urlpatterns,
    *learn.urlpatterns,
]

"""Inbox, follows, pins, feeds, badges."""

from __future__ import annotations

from django.urls import URLPattern, path

from models_app.views import badges, feeds, follows, inbox, note_settings, pins, saved

urlpatterns: list[URLPattern] = [
    path("inbox", inbox.inbox, name="inbox"),
    path("inbox/count", inbox.count, name="inbox-count"),
    path("inbox/<uuid:uuid>", inbox.note, name="note"),
    path("badges", badges.badges, name="badges"),
    path("feed.atom", feeds.site, name="feed"),
    path("feeds/tutorials.atom", feeds.tutorials, name="feed-tutorials"),
    path("feeds/people/<str:name>.atom", feeds.person, name="feed-person"),
    path("feeds/forum/<str:name>.atom", feeds.topic, name="feed-topic"),
    path("feeds/boards/<str:namespace>/<str:name>.atom", feeds.board, name="feed-board"),
    path("feeds/saved/<uuid:uuid>.atom", feeds.saved_search, name="feed-saved"),
    path("feeds/repos/<str:kind>/<str:namespace>/<str:name>.atom", feeds.repo, name="feed-repo"),
    path("saved", saved.searches, name="saved-searches"),
    path("saved/<uuid:uuid>", saved.search, name="saved-search"),
    path("saved/<uuid:uuid>/change", saved.change, name="saved-change"),
    path("settings/notifications", note_settings.note_settings, name="note-settings"),
    path("settings/pins", pins.change, name="pins"),
    path("settings/follows", follows.followed, name="followed"),
    path("settings/follows/<uuid:uuid>/<str:what>", follows.follow_repo, name="follow-repo"),
]

"""The forum, tutorials, the threads of repos, previews of Markdown."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from models_app.views import discussions, forum, threads, tutorial_form, tutorials

_TOPIC = r"forum/(?P<name>[\w.-]+)"
_TUTORIAL = r"tutorials/(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)"
_FORUM = {"repo_type": "forum", "namespace": "forum"}


def thread_routes(place: str, extra: dict[str, str]) -> list[URLPattern]:
    """The pages of the threads of one type of repo; `place` is the pattern of the repo's own address."""
    one = rf"^{place}/discussions/(?P<num>[0-9]{{1,9}})"
    event = rf"{one}/events/(?P<event>[0-9a-f]{{32}})"
    return [
        re_path(rf"^{place}/discussions$", discussions.thread_list, extra, name="discussions"),
        re_path(rf"^{place}/discussions/new$", discussions.new_thread, extra),
        re_path(rf"{one}$", threads.thread, extra),
        re_path(rf"{one}/newer$", threads.newer, extra),
        re_path(rf"{event}$", threads.source, extra),
        re_path(rf"{event}/history$", threads.history, extra),
    ]


urlpatterns: list[URLPattern] = [
    path("markdown/preview", threads.preview, name="markdown-preview"),
    path("forum", forum.forums, name="forums"),
    path("forum/new", forum.new_topic, name="forum-topic-new"),
    re_path(rf"^{_TOPIC}$", discussions.thread_list, _FORUM, name="forum"),
    *thread_routes(_TOPIC, _FORUM),
    path("tutorials", tutorials.tutorials, name="tutorials"),
    path("tutorials/new", tutorial_form.new_tutorial, name="tutorial-new"),
    re_path(rf"^{_TUTORIAL}$", tutorials.tutorial, name="tutorial"),
    re_path(rf"^{_TUTORIAL}/edit$", tutorial_form.edit_tutorial, name="tutorial-edit"),
]

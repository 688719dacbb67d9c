"""Pages ask the database as often for fifty rows as for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from models_app.actions import discussions
from models_app.models import BoardMove, Discussion, Repo, RepoCard, RepoTag
from tests.models_app.people import repo_of, session
from tests.models_app.views.conftest import Pages, publish

MANY = 50


def queries(client: Client, path: str) -> int:
    """Of the second look: the first one makes what the process keeps."""
    assert client.get(path).status_code == 200
    with CaptureQueriesContext(connection) as context:
        assert client.get(path).status_code == 200
    return len(context)


def more_repos(pages: Pages, repo_type: str, first: int, count: int) -> list[Repo]:
    """Rows beside those that have git: many, alike, with everything that lists show."""
    space = pages.base.namespace
    rows = [
        Repo(repo_type=repo_type, namespace=space, name=f"row-{repo_type}-{n}", trending_score=5)
        for n in range(first, first + count)
    ]
    made = Repo.objects.bulk_create(rows)
    RepoCard.objects.bulk_create(
        RepoCard(repo=repo, pipeline_tag="fill-mask", license="mit", library_name="timm", html="<p>x</p>",
                 summary="rows of a list", search_text=f"{repo.name} rows")
        for repo in made
    )  # fmt: skip
    RepoTag.objects.bulk_create(
        RepoTag(repo=repo, kind=kind, value=value)
        for repo in made
        for kind, value in (("language", "zh"), ("tag", "timm"), ("license", "mit"))
    )
    BoardMove.objects.bulk_create(
        BoardMove(benchmark=pages.benchmark, task_id="digits", repo=repo, after=1, value=0.5) for repo in made
    )
    return made


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", 40),
        ("/models", 12),
        ("/models?task=fill-mask&license=mit&language=zh", 12),
        ("/datasets", 12),
        ("/search?q=row-model", 22),
        ("/search/suggest?q=row-model", 22),
        ("/alice", 40),
    ],
)
def test_lists_ask_as_often_for_many_as_for_one(
    client: Client, pages: Pages, path: str, most: int, signed_in: bool
) -> None:
    if signed_in:
        client.force_login(pages.alice, backend="accounts.backends.AccountBackend")
    publish(pages.alice, "row-model-first")
    for kind in ("model", "dataset", "recipe"):
        more_repos(pages, kind, 0, 3)
    few = queries(client, path)
    for kind in ("model", "dataset", "recipe"):
        more_repos(pages, kind, 3, MANY)
    _forget()
    assert queries(client, path) == few
    assert few <= most


def _forget() -> None:
    from models_app import facet_shelf

    facet_shelf.forget()


def _talk(user: User, repo: Repo, count: int) -> None:
    thread = Discussion.objects.filter(repo=repo).first()
    if thread is None:
        thread = discussions.open_discussion(session(user), repo=repo, title="A thread", description="first")
    for n in range(count):
        discussions.comment(session(user), repo=repo, num=thread.num, text=f"comment number {n}")


@pytest.fixture
def grown(pages: Pages, bob: User) -> Callable[[int], None]:
    """More of everything that the page of one model shows."""
    repo = repo_of(pages.alice, "talked")
    del repo

    def grow(count: int) -> None:
        for n in range(count):
            user = User.objects.create_user(f"fan{n}-{count}", password="x")
            user.likes.create(repo=pages.base)
        for child in more_repos(pages, "model", 1000 * count, count):
            child.base_edges.create(parent=pages.base, parent_repo_id=pages.base.repo_id)
        _talk(bob, pages.base, count)

    return grow


@pytest.mark.parametrize(("path", "most"), [("/alice/base", 60), ("/alice/base/discussions/1", 60)])
def test_one_repos_pages_ask_as_often_for_many_as_for_few(
    client: Client, pages: Pages, grown: Callable[[int], None], path: str, most: int
) -> None:
    grown(6)
    few = queries(client, path)
    grown(40)
    assert queries(client, path) == few
    assert few <= most

"""The page of a person or organization, part by part."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from accounts.models import User
from models_app.actions import discussions, follows, likes
from models_app.models import Badge, EvalResult
from tests.models_app.people import organization, repo_of, session
from tests.models_app.views.conftest import Pages, publish

TABS = (
    "", "models", "datasets", "recipes", "tutorials", "spaces", "kernels", "collections", "runs",
    "discussions", "likes", "activity", "followers", "following", "nonsense", "%00",
)  # fmt: skip


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("name", ["alice", "lab"])
def test_every_part_of_every_profile_answers(client: Client, pages: Pages, name: str, tab: str) -> None:
    organization("lab", admin=pages.alice)
    assert client.get(f"/{name}?tab={tab}").status_code == 200
    assert client.get(f"/{name}?tab={tab}&page=999").status_code == 200


def test_verified_results_with_their_places(client: Client, pages: Pages) -> None:
    assert "Verified results" not in client.get("/alice").text
    pages.measured("claimed", 0.99, verified=False)
    pages.measured("hidden", 0.98, private=True)
    best = pages.measured("best", 0.95)
    pages.measured("second", 0.9)
    run = uuid.uuid4()
    EvalResult.objects.filter(repo=best).update(run_uuid=run)
    text = client.get("/alice").text
    table = text.split("standings")[1].split("</table>")[0]
    assert table.index("/alice/best") < table.index("/alice/second")
    assert "alice/claimed" not in table
    assert "alice/hidden" not in table
    assert f'href="/runs/{run}"' in table
    assert 'href="/leaderboards/alice/digits?task=digits"' in table
    assert "of 2" in table


def test_likes_followers_and_discussions_are_listed_as_far_as_they_may_be_seen(
    client: Client, alice: User, carol: User
) -> None:
    shown, hidden = repo_of(alice, "shown"), repo_of(alice, "hidden", private=True)
    for repo in (shown, hidden):
        likes.like(session(alice), repo=repo)
        discussions.open_discussion(session(alice), repo=repo, title=f"About {repo.name}")
    follows.follow(session(carol), namespace=alice.namespace)
    assert 'href="/carol"' in client.get("/alice?tab=followers").text
    assert 'href="/alice"' in client.get("/carol?tab=following").text
    parts = (("likes", "alice/</span>"), ("discussions", "About "), ("activity", "published alice/"))
    for tab, words in parts:
        text = client.get(f"/alice?tab={tab}").text
        assert f"{words}shown" in text
        assert f"{words}hidden" not in text


def test_badges_are_shown_and_explained(client: Client, alice: User) -> None:
    Badge.objects.create(namespace=alice.namespace, kind="reproduced")
    Badge.objects.create(namespace=alice.namespace, kind="of-an-older-release")
    assert "came out within the 95 % interval" in client.get("/alice").text
    text = client.get("/badges").text
    assert text.count('class="figure"') == 7
    assert 'href="/alice"' in text


def test_organizations_and_members_name_each_other(client: Client, alice: User, bob: User) -> None:
    organization("lab", admin=alice, write=bob)
    assert 'href="/lab"' in client.get("/bob").text
    User.objects.filter(pk=bob.pk).update(is_suspended=True)
    assert 'href="/bob"' not in client.get("/lab").text


@pytest.mark.parametrize("count", [1, 8])
def test_as_many_queries_for_much_work(
    client: Client, pages: Pages, count: int, django_assert_max_num_queries: object
) -> None:
    for n in range(count):
        pages.measured(f"net{n}", 0.5 + n / 100)
        discussions.open_discussion(session(pages.alice), repo=pages.base, title=f"Thread {n}")
    client.get("/alice")
    with django_assert_max_num_queries(36):  # type: ignore[operator]
        client.get("/alice")


def test_what_one_follows_stands_together(client: Client, alice: User, bob: User, carol: User) -> None:
    from django.template import Context, Template
    from django.test import RequestFactory

    organization("lab", admin=bob)
    followed = repo_of(bob, "followed")
    follows.follow(session(carol), namespace=alice.namespace)
    follows.follow(session(carol), namespace=repo_of(bob, "shared", namespace="lab").namespace)
    follows.follow_repo(session(carol), repo=followed)
    publish(alice, "work")
    publish(alice, "secret", private=True)
    discussions.open_discussion(session(bob), repo=followed, title="Look")
    repo_of(bob, "elsewhere")
    request = RequestFactory().get("/")
    request.actor = session(carol)  # type: ignore[attr-defined]
    text = Template("{% load people %}{% feed_for_me %}").render(Context({"request": request}))
    for words in ("alice/work", "lab/shared", "began “Look” in bob/followed"):
        assert words in text
    for words in ("secret", "elsewhere"):
        assert words not in text

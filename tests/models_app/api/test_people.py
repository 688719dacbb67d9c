"""The fine print of likes, follows, overviews and the quick search."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from models_app.models import Discussion, Event, Follow, Like, Repo
from tests.models_app.api.people import caller, pages
from tests.models_app.people import organization, repo_of


@pytest.fixture
def repo(alice: User) -> Repo:
    return repo_of(alice)


def test_a_like_is_one_row_one_count_and_one_event(repo: Repo, carol: User) -> None:
    ask = caller(carol)
    for method, likes in (("POST", 1), ("POST", 1), ("DELETE", 0), ("DELETE", 0)):
        assert ask(method, "/api/models/alice/net/like").json() == {"success": True, "likes": likes}
        assert Repo.objects.get(pk=repo.pk).likes_count == Like.objects.count() == likes
    tags = Event.objects.filter(repo=repo, actor=carol).order_by("pk").values_list("tag", flat=True)
    assert list(tags) == ["repo:like:add", "repo:like:remove"]


def test_a_gated_repo_may_be_liked_from_outside(repo: Repo, carol: User) -> None:
    Repo.objects.filter(pk=repo.pk).update(gated="manual")
    assert caller(carol).status("POST", "/api/models/alice/net/like") == 200


@pytest.mark.parametrize("path", ["/api/models/alice/net/like", "/api/users/alice/follow"])
def test_only_people_like_and_follow(repo: Repo, carol: User, path: str) -> None:
    assert caller(None).status("POST", path) == 401
    assert caller(carol, "read").status("POST", path) == 403
    assert caller(carol, "fineGrained").status("POST", path) == 403
    listed = caller(carol, "fineGrained", namespaces={"carol": "read"})
    assert listed.status("POST", path) == 403
    assert not Like.objects.exists()
    assert not Follow.objects.exists()
    assert caller(carol, "fineGrained", namespaces={"carol": "write"}).status("POST", path) == 200


def test_a_missing_repo_is_said_so_also_with_one_word(repo: Repo, alice: User) -> None:
    for ask, status in ((caller(alice), 404), (caller(None), 401)):
        for path in ("/api/models/missing/like", "/api/models/alice/none/like"):
            response = ask("DELETE", path)
            assert (response.status_code, response["X-Error-Code"]) == (status, "RepoNotFound")
        assert ask("GET", "/api/models/missing/likers")["X-Error-Code"] == "RepoNotFound"


def test_lists_of_people_page_by_link(repo: Repo, alice: User, bob: User, carol: User, mod: User) -> None:
    for user in (bob, carol, mod):
        caller(user)("POST", "/api/models/alice/net/like")
        caller(user)("POST", "/api/users/alice/follow")
    for path in ("/api/models/alice/net/likers", "/api/users/alice/followers"):
        found = pages(caller(None), f"{path}?limit=2")
        assert [[one["user"] for one in page] for page in found] == [["mod", "carol"], ["bob"]]
        assert set(found[0][0]) >= {"user", "fullname", "avatarUrl", "type", "_id"}
    assert caller(None).status("GET", "/api/users/alice/followers?cursor=x") == 400


def test_a_page_does_not_shift_under_its_reader(repo: Repo, bob: User, carol: User, mod: User) -> None:
    for user in (bob, carol):
        caller(user)("POST", "/api/users/alice/follow")
    first = caller(None)("GET", "/api/users/alice/followers?limit=1")
    caller(mod)("POST", "/api/users/alice/follow")
    link = first["Link"]
    second = caller(None)("GET", link[1 : link.index(">")].removeprefix("http://testserver"))
    assert [one["user"] for one in first.json() + second.json()] == ["carol", "bob"]


def test_likes_of_somebody_are_those_the_reader_may_know_of(alice: User, bob: User, carol: User) -> None:
    organization("team", write=alice, read=bob)
    repo_of(alice, "shut", namespace="team", private=True, repo_type="dataset")
    repo_of(alice, "open")
    for path in ("/api/datasets/team/shut/like", "/api/models/alice/open/like"):
        caller(alice)("POST", path)
    assert seen(caller(bob), "alice") == {("open", "model"), ("shut", "dataset")}
    assert seen(caller(carol), "ALICE") == seen(caller(None), "alice") == {("open", "model")}
    assert caller(carol)("GET", "/api/users/alice/overview").json()["numLikes"] == 1


def seen(ask: Any, name: str) -> set[tuple[str, str]]:
    rows = ask("GET", f"/api/users/{name}/likes").json()
    assert all(row["createdAt"].endswith("Z") for row in rows)
    return {(row["repo"]["name"].split("/")[1], row["repo"]["type"]) for row in rows}


def test_nobody_follows_themselves_or_nobody(alice: User) -> None:
    organization("team", admin=alice)
    ask = caller(alice)
    assert "yourself" in ask("POST", "/api/users/alice/follow").json()["error"]
    for path in ("users/nobody", "users/team", "organizations/alice", "users/%00"):
        for method in ("POST", "DELETE"):
            assert ask.status(method, f"/api/{path}/follow") == 404
    assert ask.status("POST", "/api/organizations/team/follow") == 200
    assert ask("GET", "/api/users/alice/overview").json()["numFollowing"] == 0
    assert ask("GET", "/api/organizations/team/overview").json()["numFollowers"] == 1


def test_an_overview_counts_every_type(alice: User) -> None:
    for name, repo_type in (
        ("a", "model"),
        ("b", "dataset"),
        ("c", "space"),
        ("d", "kernel"),
        ("e", "space"),
    ):
        repo_of(alice, name, repo_type=repo_type)
    counts = caller(None)("GET", "/api/users/alice/overview").json()
    assert [counts[f"num{name}"] for name in ("Models", "Datasets", "Spaces", "Kernels")] == [1, 1, 2, 1]


def test_a_fine_grained_token_says_what_it_lists_and_no_address(alice: User) -> None:
    me = caller(alice, "fineGrained", repos={"model:alice/net": "write"})("GET", "/api/whoami-v2").json()
    assert me["email"] is None
    assert me["auth"]["accessToken"]["fineGrained"]["scoped"] == [
        {"entity": {"type": "model", "name": "alice/net"}, "permissions": ["repo.content.read", "repo.write"]}
    ]
    assert caller(alice)("GET", "/api/whoami-v2").json()["email"] == "alice@example.org"


def test_the_quick_search_finds_a_few_of_everything(alice: User, bob: User, carol: User) -> None:
    organization("alicante", admin=alice)
    User.objects.filter(pk=bob.pk).update(fullname="Alice's friend")
    User.objects.filter(pk=carol.pk).update(fullname="Alice's enemy", is_suspended=True)
    for name in ("alice-one", "alice-two"):
        repo_of(alice, name)
    repo_of(alice, "alice-shut", private=True)
    found = caller(None)("GET", "/api/quicksearch?q=alic&limit=1").json()
    assert (len(found["models"]), found["modelsCount"]) == (1, 2)
    assert found["usersCount"] == 2
    assert [one["name"] for one in found["orgs"]] == ["alicante"]
    assert found["datasets"] == []
    only = caller(alice)("GET", "/api/quicksearch?q=alice-&type=model").json()
    assert set(only) == {"q", "models", "modelsCount"}
    assert only["modelsCount"] == 3
    assert caller(None).status("GET", "/api/quicksearch?q=x&type=paper") == 400
    assert caller(None)("GET", "/api/quicksearch?q=%00").json()["models"] == []


def test_discussions_are_counted_where_the_reader_may_know_of_them(alice: User, carol: User) -> None:
    for count, private in enumerate((False, True)):
        repo = repo_of(alice, f"r{count}", private=private)
        Discussion.objects.create(repo=repo, num=1, title="Why?", author=alice)
    counts = [
        caller(who)("GET", "/api/users/alice/overview").json()["numDiscussions"] for who in (alice, carol)
    ]
    assert counts == [2, 1]


def test_a_suspended_person_is_nobody_here(alice: User, carol: User) -> None:
    ask = caller(carol)
    paths = [f"/api/users/alice/{what}" for what in ("overview", "likes", "followers", "following")]
    assert {ask.status("GET", path) for path in paths} == {200}
    User.objects.filter(pk=alice.pk).update(is_suspended=True)
    assert {ask.status("GET", path) for path in paths} == {404}
    assert ask.status("POST", "/api/users/alice/follow") == 404

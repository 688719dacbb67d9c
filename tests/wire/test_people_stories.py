"""Likes, follows and who people are, told by the unmodified stock client."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import get_session, hf_raise_for_status

from tests.live import LiveHub

pytestmark = pytest.mark.wire


def press(api: HfApi, path: str, method: str = "POST") -> int:
    """What a browser's button does, by token: the stock client has no verb for it."""
    response = get_session().request(method, f"{api.endpoint}{path}", headers=api._build_hf_headers())
    hf_raise_for_status(response)
    return int(response.status_code)


def test_likes_come_and_go(hub: LiveHub, unique: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    model = alice.create_repo(unique).repo_id
    data = alice.create_repo(f"{unique}-data", repo_type="dataset").repo_id
    for _ in range(2):
        press(carol, f"/api/models/{model}/like")
    press(carol, f"/api/datasets/{data}/like")
    assert alice.model_info(model).likes == 1
    assert alice.dataset_info(data).likes == 1
    likes = carol.list_liked_repos()
    assert likes.user == "carol"
    assert model in likes.models
    assert data in likes.datasets
    assert data not in likes.models
    assert likes.total == len(likes.models) + len(likes.datasets) + len(likes.spaces) + len(likes.kernels)
    (liker,) = hub.api(None).list_repo_likers(model)
    assert (liker.username, liker.fullname, liker.avatar_url) == ("carol", "carol", "")
    for _ in range(2):
        carol.unlike(model)
    carol.unlike(data, repo_type="dataset")
    assert alice.model_info(model).likes == 0
    assert list(alice.list_repo_likers(data, repo_type="dataset")) == []
    assert model not in hub.api(None).list_liked_repos("carol").models


def test_everybody_at_once_is_counted_exactly(hub: LiveHub, unique: str) -> None:
    alice = hub.api()
    model = alice.create_repo(unique).repo_id
    people = [alice, hub.api("bob"), hub.api("carol")] * 4
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda api: press(api, f"/api/models/{model}/like"), people)) == {200}
    assert alice.model_info(model).likes == 3
    assert next(iter(alice.list_models(author="alice", sort="likes"))).likes >= 3
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda api: api.unlike(model), people))
    assert alice.model_info(model).likes == 0


def test_a_private_repo_is_nobody_elses_to_like(hub: LiveHub, unique: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    model = alice.create_repo(unique, private=True).repo_id
    press(alice, f"/api/models/{model}/like")
    assert model in alice.list_liked_repos().models
    assert model not in carol.list_liked_repos("alice").models
    for call in (lambda: carol.unlike(model), lambda: list(carol.list_repo_likers(model))):
        with pytest.raises(RepositoryNotFoundError):
            call()
    with pytest.raises(RepositoryNotFoundError):
        press(carol, f"/api/models/{model}/like")


def test_what_is_not_there_cannot_be_unliked(hub: LiveHub) -> None:
    for api in (hub.api(), hub.api("carol")):
        with pytest.raises(RepositoryNotFoundError):
            api.unlike("missing_repo_id")
        with pytest.raises(RepositoryNotFoundError):
            api.unlike("alice/missing", repo_type="dataset")
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api().list_liked_repos("nobody-at-all")
    assert refusal.value.response.status_code == 404


def test_people_follow_people_and_organizations(hub: LiveHub) -> None:
    bob, carol = hub.api("bob"), hub.api("carol")
    before = bob.get_user_overview("carol").num_followers or 0
    of_team = list(carol.list_organization_followers("team"))
    for _ in range(2):
        press(bob, "/api/users/carol/follow")
    press(bob, "/api/organizations/team/follow")
    overview = bob.get_user_overview("carol")
    assert (overview.num_followers, overview.is_following) == (before + 1, True)
    assert carol.get_user_overview("carol").is_following is False
    assert "bob" in [user.username for user in hub.api(None).list_user_followers("carol")]
    assert "carol" in [user.username for user in carol.list_user_following("bob")]
    assert "bob" in [user.username for user in carol.list_organization_followers("team")]
    team = bob.get_organization_overview("team")
    assert (team.is_following, team.num_followers, team.num_users) == (True, len(of_team) + 1, 2)
    press(bob, "/api/users/carol/follow", "DELETE")
    press(bob, "/api/organizations/team/follow", "DELETE")
    assert "bob" not in [user.username for user in carol.list_user_followers("carol")]
    assert list(carol.list_organization_followers("team")) == of_team


def test_an_overview_counts_what_the_caller_may_see(hub: LiveHub, unique: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    mine, others = alice.get_user_overview("alice"), carol.get_user_overview("alice")
    alice.create_repo(f"{unique}-open", repo_type="dataset")
    hidden = alice.create_repo(unique, repo_type="dataset", private=True).repo_id
    press(alice, f"/api/datasets/{hidden}/like")
    now, theirs = alice.get_user_overview("alice"), carol.get_user_overview("alice")
    assert (now.num_datasets or 0) - (mine.num_datasets or 0) == 2
    assert (theirs.num_datasets or 0) - (others.num_datasets or 0) == 1
    assert (now.num_likes or 0) - (mine.num_likes or 0) == 1
    assert theirs.num_likes == others.num_likes
    assert (now.num_papers, now.num_upvotes, now.is_pro, now.user_type) == (0, 0, False, "user")
    assert [org.name for org in now.orgs] == ["team"]


def test_who_am_i_says_what_the_token_is(hub: LiveHub) -> None:
    me = hub.api("bob").whoami()
    assert (me["type"], me["name"], me["isPro"]) == ("user", "bob", False)
    assert isinstance(me["id"], str)
    assert [(org["name"], org["type"], org["roleInOrg"]) for org in me["orgs"]] == [("team", "org", "write")]
    assert me["auth"]["type"] == "access_token"
    assert set(me["auth"]["accessToken"]) >= {"displayName", "role", "createdAt"}
    assert "email" in me


def test_auth_check_tells_reading_from_writing(hub: LiveHub, unique: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    model = alice.create_repo(unique).repo_id
    alice.auth_check(model, write=True)
    carol.auth_check(model)
    with pytest.raises(HfHubHTTPError) as refusal:
        carol.auth_check(model, write=True)
    assert refusal.value.response.status_code == 403
    with pytest.raises(RepositoryNotFoundError):
        carol.auth_check(f"alice/{unique}-none")

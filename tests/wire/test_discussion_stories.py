"""Discussions as people have them with the unmodified stock client."""

from __future__ import annotations

import types
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from huggingface_hub import DiscussionWithDetails, HfApi
from huggingface_hub.community import DiscussionComment
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.live import LiveHub

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("client_home")]


def status_of(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return int(error.value.response.status_code)


def first_comment(thread: DiscussionWithDetails) -> DiscussionComment:
    return next(event for event in thread.events if isinstance(event, DiscussionComment))


def test_a_stranger_asks_and_the_owner_answers(hub: LiveHub, repo_id: str) -> None:
    carol, alice = hub.api("carol"), hub.api("alice")
    asked = carol.create_discussion(
        repo_id, "  How was it trained?  ", description="**Bold** <script>x</script>"
    )
    assert (asked.num, asked.title, asked.author) == (1, "How was it trained?", "carol")
    assert (asked.status, asked.is_pull_request, asked.diff) == ("open", False, None)
    assert (asked.repo_id, asked.repo_type, asked.git_reference) == (repo_id, "model", None)
    assert asked.url == f"{hub.url}/{repo_id}/discussions/1"
    assert first_comment(asked).content == "**Bold** <script>x</script>"
    assert first_comment(asked).rendered == "<p><strong>Bold</strong> </p>\n"
    answer = alice.comment_discussion(repo_id, 1, "With care.\n\nAnd *patience* 💥")
    assert (answer.author, answer.edited, answer.hidden) == ("alice", False, False)
    read = alice.get_discussion_details(repo_id, 1)
    assert read.events == [*asked.events, answer]
    assert carol.get_discussion_details(repo_id, 1) == read
    assert hub.api(None).get_discussion_details(repo_id, 1).events == read.events


def test_a_comment_is_edited_and_hidden(hub: LiveHub, repo_id: str) -> None:
    carol, alice = hub.api("carol"), hub.api("alice")
    first = first_comment(carol.create_discussion(repo_id, "A question", description="frist"))
    edited = carol.edit_discussion_comment(repo_id, 1, first.id.upper(), "**First** 🤗")
    assert (edited.id, edited.content, edited.edited) == (first.id, "**First** 🤗", True)
    assert (edited.number_of_edits, edited.last_edited_by) == (1, "carol")
    assert edited.edit_history[0]["raw"] == "frist"
    assert edited.last_edited_at > first.created_at
    assert first_comment(alice.get_discussion_details(repo_id, 1)) == edited
    with pytest.raises(HfHubHTTPError, match="Only its author may edit") as refusal:
        alice.edit_discussion_comment(repo_id, 1, first.id, "mine")
    assert status_of(refusal) == 403
    with pytest.raises(HfHubHTTPError, match="may hide"):
        hide(hub.api("bob"), repo_id, first.id)
    hidden = hide(alice, repo_id, first.id)
    assert (hidden.hidden, hidden.content) == (True, "This comment has been hidden")
    assert (hidden.edit_history, hidden.rendered) == ([], "This comment has been hidden")
    with pytest.raises(HfHubHTTPError, match="hidden comment cannot be edited"):
        carol.edit_discussion_comment(repo_id, 1, first.id, "back again")
    with pytest.raises(HfHubHTTPError, match="hidden already"):
        hide(alice, repo_id, first.id)


def hide(api: HfApi, repo_id: str, comment_id: str) -> DiscussionComment:
    with pytest.warns(UserWarning, match="irreversible"):
        return api.hide_discussion_comment(repo_id, 1, comment_id)


def test_renaming_closing_and_reopening(hub: LiveHub, repo_id: str) -> None:
    carol = hub.api("carol")
    carol.create_discussion(repo_id, "Old title")
    renamed = hub.api().rename_discussion(repo_id, 1, "New title")
    assert (renamed.old_title, renamed.new_title, renamed.author) == ("Old title", "New title", "alice")
    closed = carol.change_discussion_status(repo_id, 1, "closed", comment=" Solved. ")
    assert closed.new_status == "closed"
    read = carol.get_discussion_details(repo_id, 1)
    assert (read.title, read.status) == ("New title", "closed")
    assert [event.type for event in read.events] == ["comment", "title-change", "comment", "status-change"]
    assert read.events[2].content == "Solved."
    with pytest.raises(HfHubHTTPError, match="is closed already") as refusal:
        carol.change_discussion_status(repo_id, 1, "closed")
    assert status_of(refusal) == 400
    carol.comment_discussion(repo_id, 1, "A closed one may still be talked about.")
    assert carol.change_discussion_status(repo_id, 1, "open").new_status == "open"
    for call in (
        lambda api: api.rename_discussion(repo_id, 1, "Mine now"),
        lambda api: api.change_discussion_status(repo_id, 1, "closed"),
    ):
        with pytest.raises(HfHubHTTPError, match="Only its author, or somebody with write access") as refusal:
            call(hub.api("bob"))
        assert status_of(refusal) == 403


def test_the_list_filters_and_pages(hub: LiveHub, repo_id: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    alice.create_pull_request(repo_id, "A pull request")
    for number in range(2, 60):
        (carol if number % 2 else alice).create_discussion(repo_id, f"Number {number}")
    alice.change_discussion_status(repo_id, 4, "closed")
    found = alice.get_repo_discussions(repo_id)
    assert isinstance(found, types.GeneratorType)
    assert [row.num for row in found] == list(range(59, 0, -1))
    nums = lambda **words: [row.num for row in alice.get_repo_discussions(repo_id, **words)]  # noqa: E731
    assert nums(discussion_type="pull_request") == [1]
    assert nums(discussion_type="discussion", discussion_status="closed") == [4]
    assert len(nums(discussion_status="open")) == 58
    assert nums(author="CAROL")[:2] == [59, 57]
    assert nums(author="unknown") == []
    row = next(alice.get_repo_discussions(repo_id, author="carol"))
    assert (row.author, row.status, row.repo_id, row.repo_type) == ("carol", "open", repo_id, "model")


def test_datasets_have_their_own(hub: LiveHub, unique: str, client_home: object) -> None:
    api, dataset = hub.api(), {"repo_type": "dataset"}
    repo_id = api.create_repo(unique, **dataset).repo_id
    made = api.create_discussion(repo_id, "About rows", **dataset)
    assert made.url == f"{hub.url}/datasets/{repo_id}/discussions/1"
    assert made.repo_type == "dataset"
    assert "opened with the" in first_comment(made).content


def test_who_is_kept_out(hub: LiveHub, unique: str, client_home: object) -> None:
    repo_id = hub.api().create_repo(unique, private=True).repo_id
    hub.api().create_discussion(repo_id, "Among us")
    for call in (
        lambda api: api.get_discussion_details(repo_id, 1),
        lambda api: list(api.get_repo_discussions(repo_id)),
        lambda api: api.create_discussion(repo_id, "May I?"),
        lambda api: api.comment_discussion(repo_id, 1, "Hello?"),
        lambda api: api.merge_pull_request(repo_id, 1),
    ):
        for name in ("carol", None):
            with pytest.raises(RepositoryNotFoundError):
                call(hub.api(name))


def test_refusals(hub: LiveHub, repo_id: str) -> None:
    api = hub.api()
    api.create_discussion(repo_id, "A thread")
    for call, message, status in [
        (lambda: api.get_discussion_details(repo_id, 2), "Discussion not found", 404),
        (lambda: api.comment_discussion(repo_id, 2, "x"), "Discussion not found", 404),
        (lambda: api.edit_discussion_comment(repo_id, 1, "deadbeef", "x"), "Comment not found", 404),
        (lambda: api.comment_discussion(repo_id, 1, " "), "must not be empty", 400),
        (lambda: api.comment_discussion(repo_id, 1, "x" * 65_537), "at most 65536 characters", 400),
        (lambda: api.create_discussion(repo_id, "ab"), "3 to 300 characters", 400),
        (lambda: api.create_discussion(repo_id, "x" * 301), "3 to 300 characters", 400),
        (lambda: api.create_discussion(repo_id, "two\nlines"), "one line", 400),
        (lambda: api.merge_pull_request(repo_id, 1), "not a pull request", 400),
        (lambda: hub.api(None).comment_discussion(repo_id, 1, "x"), "Invalid username or password", 401),
    ]:
        with pytest.raises(HfHubHTTPError, match=message) as refusal:
            call()
        assert status_of(refusal) == status
    assert [row.num for row in api.get_repo_discussions(repo_id)] == [1]
    assert api.create_discussion(repo_id, "The next").num == 2


def test_a_list_asked_for_in_other_words_is_refused(hub: LiveHub, repo_id: str) -> None:
    for query in ("type=spaces", "status=merged", "p=-1"):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"{hub.url}/api/models/{repo_id}/discussions?{query}")
        assert refusal.value.code == 400
        refusal.value.close()


def test_many_open_threads_at_once(hub: LiveHub, repo_id: str) -> None:
    carol = hub.api("carol")

    def begin(number: int) -> int:
        made = carol.create_discussion(repo_id, f"Number {number}", pull_request=bool(number % 2))
        return made.num

    with ThreadPoolExecutor(8) as pool:
        nums = list(pool.map(begin, range(16)))
    assert sorted(nums) == list(range(1, 17))
    refs = carol.list_repo_refs(repo_id, include_pull_requests=True).pull_requests
    assert refs is not None
    assert len(refs) == 8

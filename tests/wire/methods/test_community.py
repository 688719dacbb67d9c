"""Discussions and pull requests: opened, talked about, changed, merged."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire


@tries("create_discussion", "create_pull_request", "get_repo_discussions", "get_discussion_details")
def test_discussions_are_opened_and_found(people: People, model: str) -> None:
    api, carol = people(), people("carol")
    talk = carol.create_discussion(model, "A question", description="Why **so**?")
    pull = api.create_pull_request(model, "A proposal")
    assert (talk.num, talk.title, talk.author, talk.status) == (1, "A question", "carol", "open")
    assert (talk.is_pull_request, talk.endpoint, talk.repo_id) == (False, people.hub.url, model)
    assert talk.url == f"{people.hub.url}/{model}/discussions/1"
    assert (pull.is_pull_request, pull.status, pull.git_reference) == (True, "draft", "refs/pr/2")

    def found(**words: Any) -> list[int]:
        return [one.num for one in api.get_repo_discussions(model, **words)]

    assert sorted(found()) == [1, 2]
    assert found(author="carol") == found(discussion_type="discussion") == [1]
    assert found(discussion_type="pull_request") == [2]
    assert found(discussion_status="closed") == []
    details = people(None).get_discussion_details(model, 1)
    (first,) = details.events
    assert (first.type, first.author, first.content) == ("comment", "carol", "Why **so**?")
    for wrong in (0, -1):
        with pytest.raises(ValueError):
            api.get_discussion_details(model, wrong)
    with pytest.raises(HfHubHTTPError) as missing:
        api.get_discussion_details(model, 99)
    assert missing.value.response.status_code == 404


@tries(
    "comment_discussion",
    "edit_discussion_comment",
    "hide_discussion_comment",
    "rename_discussion",
    "change_discussion_status",
)
def test_a_discussion_goes_on(people: People, model: str) -> None:
    api, carol = people(), people("carol")
    carol.create_discussion(model, "A question")
    said = api.comment_discussion(model, 1, "An answer")
    assert (said.type, said.content, said.author, said.edited) == ("comment", "An answer", "alice", False)
    again = api.edit_discussion_comment(model, 1, said.id, "A better answer")
    assert (again.content, again.edited, again.number_of_edits) == ("A better answer", True, 1)
    with pytest.warns(UserWarning, match="Hiding a comment is irreversible"):
        gone = api.hide_discussion_comment(model, 1, said.id)
    assert (gone.hidden, gone.content) == (True, "This comment has been hidden")
    renamed = carol.rename_discussion(model, 1, "Another question")
    assert (renamed.old_title, renamed.new_title) == ("A question", "Another question")
    closed = api.change_discussion_status(model, 1, "closed", comment="Settled.")
    assert closed.new_status == "closed"
    details = api.get_discussion_details(model, 1)
    assert (details.title, details.status) == ("Another question", "closed")
    assert [one.num for one in api.get_repo_discussions(model, discussion_status="closed")] == [1]
    assert api.change_discussion_status(model, 1, "open").new_status == "open"
    with pytest.raises(HfHubHTTPError) as refusal:
        people("bob").rename_discussion(model, 1, "Not mine")
    assert refusal.value.response.status_code == 403


@tries("create_pull_request", "merge_pull_request", "get_discussion_details")
def test_a_pull_request_is_merged(people: People, model: str) -> None:
    api, carol = people(), people("carol")
    pull = carol.create_pull_request(model, "Add a file")
    words = {"revision": pull.git_reference, "commit_message": "Add it"}
    carol.create_commit(model, [CommitOperationAdd("new.txt", b"new")], **words)
    details = carol.get_discussion_details(model, pull.num)
    assert (details.target_branch, details.conflicting_files) == ("refs/heads/main", [])
    assert "+new" in details.diff
    api.change_discussion_status(model, pull.num, "open")
    api.merge_pull_request(model, pull.num, comment="Thanks")
    merged = api.get_discussion_details(model, pull.num)
    assert (merged.status, merged.merge_commit_oid) == ("merged", api.model_info(model).sha)
    assert "new.txt" in api.list_repo_files(model)

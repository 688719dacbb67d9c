"""Gated repos: people ask, owners decide, downloads follow at once; told by the unmodified stock client."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
from huggingface_hub.utils import get_session

from tests.live import LiveHub

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("client_home")]


@pytest.fixture
def gated(hub: LiveHub, unique: str) -> str:
    """A gated model of alice's with a small and a large file; she decides about each request."""
    return gated_repo(hub, unique, "manual")


def gated_repo(hub: LiveHub, name: str, gate: str) -> str:
    api = hub.api()
    repo_id = api.create_repo(name).repo_id
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo_id)
    api.upload_file(path_or_fileobj=b"w" * 200_000, path_in_repo="model.safetensors", repo_id=repo_id)
    api.update_repo_settings(repo_id, gated=gate)  # type: ignore[arg-type]
    return repo_id


def ask(api: HfApi, repo_id: str, **answers: object) -> str:
    """What the form on the repo's page does, by token."""
    url = f"{api.endpoint}/{repo_id}/ask-access"
    response = get_session().post(url, headers=api._build_hf_headers(), json=answers)
    assert response.status_code == 200, response.text
    return str(response.json()["status"])


def read(api: HfApi, repo_id: str, path: str = "config.json") -> bytes:
    """The file's bytes from the hub itself, past any cache."""
    url = f"{api.endpoint}/{repo_id}/resolve/main/{path}"
    response = get_session().get(url, headers=api._build_hf_headers(), follow_redirects=True)
    return bytes(response.content) if response.status_code == 200 else b""


def test_nobody_outside_reads_before_they_are_let_in(hub: LiveHub, gated: str) -> None:
    carol = hub.api("carol")
    assert carol.model_info(gated).gated == "manual"
    assert "config.json" in carol.list_repo_files(gated)
    for api in (carol, hub.api(None)):
        with pytest.raises(GatedRepoError, match="is restricted"):
            api.hf_hub_download(gated, "config.json")
        with pytest.raises(GatedRepoError):
            api.auth_check(gated)
    hub.api("alice").hf_hub_download(gated, "config.json")


def test_who_is_accepted_downloads_and_who_is_refused_no_longer(
    hub: LiveHub, gated: str, tmp_path: Path
) -> None:
    alice, carol = hub.api(), hub.api("carol")
    assert ask(carol, gated) == "pending"
    with pytest.raises(GatedRepoError, match="awaiting a review"):
        carol.hf_hub_download(gated, "config.json")
    (request,) = alice.list_pending_access_requests(gated)
    assert (request.username, request.email, request.status) == ("carol", "", "pending")
    assert isinstance(request.timestamp, datetime)
    alice.accept_access_request(gated, request_id=request.request_id)
    found = carol.hf_hub_download(gated, "model.safetensors", local_dir=tmp_path)
    assert Path(found).read_bytes() == b"w" * 200_000
    carol.auth_check(gated)
    assert read(carol, gated) == b"{}"
    alice.reject_access_request(gated, "carol", rejection_reason="No longer with us")
    assert read(carol, gated) == read(carol, gated, "model.safetensors") == b""
    with pytest.raises(GatedRepoError, match="has been rejected"):
        carol.auth_check(gated)
    assert ask(carol, gated) == "rejected"


def test_an_automatic_gate_lets_in_at_once(hub: LiveHub, unique: str) -> None:
    repo_id, carol = gated_repo(hub, unique, "auto"), hub.api("carol")
    assert read(carol, repo_id) == b""
    assert ask(carol, repo_id) == "accepted"
    assert read(carol, repo_id) == b"{}"
    assert [one.username for one in hub.api().list_accepted_access_requests(repo_id)] == ["carol"]
    hub.api().cancel_access_request(repo_id, "carol")
    assert ask(carol, repo_id) == "pending"
    assert read(carol, repo_id) == b""


def test_the_owners_lists_follow_every_decision(hub: LiveHub, unique: str) -> None:
    api, repo_id = hub.api(), gated_repo(hub, unique, "auto")
    lists = {
        "pending": api.list_pending_access_requests,
        "accepted": api.list_accepted_access_requests,
        "rejected": api.list_rejected_access_requests,
    }

    def where() -> list[str]:
        return [name for name, call in lists.items() if [one.username for one in call(repo_id)] == ["carol"]]

    assert where() == []
    granted = api.grant_access(repo_id, "carol")
    assert granted["status"] == "accepted"  # type: ignore[index]
    assert where() == ["accepted"]
    assert next(iter(api.list_accepted_access_requests(repo_id))).email is None
    api.cancel_access_request(repo_id, "carol")
    assert where() == ["pending"]
    api.reject_access_request(repo_id, "carol", rejection_reason="This is a rejection reason")
    assert where() == ["rejected"]
    api.accept_access_request(repo_id, "carol")
    assert where() == ["accepted"]


def test_what_is_so_already_is_refused(hub: LiveHub, unique: str) -> None:
    api, repo_id = hub.api(), gated_repo(hub, unique, "auto")
    api.grant_access(repo_id, "carol")
    refused = [
        (400, lambda: api.grant_access(repo_id, "carol")),
        (400, lambda: api.grant_access(repo_id, "alice")),
        (404, lambda: api.accept_access_request(repo_id, "carol")),
        (404, lambda: api.grant_access(repo_id, "nobody-at-all")),
        (404, lambda: api.accept_access_request(repo_id, "nobody-at-all")),
        (404, lambda: api.accept_access_request(repo_id, "bob")),
        (404, lambda: api.accept_access_request(repo_id, request_id="655f3a1c9e6b2d4f8a7c1e05")),
        (403, lambda: hub.api("carol").accept_access_request(repo_id, "carol")),
        (403, lambda: list(hub.api("carol").list_pending_access_requests(repo_id))),
    ]
    for status, call in refused:
        with pytest.raises(HfHubHTTPError) as refusal:
            call()
        assert refusal.value.response.status_code == status
    api.update_repo_settings(repo_id, gated=False)
    for call in (
        lambda: api.grant_access(repo_id, "bob"),
        lambda: list(api.list_pending_access_requests(repo_id)),
        lambda: api.cancel_access_request(repo_id, "carol"),
    ):
        with pytest.raises(HfHubHTTPError, match="is not gated") as refusal:
            call()
        assert refusal.value.response.status_code == 400


def test_the_cards_questions_are_asked(hub: LiveHub, gated: str) -> None:
    alice, carol = hub.api(), hub.api("carol")
    card = "---\nextra_gated_fields:\n  Company: text\n  I agree: checkbox\n---\n# Gated\n"
    alice.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=gated)
    response = get_session().post(
        f"{hub.url}/{gated}/ask-access", headers=carol._build_hf_headers(), json={"Company": "Tuneyard"}
    )
    assert (response.status_code, "must be ticked" in response.json()["error"]) == (400, True)
    assert list(alice.list_pending_access_requests(gated)) == []
    assert ask(carol, gated, **{"Company": "Tuneyard", "I agree": True, "other": "x"}) == "pending"
    (request,) = alice.list_pending_access_requests(gated)
    assert request.fields == {"Company": "Tuneyard", "I agree": True}

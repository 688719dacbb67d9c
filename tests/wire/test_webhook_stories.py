"""Webhooks from the stock client to a receiving program: made, heard, retried, silenced, never leaking."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, WebhookWatchedItem
from huggingface_hub.errors import HfHubHTTPError

from tests.live import ROOT, LiveHub, make_hub
from tests.wire.command import Command
from tests.wire.gitworld import clone, commit, git
from tests.wire.receiver import Receiver, receiver

pytestmark = pytest.mark.wire
SETTINGS = {
    "HUB_WEBHOOKS_PRIVATE_TARGETS": "True",
    "HUB_WEBHOOKS_RETRIES": "1,1",
    "HUB_REAPER_SECONDS": "1",
}


@pytest.fixture(scope="module")
def posting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A hub whose own worker runs, and which may send to loopback."""
    live = make_hub(tmp_path_factory.mktemp("posting"), **SETTINGS)
    words = ["-q", "-A", "hub.celery", "worker", "-B", "-Q", "hub", "--pool", "solo", "-n", "hub@%h"]
    with (live.data_dir / "jobs.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", *words, "--without-gossip", "--without-mingle"],
            env=live.environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    yield live
    os.killpg(worker.pid, signal.SIGTERM)
    try:
        worker.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(5)
    live.stop()


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as kept:
        yield kept


def test_the_clients_whole_life_of_a_webhook(hub: LiveHub) -> None:
    """As the client's own suite goes through it, with names nobody here has."""
    api, url = hub.api(), "https://webhook.site/test"
    watched = [WebhookWatchedItem(type="user", name="julien-c"), {"type": "org", "name": "HuggingFaceH4"}]
    made = api.create_webhook(url=url, watched=watched, domains=["repo", "discussion"], secret="my-secret")
    assert (made.url, made.secret, made.disabled, made.job) == (url, "my-secret", False, None)
    assert made.domains == ["repo", "discussion"]
    assert made.watched == [
        WebhookWatchedItem("user", "julien-c"),
        WebhookWatchedItem("org", "HuggingFaceH4"),
    ]
    assert api.get_webhook(made.id) == made
    assert made in api.list_webhooks()
    changed = api.update_webhook(made.id, url="https://webhook.site/new", domains=["repo"])
    assert (changed.url, changed.domains) == ("https://webhook.site/new", ["repo"])
    assert (changed.watched, changed.secret) == (made.watched, made.secret)  # what was not given is as it was
    assert api.disable_webhook(made.id).disabled is True
    assert api.enable_webhook(made.id).disabled is False
    with pytest.raises(HfHubHTTPError) as refusal:
        hub.api("bob").get_webhook(made.id)
    assert refusal.value.response.status_code == 404
    api.delete_webhook(made.id)
    with pytest.raises(HfHubHTTPError):
        api.get_webhook(made.id)
    assert made.id not in [one.id for one in api.list_webhooks()]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "ftp://example.org/x"}, "https:// or http://"),
        ({"url": "http://127.0.0.1:9/x"}, "private network"),
        ({"url": "http://localhost/x"}, "private network"),
        ({"url": "https://u:p@example.org/"}, "must not hold a user name"),
        ({"watched": []}, "must name at least one"),
        ({"watched": [{"type": "planet", "name": "x"}]}, "type of a watched item"),
        ({"watched": [{"type": "user", "name": "a b"}]}, "name of a watched item"),
        ({"domains": ["weather"]}, "'domains' must be"),
        ({"secret": "ü"}, "printable ASCII"),
    ],
)
def test_nonsense_is_refused_in_words(hub: LiveHub, fields: dict, words: str) -> None:
    body = {"url": "https://example.org/x", "watched": [{"type": "user", "name": "alice"}]} | fields
    with pytest.raises(HfHubHTTPError, match=words) as refusal:
        hub.api().create_webhook(**body)
    assert refusal.value.response.status_code == 400


def test_a_job_cannot_be_started(hub: LiveHub) -> None:
    with pytest.raises(HfHubHTTPError, match="they cannot start a job"):
        hub.api().create_webhook(
            job_id="687f911eaea852de79c4a50a", watched=[{"type": "user", "name": "alice"}]
        )


def test_a_commit_is_told_after_it_is_there(posting: LiveHub, inbox: Receiver, unique: str) -> None:
    api = posting.api()
    repo_id = f"alice/{unique}"
    made = api.create_webhook(
        url=inbox.url("/hook?a=1"), watched=[{"type": "model", "name": repo_id.upper()}], secret="s3cret"
    )
    api.create_repo(unique)
    created = inbox.of(repo_id, "repo", "create")
    assert created.path == "/hook?a=1"
    assert created.headers["x-webhook-secret"] == "s3cret"
    digest = hmac.new(b"s3cret", created.body, hashlib.sha256).hexdigest()
    assert created.headers["x-webhook-signature"] == f"sha256={digest}"
    assert created.headers["content-type"] == "application/json"
    assert created.headers["host"] == f"127.0.0.1:{inbox.port}"
    repo = created.payload["repo"]
    info = api.model_info(repo_id)
    assert (repo["type"], repo["private"]) == ("model", False)
    assert repo["url"] == {"web": f"{posting.url}/{repo_id}", "api": f"{posting.url}/api/models/{repo_id}"}
    assert created.payload["webhook"] == {"id": made.id, "version": 3}
    card = b"---\nlicense: mit\n---\n# x\n"
    commit = api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo_id)
    told = inbox.of(repo_id, "repo.content", "update").payload
    assert told["updatedRefs"] == [{"ref": "refs/heads/main", "oldSha": info.sha, "newSha": commit.oid}]
    assert told["repo"]["headSha"] == commit.oid
    assert "license:mit" in told["repo"]["tags"]


def test_everything_a_repo_goes_through(posting: LiveHub, inbox: Receiver, unique: str) -> None:
    api, repo_id = posting.api(), f"alice/{unique}"
    api.create_webhook(url=inbox.url(), watched=[{"type": "user", "name": "Alice"}], domains=["repo"])
    head = api.model_info(api.create_repo(unique).repo_id).sha
    api.create_tag(repo_id, tag="v1")
    api.create_branch(repo_id, branch="dev")
    api.delete_branch(repo_id, branch="dev")
    api.update_repo_settings(repo_id, visibility="private")
    moved = f"alice/{unique}-new"
    api.move_repo(repo_id, moved)
    api.delete_repo(moved)
    assert inbox.of(moved, "repo", "delete").payload["repo"]["private"] is True
    told = [one.payload for one in inbox.received]
    refs = [ref for payload in told for ref in payload.get("updatedRefs", [])]
    assert {"ref": "refs/tags/v1", "oldSha": None, "newSha": head} in refs
    assert {"ref": "refs/heads/dev", "oldSha": None, "newSha": head} in refs
    assert {"ref": "refs/heads/dev", "oldSha": head, "newSha": None} in refs
    config = next(payload for payload in told if payload["event"]["scope"] == "repo.config")
    assert config["updatedConfig"] == {"private": True}
    move = next(payload for payload in told if payload["event"]["action"] == "move")
    assert (move["repo"]["name"], move["movedTo"]["name"]) == (repo_id, moved)


def test_a_discussion_and_its_comments(posting: LiveHub, inbox: Receiver, unique: str) -> None:
    api, repo_id = posting.api(), f"alice/{unique}"
    api.create_repo(unique)
    api.create_webhook(url=inbox.url(), watched=[{"type": "model", "name": repo_id}], domains=["discussion"])
    opened = posting.api("bob").create_discussion(repo_id, title="How so?", description="I wonder.")
    told = inbox.of(repo_id, "discussion", "create").payload
    assert told["discussion"]["title"] == "How so?"
    assert (told["discussion"]["num"], told["discussion"]["status"]) == (opened.num, "open")
    assert told["discussion"]["isPullRequest"] is False
    assert told["discussion"]["url"]["web"] == f"{posting.url}/{repo_id}/discussions/{opened.num}"
    assert told["comment"]["content"] == "I wonder."
    assert "headSha" not in told["repo"]
    event = api.comment_discussion(repo_id, opened.num, comment="Because.")
    said = inbox.of(repo_id, "discussion.comment", "create").payload["comment"]
    assert (said["content"], said["hidden"]) == ("Because.", False)
    with pytest.warns(UserWarning, match="irreversible"):
        api.hide_discussion_comment(repo_id, opened.num, comment_id=event.id)
    hidden = inbox.of(repo_id, "discussion.comment", "update").payload["comment"]
    assert hidden["hidden"] is True
    assert "content" not in hidden
    assert hidden["id"] == said["id"]
    api.change_discussion_status(repo_id, opened.num, "closed")
    assert inbox.of(repo_id, "discussion", "update").payload["discussion"]["status"] == "closed"


def test_a_pull_request(posting: LiveHub, inbox: Receiver, unique: str) -> None:
    api, repo_id = posting.api(), f"alice/{unique}"
    api.create_repo(unique)
    api.create_webhook(url=inbox.url(), watched=[{"type": "model", "name": repo_id}])
    made = posting.api("carol").create_commit(
        repo_id, [CommitOperationAdd("a.txt", b"a")], commit_message="Add a", create_pr=True
    )
    assert made.pr_num is not None
    told = inbox.of(repo_id, "discussion", "create").payload["discussion"]
    assert told["isPullRequest"] is True
    assert told["changes"] == {"base": "refs/heads/main"}
    refs = inbox.wait(lambda one: "refs/pr" in str(one.payload.get("updatedRefs"))).payload["updatedRefs"]
    assert (refs[0]["ref"], refs[0]["newSha"]) == (f"refs/pr/{made.pr_num}", made.oid)


def test_a_push_is_one_message(posting: LiveHub, inbox: Receiver, unique: str, tmp_path: Path) -> None:
    api, repo_id = posting.api(), f"alice/{unique}"
    head = api.model_info(api.create_repo(unique).repo_id).sha
    api.create_webhook(url=inbox.url(), watched=[{"type": "model", "name": repo_id}])
    work = clone(posting, "alice", repo_id, tmp_path / "net")
    new = commit(work, "Add a", a_txt="a")
    git("tag", "v1", cwd=work)
    git("push", "-q", "origin", "main", "v1", cwd=work)
    told = inbox.of(repo_id, "repo.content", "update").payload
    assert told["updatedRefs"] == [
        {"ref": "refs/heads/main", "oldSha": head, "newSha": new},
        {"ref": "refs/tags/v1", "oldSha": None, "newSha": new},
    ]
    assert told["repo"]["headSha"] == new
    time.sleep(2)
    assert len(inbox.received) == 1


def test_a_message_that_did_not_arrive_is_sent_again(posting: LiveHub, inbox: Receiver, unique: str) -> None:
    api = posting.api()
    api.create_webhook(url=inbox.url(), watched=[{"type": "model", "name": f"alice/{unique}"}])
    inbox.answers = [500, 302]
    api.create_repo(unique)
    deadline = time.monotonic() + 40
    while len(inbox.received) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)  # a fourth would come about now
    assert len(inbox.received) == 3
    assert {one.path for one in inbox.received} == {"/hook"}  # a redirect is no way
    assert len({one.headers["x-webhook-delivery"] for one in inbox.received}) == 1
    assert len({one.body for one in inbox.received}) == 1


def test_after_the_last_attempt_it_has_failed(posting: LiveHub, inbox: Receiver, unique: str) -> None:
    api = posting.api()
    made = api.create_webhook(url=inbox.url(), watched=[{"type": "model", "name": f"alice/{unique}"}])
    inbox.answers = [503] * 9
    api.create_repo(unique)
    deadline = time.monotonic() + 40
    state = ""
    code = "from models_app.models import *; print([(d.status, d.attempts, d.response_status) for d in "
    code += f"WebhookDelivery.objects.filter(webhook__key='{made.id}')])"
    while "failed" not in state and time.monotonic() < deadline:
        state = posting.manage("shell", "-v", "0", "-c", code).strip().splitlines()[-1]
    assert state == "[('failed', 3, 503)]"
    assert len(inbox.received) == 3


def test_a_disabled_webhook_is_silent(posting: LiveHub, inbox: Receiver, unique: str) -> None:
    api = posting.api()
    watched = [{"type": "model", "name": f"alice/{unique}"}]
    silent = api.create_webhook(url=inbox.url("/silent"), watched=watched)
    api.create_webhook(url=inbox.url("/heard"), watched=watched)
    api.disable_webhook(silent.id)
    api.create_repo(unique)
    inbox.wait(lambda one: one.path == "/heard")
    api.enable_webhook(silent.id)
    api.create_tag(f"alice/{unique}", tag="v1")
    later = inbox.wait(lambda one: one.path == "/silent")
    assert later.payload["event"]["scope"] == "repo.content"


def test_a_private_repo_is_told_to_those_only_who_may_know_of_it(
    posting: LiveHub, inbox: Receiver, unique: str
) -> None:
    """bob is in the team, carol is not; both watch it, and carol watches the very name."""
    name = f"team/{unique}"
    posting.api("carol").create_webhook(url=inbox.url("/carol"), watched=[{"type": "model", "name": name}])
    posting.api("carol").create_webhook(url=inbox.url("/carol"), watched=[{"type": "org", "name": "team"}])
    posting.api("bob").create_webhook(url=inbox.url("/bob"), watched=[{"type": "org", "name": "team"}])
    api = posting.api("alice")
    api.create_repo(name, visibility="private")
    api.upload_file(path_or_fileobj=b"secret", path_in_repo="a.txt", repo_id=name)
    inbox.wait(lambda one: one.path == "/bob" and one.payload["event"]["scope"] == "repo.content")
    api.delete_repo(name)
    inbox.wait(lambda one: one.path == "/bob" and one.payload["event"]["action"] == "delete")
    assert {one.path for one in inbox.received} == {"/bob"}


def test_the_command_line(hub: LiveHub, tmp_path: Path) -> None:
    hf = Command(hub, tmp_path, "carol")
    hf(
        "webhooks",
        "create",
        "--url",
        "https://example.org/x",
        "--watch",
        "model:carol/net",
        "--watch",
        "bucket:carol/b",
    )
    (made,) = hub.api("carol").list_webhooks()
    assert "model:carol/net" in hf("webhooks", "ls", "--format", "json")
    hf("webhooks", "update", made.id, "--secret", "n3w")
    assert hub.api("carol").get_webhook(made.id).secret == "n3w"
    assert len(hub.api("carol").get_webhook(made.id).watched) == 2
    hf("webhooks", "disable", made.id)
    hf("webhooks", "enable", made.id)
    assert made.id in hf("webhooks", "info", made.id)
    hf("webhooks", "delete", made.id, "--yes")
    assert hub.api("carol").list_webhooks() == []

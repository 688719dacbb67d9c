"""What webhooks are told, who may hear it when, and where the hub does not send."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Membership, User
from models_app import outgoing
from models_app.actions import deliveries, webhooks
from models_app.actions.branches import create_branch
from models_app.actions.deliveries import deliver_due, trim_deliveries
from models_app.actions.events import record_event
from models_app.actions.refusals import InvalidInput
from models_app.actions.repos import change_settings, delete_repo, disable_repo
from models_app.actions.webhook_changes import create_webhook, redeliver, set_disabled, update_webhook
from models_app.models import DeliveryStatus, EventTag, Webhook, WebhookDelivery
from models_app.outgoing import Outcome, is_public, post
from tests.models_app.people import by_token, organization, repo_of, session
from tests.wire.receiver import Receiver, receiver

pytestmark = pytest.mark.django_db
HOOK = "https://example.org/hook"


def hook(user: User, *watched: str, **fields: Any) -> Webhook:
    items = [{"type": one.split(":")[0], "name": one.split(":")[1]} for one in watched]
    return create_webhook(session(user), url=fields.pop("url", HOOK), watched=items, **fields)


def told(webhook: Webhook) -> list[tuple[str, str]]:
    rows = webhook.deliveries.order_by("pk")
    return [(row.payload["event"]["scope"], row.payload["event"]["action"]) for row in rows]


class TestMatching:
    def test_a_name_is_enough_and_its_case_is_no_matter(self, alice: User, bob: User) -> None:
        hooks = [hook(bob, "model:ALICE/Net"), hook(bob, "user:Alice"), hook(bob, "org:alice")]
        deaf = [hook(bob, "dataset:alice/net"), hook(bob, "model:alice/net2"), hook(bob, "user:bob")]
        repo_of(alice, "net")
        assert [told(one) for one in hooks] == [[("repo", "create")]] * 3
        assert [told(one) for one in deaf] == [[]] * 3

    def test_one_webhook_hears_once_however_often_it_watches(self, alice: User) -> None:
        many = hook(alice, "model:alice/net", "user:alice", "org:alice")
        repo_of(alice, "net")
        assert told(many) == [("repo", "create")]

    def test_domains(self, alice: User) -> None:
        talk = hook(alice, "user:alice", domains=["discussion"])
        repo_of(alice, "net")
        assert told(talk) == []

    def test_kernels_have_no_payload_of_their_own(self, alice: User) -> None:
        listening = hook(alice, "user:alice")
        repo_of(alice, "k", repo_type="kernel")
        assert told(listening) == []

    def test_likes_and_the_like_are_nobodys_business(self, alice: User) -> None:
        listening, repo = hook(alice, "user:alice"), repo_of(alice, "net")
        record_event(session(alice), EventTag.LIKE_ADD, repo=repo)
        assert told(listening) == [("repo", "create")]

    def test_a_rollback_tells_nothing(self, alice: User) -> None:
        listening, repo = hook(alice, "user:alice"), repo_of(alice, "net")
        with pytest.raises(Exception, match="not a valid"):
            create_branch(session(alice), repo=repo, branch="a..b")
        assert told(listening) == [("repo", "create")]

    def test_a_push_is_told_once(self, alice: User) -> None:
        listening, repo = hook(alice, "user:alice"), repo_of(alice, "net")
        record_event(session(alice), EventTag.COMMIT_ADD, repo=repo, branch="main", oid="1" * 40, push=True)
        refs = [
            {"ref": "refs/heads/x", "old": None, "new": "1" * 40},
            {"ref": "refs/tags/t", "old": "2" * 40},
        ]
        record_event(session(alice), EventTag.REPO_PUSH, repo=repo, refs=refs)
        (last,) = listening.deliveries.order_by("pk")[1:]
        assert last.payload["updatedRefs"] == [
            {"ref": "refs/heads/x", "oldSha": None, "newSha": "1" * 40},
            {"ref": "refs/tags/t", "oldSha": "2" * 40, "newSha": None},
        ]

    def test_buckets_are_told_of_to_who_names_them(self, alice: User, bob: User) -> None:
        from models_app.actions.buckets import change_bucket, create_bucket, delete_bucket, move_bucket

        named, moved, owner = (
            hook(bob, "bucket:alice/pail"),
            hook(bob, "bucket:alice/tub"),
            hook(bob, "user:alice"),
        )
        own = hook(alice, "bucket:alice/tub")
        bucket = create_bucket(session(alice), namespace="alice", name="pail", private=False)
        bucket = move_bucket(session(alice), bucket=bucket, namespace="alice", name="tub")
        change_bucket(session(alice), bucket=bucket, private=True)
        delete_bucket(session(alice), bucket=bucket)
        assert told(named) == [("repo", "create"), ("repo", "move")]
        assert told(moved) == [("repo", "move")]  # then it was private
        assert told(own) == [("repo", "move"), ("repo.config", "update"), ("repo", "delete")]
        assert told(owner) == []
        move = own.deliveries.order_by("pk")[0].payload
        assert (move["repo"]["type"], move["repo"]["name"]) == ("bucket", "alice/pail")
        assert move["movedTo"]["name"] == "alice/tub"

    def test_a_thousand_a_day(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(webhooks, "MAX_A_DAY", 1)
        listening = hook(alice, "user:alice")
        repo_of(alice, "net")
        repo_of(alice, "net2")
        assert len(told(listening)) == 1
        with pytest.raises(InvalidInput, match="wait a while"):
            redeliver(session(alice), delivery=listening.deliveries.get())


class TestWhoMayHear:
    @pytest.fixture
    def posted(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The addresses something was sent to."""
        sent: list[str] = []

        def fake(url: str, *words: object, **named: object) -> Outcome:
            sent.append(url)
            return Outcome(200)

        monkeypatch.setattr(deliveries, "post", fake)
        return sent

    def test_a_private_repo_is_not_even_written_down_for_a_stranger(self, alice: User, carol: User) -> None:
        strange, own = hook(carol, "model:alice/net"), hook(alice, "model:alice/net")
        repo = repo_of(alice, "net", private=True)
        create_branch(session(alice), repo=repo, branch="dev")
        delete_repo(session(alice), repo=repo)
        assert told(strange) == [("repo", "create")]  # it was public at that moment
        assert told(own) == [("repo", "create"), ("repo.content", "update"), ("repo", "delete")]

    def test_what_turned_private_meanwhile_is_not_sent(
        self, alice: User, carol: User, posted: list[str]
    ) -> None:
        strange, repo = hook(carol, "user:alice"), repo_of(alice, "net")
        change_settings(session(alice), repo=repo, private=True)
        deliver_due(timezone.now())
        assert posted == []
        row = strange.deliveries.get()
        assert (row.status, row.attempts) == (DeliveryStatus.FAILED, 0)
        assert "may not know" in row.error

    def test_who_left_the_team_hears_nothing_more(self, alice: User, bob: User, posted: list[str]) -> None:
        organization("team", admin=alice, read=bob)
        listening = hook(bob, "org:team")
        repo = repo_of(alice, "net", namespace="team", private=True)
        create_branch(session(alice), repo=repo, branch="dev")
        delete_repo(session(alice), repo=repo)
        assert len(told(listening)) == 3
        Membership.objects.filter(user=bob).delete()
        deliver_due(timezone.now())
        # The first was written while the repo was public for a moment; it was private when it went.
        assert posted == []
        assert set(listening.deliveries.values_list("status", flat=True)) == {DeliveryStatus.FAILED}

    @pytest.mark.parametrize("state", ["is_suspended", "disabled", "repo"])
    def test_the_suspended_the_disabled_and_the_taken_down(
        self, alice: User, mod: User, carol: User, posted: list[str], state: str
    ) -> None:
        listening, repo = hook(carol, "user:alice"), repo_of(alice, "net")
        if state == "is_suspended":
            User.objects.filter(pk=carol.pk).update(is_suspended=True)
        elif state == "disabled":
            set_disabled(session(carol), webhook=listening, disabled=True)
        else:
            disable_repo(session(mod), repo=repo, reason="x")
        deliver_due(timezone.now())
        assert posted == []
        assert set(listening.deliveries.values_list("status", flat=True)) == {DeliveryStatus.FAILED}

    def test_redelivery_asks_again(self, alice: User, carol: User, posted: list[str]) -> None:
        listening, repo = hook(carol, "user:alice"), repo_of(alice, "net")
        deliver_due(timezone.now())
        redeliver(session(carol), delivery=listening.deliveries.get())
        deliver_due(timezone.now())
        assert len(posted) == 2
        change_settings(session(alice), repo=repo, private=True)
        redeliver(session(carol), delivery=listening.deliveries.first())
        deliver_due(timezone.now())
        assert len(posted) == 2


class TestDeliveries:
    @pytest.fixture
    def inbox(self, settings: Settings) -> Iterator[Receiver]:
        settings.HUB_WEBHOOKS_PRIVATE_TARGETS = True
        settings.HUB_WEBHOOKS_RETRIES = [60, 300]
        with receiver() as kept:
            yield kept

    def test_back_off_then_failed(self, alice: User, inbox: Receiver) -> None:
        listening = hook(alice, "user:alice", url=inbox.url())
        repo_of(alice, "net")
        inbox.answers = [500, 500, 500]
        now = timezone.now()
        for pause in (60, 300):
            assert deliver_due(now) == 1
            row = listening.deliveries.get()
            assert row.status == DeliveryStatus.PENDING
            assert (
                timedelta(seconds=pause - 5)
                < row.next_attempt_at - timezone.now()
                <= timedelta(seconds=pause)
            )
            assert deliver_due(now) == 0  # not before its time
            now = row.next_attempt_at
        assert deliver_due(now) == 1
        row = listening.deliveries.get()
        assert (row.status, row.attempts, row.response_status) == (DeliveryStatus.FAILED, 3, 500)

    def test_in_order_and_after_a_failure_the_rest_waits(self, alice: User, inbox: Receiver) -> None:
        listening = hook(alice, "user:alice", url=inbox.url())
        for name in ("n1", "n2", "n3"):
            repo_of(alice, name)
        inbox.answers = [200, 500]
        deliver_due(timezone.now())
        assert [one.payload["repo"]["name"] for one in inbox.received] == ["alice/n1", "alice/n2"]
        rows = list(listening.deliveries.order_by("pk").values_list("status", "attempts"))
        assert rows == [("delivered", 1), ("pending", 1), ("pending", 0)]

    def test_a_claimed_message_is_not_sent_twice_but_again_when_its_worker_died(
        self, alice: User, inbox: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook(alice, "user:alice", url=inbox.url())
        repo_of(alice, "net")
        with monkeypatch.context() as patched:
            patched.setattr(deliveries, "_settle", lambda *words: None)  # it dies after sending
            deliver_due(timezone.now())
        assert deliver_due(timezone.now()) == 0
        assert deliver_due(timezone.now() + timedelta(hours=1)) == 1
        assert len(inbox.received) == 2
        assert len({one.headers["x-webhook-delivery"] for one in inbox.received}) == 1

    def test_no_secret_no_signature(self, alice: User, inbox: Receiver) -> None:
        hook(alice, "user:alice", url=inbox.url())
        repo_of(alice, "net")
        deliver_due(timezone.now())
        assert not {"x-webhook-secret", "x-webhook-signature"} & set(inbox.received[0].headers)

    def test_old_ones_are_forgotten(self, alice: User) -> None:
        listening = hook(alice, "user:alice")
        repo_of(alice, "net")
        assert trim_deliveries(timezone.now()) == 0
        listening.deliveries.update(created_at=timezone.now() - timedelta(days=8))
        assert trim_deliveries(timezone.now()) == 1


class TestTargets:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
            "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "fec0::1",
            "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
            "::7f00:1", "2001:0:0:0:0:0:80ff:fffe", "2001:db8::1", "0.0.0.0",  # noqa: S104
        ],
    )  # fmt: skip
    def test_private_addresses(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
    def test_public_addresses(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:{}/",
            "http://localhost:{}/",
            "http://[::ffff:127.0.0.1]:{}/",
            "http://2130706433:{}/",
        ],
    )
    def test_nothing_is_connected_to_at_home(self, url: str) -> None:
        with receiver() as kept:
            outcome = post(url.format(kept.port), b"{}", {}, private_allowed=False)
        assert outcome.final
        assert "private network" in outcome.error
        assert kept.received == []

    def test_a_name_that_means_home_is_caught_when_it_is_looked_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second address of a name counts as the first, and the one checked is the one connected to."""
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))
        private = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
        asked: list[str] = []

        def lookup(host: str, *words: object, **named: object) -> list[tuple]:
            asked.append(host)
            return [public, private]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        outcome = post("http://innocent.example/", b"{}", {}, private_allowed=False)
        assert (outcome.final, asked) == (True, ["innocent.example"])

    def test_one_that_answers_a_byte_at_a_time_is_hung_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outgoing, "TIMEOUT_SECONDS", 1.0)
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=_drip, args=(server,), daemon=True).start()
            began = time.monotonic()
            outcome = post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, private_allowed=True)
        assert outcome == Outcome(None, "No answer within 1 seconds.")
        assert time.monotonic() - began < 3

    def test_what_cannot_be_reached_is_said(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        outcome = post(f"http://127.0.0.1:{port}/", b"{}", {}, private_allowed=True)
        assert outcome.error == "The connection failed: Connection refused."
        assert not outcome.final


def _drip(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        try:
            for letter in b"HTTP/1.1 200 OK\r\n" * 20:
                connection.sendall(bytes([letter]))
                time.sleep(0.2)
        except OSError:
            return


class TestWhoManages:
    def test_tokens(self, alice: User, client: Client) -> None:
        made = hook(alice, "user:alice", secret="s3cret")
        for actor, words in [
            (by_token(alice, "read"), "read token"),
            (by_token(alice, "fineGrained", repos={"model:alice/net": "write"}), "fine-grained"),
        ]:
            with pytest.raises(Exception, match=words):
                update_webhook(actor, webhook=made, url=HOOK)
        assert client.get("/api/settings/webhooks").status_code == 401

    def test_a_read_token_is_not_shown_the_secret(self, alice: User, client: Client) -> None:
        from accounts.tokens import mint_token

        hook(alice, "user:alice", secret="s3cret")
        for role, shown in (("read", None), ("write", "s3cret")):
            text = mint_token(alice, name="t", role=role)[1]
            answer = client.get("/api/settings/webhooks", headers={"authorization": f"Bearer {text}"})
            assert answer.json()[0]["secret"] == shown


class TestPages:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client, alice: User) -> None:
        client.force_login(alice)

    def test_make_look_send_again_stop_and_delete(self, client: Client, alice: User) -> None:
        data = {
            "url": HOOK,
            "watched": "user: alice\nmodel:alice/net",
            "domains": ["repo"],
            "secret": "s3cret",
        }
        page = client.post("/settings/webhooks", data, follow=True)
        made = Webhook.objects.get()
        assert page.redirect_chain == [(f"/settings/webhooks/{made.key}", 302)]
        assert "s3cret" not in page.text
        repo_of(alice, "net")
        row = made.deliveries.get()
        page = client.get(f"/settings/webhooks/{made.key}")
        assert "alice/net" in page.text
        assert "s3cret" not in page.text
        client.post(f"/settings/webhooks/{made.key}", {"action": "redeliver", "delivery": str(row.uuid)})
        assert made.deliveries.count() == 2
        for uuid in ("", "x", "00000000-0000-0000-0000-000000000000"):
            answer = client.post(
                f"/settings/webhooks/{made.key}", {"action": "redeliver", "delivery": uuid}, follow=True
            )
            assert "not kept any more" in answer.text
        client.post(f"/settings/webhooks/{made.key}", {"action": "disable"})
        assert "disabled" in client.get("/settings/webhooks").text
        client.post(f"/settings/webhooks/{made.key}", {"action": "delete"})
        assert not Webhook.objects.exists()
        assert not WebhookDelivery.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [("url", "ftp://x/", "https:// or http://"), ("watched", "alice", "write type:name"),
         ("watched", "planet:x", "type of a watched item"), ("domains", [], "required")],
    )  # fmt: skip
    def test_what_is_wrong_is_said(self, client: Client, field: str, value: Any, words: str) -> None:
        data = {"url": HOOK, "watched": "user:alice", "domains": ["repo"]} | {field: value}
        assert words in client.post("/settings/webhooks", data).text
        assert not Webhook.objects.exists()

    def test_those_of_others_look_missing(self, client: Client, bob: User) -> None:
        made = hook(bob, "user:bob")
        assert client.get(f"/settings/webhooks/{made.key}").status_code == 404
        assert client.post(f"/settings/webhooks/{made.key}", {"action": "delete"}).status_code == 404
        assert Webhook.objects.exists()

    def test_strangers_sign_in_first(self) -> None:
        assert Client().get("/settings/webhooks")["Location"] == "/login?next=/settings/webhooks"

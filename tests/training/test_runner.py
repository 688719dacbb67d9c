"""The worker between runs: it asks, hears what is wanted of it, and delivers what an earlier life left."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_hubclient import CLAIM, FakeHub
from training import publish, runner
from training.childprocess import ChildProcess
from training.outbox import Delivery, waiting
from training.runapi import Claim
from training.runner import Runner
from training.workplace import WorkerSettings, tidy

RECIPE = {"base_model": {"repo": "a/base"}, "dataset": {"repo": "a/data"}}
WORK = {**CLAIM, "recipe": RECIPE, "heartbeat_seconds": 0.2}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    fake = FakeHub()
    yield fake
    fake.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def settings(hub: FakeHub, home: Path) -> WorkerSettings:
    return WorkerSettings(hub.url, "tyw_x", "none", "", ("cpu-basic",), home, "w", checkpoint_seconds=0.1)


@pytest.fixture
def made(hub: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """A worker whose runs are done by the script `well`, and that fetches and publishes nothing real."""
    words = [sys.executable, "-m", "tests.training.childscript", "well"]
    root = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    monkeypatch.setattr(runner, "ChildProcess", lambda where: ChildProcess(where, words))
    monkeypatch.setattr(runner, "hardware", lambda: {"cores": 2})
    monkeypatch.setattr("training.execute.fetch", lambda *_, **__: home)
    monkeypatch.setattr(publish, "publish", lambda *_, **__: "c" * 40)
    one = Runner(settings(hub, home), threading.Event())
    yield one
    one.stop.set()


def during(one: Runner, act: Callable[[], None]) -> None:
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        act()
    finally:
        one.stop.set()
        thread.join(30)
    assert not thread.is_alive()


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asked(hub: FakeHub, what: str) -> list[dict[str, Any]]:
    return [body for path, body in hub.asked if path.endswith(what)]


def test_it_says_what_it_has_and_takes_what_there_is(made: Runner, hub: FakeHub, home: Path) -> None:
    hub.by_path |= {"claim": [(200, {**WORK, "kind": "preflight", "target": None})], "hello": []}
    during(made, lambda: until(lambda: asked(hub, "finish")))
    hello = asked(hub, "/api/workers/hello")
    assert (hello[0]["doing"], hello[-1]["doing"], hello[0]["hardware"]) == ("idle", "stopping", {"cores": 2})
    (finish,) = asked(hub, "finish")
    assert (finish["outcome"], finish["attempt"], finish["result_oid"]) == ("completed", 2, "")
    assert finish["summary"]["scratch"].endswith("/runs/u-1/tmp")
    assert list((home / "runs").iterdir()) == []
    assert list((home / "outbox").iterdir()) == []


@pytest.mark.parametrize("state", ["draining", "offline"])
def test_who_is_not_active_asks_for_nothing(made: Runner, hub: FakeHub, state: str) -> None:
    hub.by_path["hello"] = [(200, {"name": "w", "state": state, "heartbeat_seconds": 0.2})] * 100
    during(made, lambda: until(lambda: len(asked(hub, "hello")) >= 3))
    assert asked(hub, "claim") == []


def test_an_idle_worker_asks_less_and_less(
    made: Runner, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(runner, "POLLING_PAUSE", 1.0)
    made._pause = 0.1
    during(made, lambda: time.sleep(4))
    assert 5 <= len(asked(hub, "claim")) <= 12


def test_a_message_is_no_more_than_a_knock(made: Runner, hub: FakeHub) -> None:
    def knock() -> None:
        until(lambda: made.rounds)
        hub.by_path["claim"] = [(200, {**WORK, "kind": "preflight", "target": None})]
        made.wake()
        assert asked(hub, "finish")  # it returned when there was no more to do

    made._pause = 30.0
    during(made, knock)


def test_a_broken_installation_takes_no_run(
    hub: FakeHub, home: Path, made: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [sys.executable, "-c", "raise SystemExit('no torch here')"]
    monkeypatch.setattr(runner, "ChildProcess", lambda where: ChildProcess(where, words))
    during(made, lambda: until(lambda: made.rounds))
    assert asked(hub, "claim") == []


def pack(hub: FakeHub, home: Path, claim: dict[str, Any]) -> Delivery:
    result = home / "result"
    result.mkdir()
    (result / "model.safetensors").write_bytes(b"weights")
    unsent = {"metrics": [{"step": 9, "name": "val/loss", "value": 0.5}], "logs": [], "seq": 3}
    return Delivery.pack(home, Claim.from_json(claim), result, summary={"metrics": {}}, unsent=unsent)


def test_what_an_earlier_life_has_left_is_delivered_first(made: Runner, hub: FakeHub, home: Path) -> None:
    delivery = pack(hub, home, WORK)
    assert (delivery.folder / "delivery.json").stat().st_mode & 0o077 == 0
    during(made, lambda: until(lambda: asked(hub, "finish")))
    (finish,) = asked(hub, "finish")
    assert (finish["outcome"], finish["result_oid"]) == ("completed", "c" * 40)
    assert hub.sent("metrics") == [{"step": 9, "name": "val/loss", "value": 0.5}]
    assert not delivery.folder.exists()


def test_a_run_that_was_put_back_meanwhile_is_adopted(made: Runner, hub: FakeHub, home: Path) -> None:
    pack(hub, home, WORK)
    hub.by_path["report"] = [(401, {"error": "moved on"})]
    hub.by_path["claim"] = [(200, {**WORK, "attempt": 3, "token": "hf_new"})]
    during(made, lambda: until(lambda: asked(hub, "finish")))
    (finish,) = asked(hub, "finish")
    assert (finish["outcome"], finish["attempt"]) == ("completed", 3)
    assert "Bearer hf_new" in hub.tokens


def test_a_run_that_others_have_had_is_given_back(made: Runner, hub: FakeHub, home: Path) -> None:
    delivery = pack(hub, home, WORK)
    hub.by_path["report"] = [(401, {"error": "moved on"})]
    hub.by_path["claim"] = [(200, {**WORK, "attempt": 5, "token": "hf_new"})]
    during(made, lambda: until(lambda: asked(hub, "finish") and not delivery.folder.exists()))
    assert [(one["outcome"], one["attempt"]) for one in asked(hub, "finish")] == [("interrupted", 5)]


def test_half_a_delivery_is_none(home: Path) -> None:
    for name, text in (
        ("a", "{"),
        ("b", "[]"),
        ("c", json.dumps({"claim": {}, "summary": {}, "unsent": {}})),
    ):
        folder = home / "outbox" / name
        folder.mkdir(parents=True)
        (folder / "delivery.json").write_text(text)
    assert list(waiting(home)) == []
    assert list((home / "outbox").iterdir()) == []


def test_after_a_kill_nothing_but_what_was_handed_back_in_order_is_kept(home: Path) -> None:
    for name in ("killed/saved", "killed/kept", "in-order/kept"):
        (home / "runs" / name).mkdir(parents=True)
    tidy(home)
    assert [path.name for path in (home / "runs").iterdir()] == ["in-order"]
    shutil.rmtree(home / "runs")
    tidy(home)

"""Runs with each broker: the message is a wake-up, so whatever becomes of it costs time and no run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.brokers.servers import BROKERS, Broker, NoBroker
from tests.chaos.__main__ import submit
from tests.chaos.checks import told_of
from tests.chaos.faults import Faults
from tests.chaos.stage import Stage, set_up, tear_down
from training.hubclient import HubApi

pytestmark = [pytest.mark.journeys, pytest.mark.timeout(400)]
NEVER = (1e9, 1e9)
SHORT, LONG = 2, 400


class Yard:
    """A hub with this broker, one training worker and the hub's own."""

    def __init__(self, stage: Stage, broker: Broker | None) -> None:
        self.stage, self.broker = stage, broker
        self.keeper = Faults(stage, 0, NEVER)
        self.api = HubApi(stage.hub.url, stage.hub.tokens["alice"])
        self.count = 0

    def submit(self, epochs: int = SHORT) -> str:
        self.count += 1
        return submit(self.api, f"story-{self.count}", epochs)

    def wait(self, run_id: str, reached: Callable[[dict[str, Any]], bool], seconds: float = 120) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.keeper.tick(calm=True)
            run = self.api.get(f"/api/runs/{run_id}", patience=15)
            if reached(run):
                return run
            time.sleep(0.1)
        logs = {path.name: path.read_text()[-2000:] for path in self.stage.folder.glob("log-*")}
        raise AssertionError(f"{run['stage']} {run['activity']} {run['message']}: {logs}")

    def completed(self, run_id: str) -> dict[str, Any]:
        """The run's row when it has ended well: one finish event, one completed attempt."""
        run = self.wait(run_id, lambda run: run["stage"] in ("COMPLETED", "CANCELED", "ERROR"))
        assert run["stage"] == "COMPLETED", run["message"]
        (row,) = told_of(self.stage, [run_id]).values()
        assert row["finishes"] == 1
        return row

    def signal(self, name: str, number: int) -> None:
        process = self.stage.roles[name].process
        assert process is not None
        os.killpg(process.pid, number)


def is_training(run: dict[str, Any]) -> bool:
    return bool(run["stage"] == "RUNNING" and run["progress"]["step"] > 0)


@pytest.fixture(scope="module", params=["filesystem", *BROKERS])
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    broker = None if request.param == "filesystem" else BROKERS[request.param]()
    try:
        if broker is not None:
            broker.start()
    except NoBroker as missing:
        if os.environ.get("TUNEYARD_NEEDS_BROKERS"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    stage = set_up(1, broker)
    try:
        yield Yard(stage, broker)
    finally:
        tear_down(stage, keep=False)
        if broker is not None:
            broker.close()


def test_from_submission_to_the_end(yard: Yard) -> None:
    assert yard.completed(yard.submit())["attempt"] == 1


def test_a_killed_worker_costs_time_only(yard: Yard) -> None:
    run_id = yard.submit(epochs=60)
    yard.wait(run_id, is_training)
    yard.stage.roles["worker-0"].kill(0.5)
    row = yard.completed(run_id)
    assert row["attempt"] == 2
    assert [item["outcome"] for item in row["attempts"]] == ["lost", "completed"]


def test_lost_messages_delay(yard: Yard) -> None:
    yard.completed(yard.submit())  # the worker is up
    yard.signal("worker-0", signal.SIGSTOP)
    try:
        run_id = yard.submit()
        yard.keeper._messages()
    finally:
        yard.signal("worker-0", signal.SIGCONT)
    assert yard.completed(run_id)["attempt"] == 1


def test_a_wake_up_too_many_starts_nothing_twice(yard: Yard) -> None:
    """What Redis does when its visibility time is over, and RabbitMQ when a connection breaks: tell again."""
    run_id = yard.submit(epochs=30)
    code = "import runs.dispatch as d; from celery import current_app as app; import json\n"
    code += f"for _ in range(5): app.send_task(d.EXECUTE, args=[{run_id!r}], queue='train.cpu-basic')\n"
    yard.stage.asked(code + "print(json.dumps(None))")
    row = yard.completed(run_id)
    assert row["attempt"] == 1
    assert len(row["attempts"]) == 1


def test_the_broker_may_die_under_a_run(yard: Yard) -> None:
    if yard.broker is None:
        pytest.skip("the embedded broker is a folder")
    run_id = yard.submit(epochs=60)
    yard.wait(run_id, is_training)
    yard.broker.kill(2.0)
    during = yard.submit()
    assert yard.completed(run_id)["attempt"] == 1
    assert yard.completed(during)["attempt"] == 1
    assert yard.completed(yard.submit())["attempt"] == 1


def test_a_broker_that_hangs_does_not_hang_the_hub(yard: Yard) -> None:
    if yard.broker is None or yard.broker.process is None:
        pytest.skip("the embedded broker is a folder")
    yard.completed(yard.submit())
    os.killpg(yard.broker.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        run_id = yard.submit()
        waited = time.monotonic() - began
    finally:
        os.killpg(yard.broker.process.pid, signal.SIGCONT)
    # Not a timing: a request that waits for a broker waits for minutes, or for its own time limit.
    assert waited < 10
    yard.completed(run_id)

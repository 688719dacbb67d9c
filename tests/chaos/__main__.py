"""Many short runs while processes are killed and cables pulled, and the proof that nothing was lost.

    python -m tests.chaos --runs 100 --workers 3 --seed 7
    python -m tests.chaos --runs 20 --broker redis          also: rabbitmq
    python -m tests.postgres_server python -m tests.chaos --runs 20

A hub, its own worker, training workers and the broker run as real processes. While the runs go on, faults
drawn from the seed come every few seconds: kill -9 of a training worker with all it started, of the web, of
the hub's worker, of the broker; the network cut for seconds; waiting messages lost. When all have ended it
asks the database, git and the disks (`checks.py`), prints the counts, and ends with 1 if anything is amiss.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.brokers.servers import BROKERS, Broker
from tests.chaos.checks import misses, told_of
from tests.chaos.faults import Faults
from tests.chaos.stage import Stage, set_up, tear_down
from training.errors import TrainingError
from training.hubclient import HubApi

ENDED = ("COMPLETED", "CANCELED", "ERROR")
EPOCHS = 40


def submit(api: HubApi, name: str, epochs: int) -> str:
    recipe: dict[str, Any] = {
        "base_model": {"repo": "alice/tiny"},
        "dataset": {"repo": "alice/shades", "image_size": 32, "validation_fraction": 0.2},
        "strategy": {"kind": "full"},
        "optim": {"epochs": epochs, "batch_size": 8, "lr": 3e-3},
        "benchmark": {"repo": "alice/shades", "task_id": "shades", "split": "test"},
    }
    body = {"recipe": recipe, "target": f"alice/{name}"}
    return str(api.post("/api/runs", body, patience=30)["id"])


def wait_for_all(
    stage: Stage, ids: list[str], faults: Faults, seconds: float, *, calm_share: float = 0.9
) -> bool:
    """Tick until every run has ended; calm once `calm_share` of them have. False when time is up."""
    deadline, asked_at, done = time.monotonic() + seconds, 0.0, 0
    api = HubApi(f"http://127.0.0.1:{stage.hub.port}", stage.hub.tokens["alice"], timeout=5)
    waiting = list(ids)
    while waiting and time.monotonic() < deadline:
        faults.tick(calm=done >= calm_share * len(ids))
        if time.monotonic() - asked_at > 1.0:
            asked_at = time.monotonic()
            waiting, was = [item for item in waiting if not _has_ended(api, item)], done
            done = len(ids) - len(waiting)
            if done // 10 > was // 10:
                print(f"  {done} of {len(ids)} have ended; {dict(faults.counts)}", flush=True)
        time.sleep(0.05)
    return not waiting


def _has_ended(api: HubApi, run_id: str) -> bool:
    try:
        return api.get(f"/api/runs/{run_id}")["stage"] in ENDED
    except TrainingError:  # the web is dead just now
        return False


@contextlib.contextmanager
def the_broker(name: str) -> Iterator[Broker | None]:
    if name == "filesystem":
        yield None
        return
    broker = BROKERS[name]()
    broker.start()
    try:
        yield broker
    finally:
        broker.close()


def story(stage: Stage, args: argparse.Namespace) -> int:
    api = HubApi(stage.hub.url, stage.hub.tokens["alice"])
    calm = Faults(stage, args.seed, (1e9, 1e9))
    first = submit(api, "undisturbed", args.epochs)
    if not wait_for_all(stage, [first], calm, 120):
        print("not even the undisturbed run ended")
        return 1
    (reference,) = told_of(stage, [first]).values()
    began = time.monotonic()
    ids = [submit(api, f"run-{number}", args.epochs) for number in range(args.runs)]
    faults = Faults(stage, args.seed, (args.pause * 0.5, args.pause * 1.5))
    in_time = wait_for_all(stage, ids, faults, args.minutes * 60)
    took = time.monotonic() - began
    settle(stage, faults)
    found = misses(stage, ids, reference) + ([] if in_time else ["time was up"])
    report(stage, ids, faults, took, found, args)
    return 1 if found else 0


def settle(stage: Stage, faults: Faults) -> None:
    """Let what was killed come back, and what is under way end: workers tidy up after their last word."""
    until = time.monotonic() + 8
    while time.monotonic() < until:
        faults.tick(calm=True)
        time.sleep(0.1)


def report(
    stage: Stage, ids: list[str], faults: Faults, took: float, found: list[str], args: argparse.Namespace
) -> None:
    rows = list(told_of(stage, ids).values())
    attempts = [item for row in rows for item in row["attempts"]]
    counts = {
        "seed": args.seed,
        "broker": args.broker,
        "runs": len(ids),
        "stages": dict(Counter(row["stage"] for row in rows)),
        "faults": dict(faults.counts),
        "attempts": len(attempts),
        "attempts by end": dict(Counter(item["outcome"] or "open" for item in attempts)),
        "attempts that began from a checkpoint": sum(item["from_step"] > 0 for item in attempts),
        "points of curves": sum(len(row["points"]) for row in rows),
        "seconds": round(took, 1),
        "amiss": len(found),
    }
    print(json.dumps(counts, indent=2))
    for text in found[:40]:
        print(f"AMISS: {text}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two faults, on average")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--broker", choices=["filesystem", *BROKERS], default="filesystem")
    parser.add_argument("--keep", action="store_true", help="leave the folder with every log")
    args = parser.parse_args()
    with the_broker(args.broker) as broker:
        stage = set_up(args.workers, broker)
        status = 1
        try:
            status = story(stage, args)
        finally:
            tear_down(stage, keep=args.keep or status != 0)
            if status:
                print(f"Logs: {stage.folder}")
    return status


if __name__ == "__main__":
    sys.exit(main())

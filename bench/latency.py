"""How long people wait for a worker: from submission to the first step, from cancel to a worker that is free.

    python -m bench.latency [--rounds 5]

A live hub, the embedded broker, one training worker that is up and has nothing to do, as real processes on
one machine. First step: from before the POST that submits until the hub shows a step that was taken. Cancel:
from before the POST until the run is canceled, and until the same worker has taken the run that waited.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import report
from tests.chaos.__main__ import submit
from tests.chaos.faults import Faults
from tests.chaos.stage import Stage, set_up, tear_down
from training.hubclient import HubApi

POLL_SECONDS = 0.05
SHORT, LONG = 5, 1000
WHAT = {
    "first_step": "submission to first step",
    "canceled": "cancel to canceled",
    "freed": "cancel to the worker's next run",
}


class Clock:
    """Waits for what a run becomes, and keeps what was killed alive meanwhile."""

    def __init__(self, stage: Stage) -> None:
        self.keeper = Faults(stage, 0, (1e9, 1e9))
        self.api = HubApi(stage.hub.url, stage.hub.tokens["alice"])

    def until(self, run_id: str, reached: Callable[[dict[str, Any]], bool], since: float) -> float:
        """Seconds from `since` until the run is so."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            self.keeper.tick(calm=True)
            if reached(self.api.get(f"/api/runs/{run_id}")):
                return time.monotonic() - since
            time.sleep(POLL_SECONDS)
        raise RuntimeError("the run did not get there within two minutes")


def steps(run: dict[str, Any]) -> bool:
    return bool(run["progress"]["step"] > 0 or run["stage"] == "COMPLETED")


def one_round(clock: Clock, number: int) -> dict[str, float]:
    began = time.monotonic()
    first = submit(clock.api, f"short-{number}", SHORT)
    found = {"first_step": clock.until(first, steps, began)}
    clock.until(first, lambda run: run["stage"] == "COMPLETED", began)
    long = submit(clock.api, f"long-{number}", LONG)
    clock.until(long, steps, began)
    behind = submit(clock.api, f"behind-{number}", SHORT)
    began = time.monotonic()
    clock.api.post(f"/api/runs/{long}/cancel", {})
    found["canceled"] = clock.until(long, lambda run: run["stage"] == "CANCELED", began)
    found["freed"] = clock.until(behind, lambda run: run["stage"] != "SCHEDULING", began)
    clock.until(behind, lambda run: run["stage"] == "COMPLETED", began)
    time.sleep(6)  # the next process is made ready
    return found


def _row(name: str, seen: list[dict[str, float]]) -> list[str]:
    values = [one[name] for one in seen]
    return [WHAT[name], f"{statistics.median(values):.2f} s", f"{max(values):.2f} s"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    stage = set_up(1, None)
    try:
        clock = Clock(stage)
        warm = submit(clock.api, "warm", SHORT)
        clock.until(warm, lambda run: run["stage"] == "COMPLETED", time.monotonic())
        time.sleep(8)
        seen = [one_round(clock, number) for number in range(rounds)]
    finally:
        tear_down(stage, keep=False)
    where = report.machine()
    told = [
        "# How long people wait for a worker",
        "",
        f"`python -m bench.latency --rounds {rounds}` · {where['when']} · {where['processor']}, "
        f"{where['cores']} cores",
        "",
        (__doc__ or "").split("\n\n")[2],
        "",
        report.table(["what", "median", "worst"], [_row(name, seen) for name in WHAT]),
    ]
    report.write("latency", {"machine": where, "rounds": seen}, "\n".join(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())

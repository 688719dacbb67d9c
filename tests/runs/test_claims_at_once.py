"""Many workers ask a real hub for the next run at the same moment: each run is one worker's.

`make postgres ARGS=tests/runs/test_claims_at_once.py` tells the same of PostgreSQL.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveHub, make_hub

pytestmark = pytest.mark.wire
WORKERS, EACH = 8, 12

QUEUE = """
from accounts.models import Namespace
from models_app.models import Repo
from runs.models import ComputeQuota, Run
from runs.workers import enroll_worker
for number, token in enumerate(TOKENS):
    enroll_worker(f"at-once-{number}", flavors=["cpu-basic"], text=token)
for name in ("alice", "bob", "carol"):
    namespace = Namespace.objects.get(name=name)
    person = namespace.user
    repos = {}
    for kind in ("model", "dataset"):
        repos[kind] = Repo.objects.create(repo_type=kind, namespace=namespace, name="in", head_oid="0" * 40)
    for number in range(EACH):
        target = Repo.objects.create(
            repo_type="model", namespace=namespace, name=f"out-{number}", head_oid="0" * 40
        )
        Run.objects.create(
            namespace=namespace, created_by=person, recipe={"task": "image-classification"},
            base_repo=repos["model"], base_oid="0" * 40, dataset_repo=repos["dataset"],
            dataset_oid="0" * 40, target_repo=target, forecast={"seconds": 60},
        )
ComputeQuota.objects.create(namespace=Namespace.objects.get(name="carol"), max_running=2)
"""


def ask(hub: LiveHub, token: str) -> dict[str, Any] | None:
    """One request for the next run; None when nothing waits for this worker."""
    request = urllib.request.Request(
        f"{hub.url}/api/runs/claim",
        json.dumps({"flavors": ["cpu-basic"]}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer) if answer.status == 200 else None


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[LiveHub]:
    """A hub in which nobody else's runs wait."""
    made = make_hub(tmp_path / "hub")
    try:
        yield made
    finally:
        made.stop()


def test_each_run_is_one_workers_and_turns_go_round(alone: LiveHub) -> None:
    hub = alone
    tokens = [f"tyw_atonceatonceatonceatonceatonce{number}" for number in range(WORKERS)]
    hub.manage("shell", "-c", f"EACH, TOKENS = {EACH}, {tokens}\n{QUEUE}")
    barrier = threading.Barrier(WORKERS)
    claims: list[tuple[float, str, int, str]] = []

    def work(token: str) -> None:
        barrier.wait()
        while (claim := ask(hub, token)) is not None:
            owner = claim["target"]["repo"].partition("/")[0]
            claims.append((time.monotonic(), claim["run"], claim["attempt"], owner))

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(work, token) for token in tokens]:
            done.result(120)
    assert len({run for _, run, _, _ in claims}) == len(claims) == 2 * EACH + 2
    assert {attempt for _, _, attempt, _ in claims} == {1}
    assert Counter(owner for *_, owner in claims) == {"alice": EACH, "bob": EACH, "carol": 2}
    # Answers arrive in another order than claims are made, but by no more than the workers there are.
    first = Counter(owner for *_, owner in sorted(claims)[: 3 + WORKERS])
    assert set(first) == {"alice", "bob", "carol"}
    assert abs(first["alice"] - first["bob"]) <= WORKERS

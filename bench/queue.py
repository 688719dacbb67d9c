"""The queue with a thousand waiting runs of twenty namespaces: how long its page and a claim take, and who is
served when.

    python -m bench.queue            about a minute, on SQLite
    python -m bench.queue --runs 200 for a quick look

Queues of two lengths are asked in turn, so that a busy moment of the machine hits both; medians and the worst
of all rounds are told. Answers are made in this process, without network. The order is read off the real
tables by claims of one worker whose runs end at once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench import report

NAMESPACES = 20
FLAVOR = "cpu-basic"
FEW = 20


def set_up(folder: Path) -> None:
    """Django on an empty SQLite database of its own."""
    os.environ.update(HUB_DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="hub.settings", HUB_LOG_LEVEL="ERROR")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def lengths(total: int) -> list[int]:
    """How many runs each namespace has queued: the first half of all, each further one fewer, the last 1."""
    weights = [0.72**rank for rank in range(NAMESPACES)]
    counts = [max(1, round(total * weight / sum(weights))) for weight in weights]
    counts[0] += total - sum(counts)
    return counts


class Queue:
    """One filled queue, emptied and filled again by `fill`."""

    def __init__(self) -> None:
        from accounts.models import Namespace, User
        from models_app.models import Repo
        from runs.workers import enroll_worker

        self.people = []
        for number in range(NAMESPACES):
            user = User.objects.create(username=f"person-{number:02d}")
            self.people.append(Namespace.objects.create(name=user.username, user=user))
        whose = self.people[0]
        self.base = Repo.objects.create(repo_type="model", namespace=whose, name="base", head_oid="0" * 40)
        self.data = Repo.objects.create(repo_type="dataset", namespace=whose, name="data", head_oid="0" * 40)
        self.worker, _ = enroll_worker("bench", flavors=[FLAVOR])

    def fill(self, counts: list[int], *, seconds: float = 60.0) -> None:
        """Waiting runs, the longest queue first of all; every third is private."""
        from django.utils import timezone

        from models_app.models import Repo
        from runs.models import Run, Worker

        Run.objects.all().delete()
        Repo.objects.filter(name__startswith="out-").delete()
        began, rows = timezone.now() - timedelta(days=1), []
        for person, count in zip(self.people, counts, strict=False):
            for number in range(count):
                target = Repo(
                    repo_type="model",
                    namespace=person,
                    name=f"out-{number}",
                    private=number % 3 == 2,
                    head_oid="0" * 40,
                )
                rows.append((person, target, began + timedelta(seconds=len(rows))))
        Repo.objects.bulk_create([target for _, target, _ in rows])
        Run.objects.bulk_create(self._run(*row, seconds) for row in rows)
        Worker.objects.update(last_seen_at=timezone.now())

    def _run(self, person: Any, target: Any, since: Any, seconds: float) -> Any:
        from runs.models import Run

        return Run(
            namespace=person,
            created_by=person.user,
            created_at=since,
            target_repo=target,
            base_repo=self.base,
            base_oid="0" * 40,
            forecast={"seconds": seconds},
            dataset_repo=self.data,
            dataset_oid="0" * 40,
            flavor=FLAVOR,
            recipe={"task": "image-classification", "optim": {"epochs": 3, "lr": 0.001, "batch_size": 32}},
        )

    def serve_all(self) -> list[str]:
        """Whose runs one worker gets, one after the other, each of which ends at once."""
        from runs.lifecycle import claim_next, finish_run
        from runs.models import Stage

        served = []
        while claim := claim_next(self.worker, flavors=[FLAVOR], versions={}):
            served.append(claim.run.namespace.name)
            finish_run(claim.run, stage=Stage.CANCELED)
        return served


class Questions:
    """What is asked of a filled queue, by name."""

    def __init__(self, queue: Queue) -> None:
        from django.test import Client

        self.queue = queue
        self.visitor, self.person = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
        self.person.force_login(queue.people[0].user, backend="accounts.backends.AccountBackend")

    def all(self) -> dict[str, Callable[[], Any]]:
        """Read off the queue as it is now; the claim comes last, as it changes it."""
        from runs.models import Run

        last = Run.objects.order_by("-created_at")[0]
        poll = {"HX-Request": "true"}
        poll["If-None-Match"] = self.visitor.get("/queue", headers=poll)["ETag"]
        return {
            "the page, for a visitor": lambda: self.visitor.get("/queue"),
            "the page, for the person with the most runs": lambda: self.person.get("/queue"),
            "a poll while nothing changes": lambda: self.visitor.get("/queue", headers=poll),
            "a waiting run over HTTP, with its place": lambda: self.person.get(f"/api/runs/{last.uuid}"),
            "a worker's claim": lambda: take(self.queue),
        }


def timings(queue: Queue, rounds: int, sizes: tuple[int, int]) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of each question, by name and by how many runs wait."""
    questions = Questions(queue)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds):
        for size in sizes:
            queue.fill(lengths(size))
            for name, ask in questions.all().items():
                began = time.perf_counter()
                answer = ask()
                if turn:  # the first round loads templates and code
                    found[name][str(size)].append((time.perf_counter() - began) * 1000)
                assert getattr(answer, "status_code", 200) in (200, 304), (name, answer)
    return found


def take(queue: Queue) -> Any:
    from runs.lifecycle import claim_next

    claim = claim_next(queue.worker, flavors=[FLAVOR], versions={})
    assert claim is not None
    return claim


def fairness(queue: Queue, total: int) -> list[list[Any]]:
    """By namespace: its queue, when its first run and half of its runs are served, here and oldest first."""
    counts = lengths(total)
    queue.fill(counts)
    served = queue.serve_all()
    assert len(served) == sum(counts)
    oldest = [person.name for person, count in zip(queue.people, counts, strict=True) for _ in range(count)]
    return [
        [person.name, count, *_moments(served, person.name, count), *_moments(oldest, person.name, count)]
        for person, count in zip(queue.people, counts, strict=True)
    ]


def _moments(served: list[str], name: str, count: int) -> list[int]:
    places = [place for place, owner in enumerate(served, 1) if owner == name]
    return [places[0], places[(count - 1) // 2], places[-1]]


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({max(values):.0f})"


def told(data: dict[str, Any]) -> str:
    """The page of results."""
    few, many = data["sizes"]
    head = ["ms: median (worst)", f"{few} wait", f"{many:,} wait"]
    rows = [
        [
            name,
            *(f"{statistics.median(by[size]):.0f} ({max(by[size]):.0f})" for size in map(str, data["sizes"])),
        ]
        for name, by in data["milliseconds"].items()
    ]
    order = ["namespace", "queued", "first", "half", "last", "first, oldest first", "half", "last"]
    machine = data["machine"]
    return f"""# The queue

`python -m bench.queue`, {machine["when"]}: {machine["processor"]}, {machine["cores"]} cores, SQLite,
{data["rounds"]} rounds in turn, answers made in one process. {NAMESPACES} namespaces.

{report.table(head, rows)}

## Who is served when

{many:,} runs of one expected length, one worker; the namespace with the most had queued all of them before
the next began. Numbers are turns: of the first run, of half of the runs, of the last.

{report.table(order, data["fairness"])}

Every namespace's first run is among the first {NAMESPACES}, as `runs/fairshare.py` promises. Oldest first,
the only run of the last comer is turn {data["fairness"][-1][5]:,}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=12)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder))
        queue = Queue()
        sizes = (FEW, wanted.runs)
        data: dict[str, Any] = {"machine": report.machine(), "sizes": sizes, "rounds": wanted.rounds - 1}
        data["milliseconds"] = timings(queue, wanted.rounds, sizes)
        data["fairness"] = fairness(queue, wanted.runs)
        for rank, (_, count, first, *_) in enumerate(data["fairness"]):
            assert first <= NAMESPACES, (rank, count, first)
        report.write("queue", data, told(data))


if __name__ == "__main__":
    main()

"""What goes wrong, and when: drawn from a seed, so that a story can be told again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.chaos.stage import Stage

# How often each kind of fault comes, relative to the others.
WEIGHTS = {"worker": 6, "web": 2, "jobs": 1, "cut": 3, "messages": 1, "broker": 1}


class Faults:
    """Draws a fault every few seconds; `tick` does what is due and restarts what was killed."""

    def __init__(self, stage: Stage, seed: int, every: tuple[float, float]) -> None:
        self.stage, self.random, self.every = stage, random.Random(seed), every
        self.counts: Counter[str] = Counter()
        self.mend_at: float | None = None
        self.next_at = time.monotonic() + self.random.uniform(*every)
        self.does: dict[str, Callable[[], None]] = {
            "worker": self._worker,
            "web": lambda: self._kill("web"),
            "jobs": lambda: self._kill("jobs"),
            "cut": self._cut,
            "messages": self._messages,
            "broker": self._broker,
        }

    def tick(self, *, calm: bool) -> None:
        """Once a moment; `calm`: nothing new goes wrong, what is broken is mended."""
        now = time.monotonic()
        if self.mend_at is not None and now >= self.mend_at:
            self.stage.wire.mend()
            self.mend_at = None
        for role in self.stage.roles.values():
            role.ensure()
        if self.stage.broker is not None:
            self.stage.broker.ensure()
        if not calm and now >= self.next_at:
            self.next_at = now + self.random.uniform(*self.every)
            kinds = list(WEIGHTS)
            (kind,) = self.random.choices(kinds, [WEIGHTS[kind] for kind in kinds])
            self.does[kind]()

    def _kill(self, name: str) -> None:
        self.stage.roles[name].kill(self.random.uniform(0.3, 2.0))
        self.counts[f"{name.partition('-')[0]} killed"] += 1

    def _worker(self) -> None:
        names = sorted(name for name in self.stage.roles if name.startswith("worker-"))
        self._kill(self.random.choice(names))

    def _cut(self) -> None:
        self.stage.wire.cut()
        self.mend_at = time.monotonic() + self.random.uniform(0.5, 8.0)
        self.counts["network cut"] += 1

    def _messages(self) -> None:
        """Everything that waits in the broker is lost."""
        if self.stage.broker is not None:
            self.stage.broker.empty()
        else:
            for path in (self.stage.hub.data_dir / "broker" / "messages").glob("*.msg"):
                path.unlink(missing_ok=True)
        self.counts["messages lost"] += 1

    def _broker(self) -> None:
        if self.stage.broker is None:
            self._messages()
            return
        self.stage.broker.kill(self.random.uniform(0.5, 3.0))
        self.counts["broker killed"] += 1

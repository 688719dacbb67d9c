"""What the scenario scripts share. They run under the client's own Python, so nothing of ours is imported.

A script is a list of rows: `@row("what a person does")`. Each runs by itself; its outcome is one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable

ENDPOINT = os.environ["HF_ENDPOINT"]
TOKEN = os.environ["HF_TOKEN"]
OTHER_TOKEN = os.environ["OTHER_TOKEN"]
ME, OTHER = "alice", "carol"

_ROWS: list[tuple[str, Callable[[], object]]] = []


def row(title: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Register a row of the table; it is green unless it raises."""

    def keep(function: Callable[[], object]) -> Callable[[], object]:
        _ROWS.append((title, function))
        return function

    return keep


def new_id(owner: str = ME) -> str:
    """A repo id that nobody has used."""
    return f"{owner}/c-{uuid.uuid4().hex[:10]}"


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    import random

    return random.Random(seed).randbytes(size)


def raises(kind: type[BaseException], call: Callable[[], object]) -> None:
    """AssertionError unless the call ends in this exception."""
    try:
        call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def run_rows() -> int:
    """Run every row in order; JSON lines on standard output, traces on standard error."""
    failed = 0
    only = sys.argv[1:]
    for title, function in _ROWS:
        if only and not any(word in title for word in only):
            continue
        began, problem = time.perf_counter(), ""
        try:
            function()
        except BaseException as error:
            failed += 1
            problem = f"{type(error).__name__}: {str(error).strip()[:300]}"
            traceback.print_exc()
        seconds = round(time.perf_counter() - began, 2)
        print(
            "ROW " + json.dumps({"row": title, "ok": not problem, "problem": problem, "seconds": seconds}),
            flush=True,
        )
    return 1 if failed else 0

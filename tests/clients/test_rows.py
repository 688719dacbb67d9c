"""No client is green that was cut short: what the runner makes of a script's end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.__main__ import run_script

GREEN = f"print('ROW ' + {json.dumps(json.dumps({'row': 'a', 'ok': True, 'problem': '', 'seconds': 0}))})\n"
RED = GREEN.replace("true", "false")


def rows_of(tmp_path: Path, code: str, limit_seconds: float = 60) -> list[dict[str, Any]]:
    return run_script([sys.executable, "-c", code], dict(os.environ), tmp_path, limit_seconds)


@pytest.mark.parametrize(
    ("code", "greens"),
    [
        (GREEN, [True]),
        (RED + "raise SystemExit(1)", [False]),
        (GREEN + RED + "raise SystemExit(1)", [True, False]),
    ],
    ids=["green", "red", "both"],
)
def test_a_script_that_ends_as_its_rows_say_gets_no_row_more(
    tmp_path: Path, code: str, greens: list[bool]
) -> None:
    assert [row["ok"] for row in rows_of(tmp_path, code)] == greens


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nothing_of_this_name", "nothing_of_this_name"),
        (GREEN + "raise SystemExit(3)", "ended with 3"),
        (GREEN + "import os; os.abort()", "ended with -6"),
        (RED + "import os; os.abort()", "ended with -6"),
        ("", "ended with 0 after 0 rows"),
    ],
    ids=["no start", "another status", "died", "died after a red row", "no rows"],
)
def test_a_script_that_ends_otherwise_is_red(tmp_path: Path, code: str, told: str) -> None:
    last = rows_of(tmp_path, code)[-1]
    assert (last["row"], last["ok"]) == ("end", False)
    assert told in last["problem"]


def test_a_script_that_hangs_is_red_and_keeps_its_rows(tmp_path: Path) -> None:
    code = GREEN.replace(")\n", ", flush=True)\n") + "import time; time.sleep(600)"
    first, last = rows_of(tmp_path, code, limit_seconds=10)
    assert (first["ok"], last["row"], last["ok"]) == (True, "end", False)
    assert last["problem"] == "not done after 10 seconds"

"""Run every stock client against one live hub and write docs/compatibility.md.

    python -m tests.clients                 all of them (about 15 minutes; the environments are kept)
    python -m tests.clients datasets timm   those whose name holds one of these words; the table is not
    written

Each client gets a virtual environment of its own under `.clients/`, made with uv from the package index.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.clients.environments import ENVIRONMENTS, Environment
from tests.live import ROOT, LiveHub, make_hub

HOME = ROOT / ".clients"
SCENARIOS = Path(__file__).parent / "scenarios"
PAGE = ROOT / "docs" / "compatibility.md"
LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Outcome:
    """What one environment showed."""

    environment: Environment
    rows: list[dict[str, Any]]


def prepare(environment: Environment) -> Path:
    """The folder with this client's packages, made once."""
    words = "-".join((*environment.packages, *environment.npm)) or "none"
    place = HOME / "".join(letter if letter.isalnum() or letter in ".-_" else "_" for letter in words)[:120]
    if (place / "ready").exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if environment.npm:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", *environment.npm], cwd=place, check=True)
    elif environment.packages:
        # .ci/setup puts uv beside pip.
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(place / "venv")], check=True)
        python = str(place / "venv" / "bin" / "python")
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, *environment.packages], check=True)
    (place / "ready").touch()
    return place


def command_of(environment: Environment, place: Path) -> list[str]:
    if environment.npm:
        # Node looks for packages beside the script.
        shutil.copy(SCENARIOS / f"{environment.scenario}.mjs", place)
        return ["node", str(place / f"{environment.scenario}.mjs")]
    python = place / "venv" / "bin" / "python" if environment.packages else Path(sys.executable)
    return [str(python), "-W", "ignore", str(SCENARIOS / f"{environment.scenario}.py")]


def row_of(title: str, problem: str = "") -> dict[str, Any]:
    """A row as the scripts print them."""
    return {"row": title, "ok": not problem, "problem": problem, "seconds": 0}


def run_script(
    command: list[str], variables: dict[str, str], home: Path, limit_seconds: float = LIMIT_SECONDS
) -> list[dict[str, Any]]:
    """The rows of a script, and a red one, `end`, when it did not come to its end or hides a failure."""
    with (home / "out").open("w+") as out, (home / "err").open("w+") as err:
        script = subprocess.Popen(
            command, env=variables, cwd=home, stdout=out, stderr=err, text=True, start_new_session=True
        )
        problem = ""
        try:
            script.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            problem = f"not done after {limit_seconds:.0f} seconds"
            # With what it started.
            os.killpg(script.pid, signal.SIGKILL)
            script.wait()
        out.seek(0)
        err.seek(0)
        lines, trace = out.read().splitlines(), err.read().strip()
    rows = [json.loads(line[4:]) for line in lines if line.startswith("ROW ")]
    # A script with a failed row ends with 1, which its rows have told.
    failed = not all(found["ok"] for found in rows)
    if not problem and (not rows or (script.returncode != 0 and not (failed and script.returncode == 1))):
        problem = f"ended with {script.returncode} after {len(rows)} rows: {trace[-300:]}"
    return [*rows, row_of("end", problem)] if problem else rows


def road_row(hub: LiveHub, before: int, by_xet: bool) -> dict[str, Any]:
    """Whether large files went and came by the road they should; the hub's log knows."""
    if by_xet:
        title, roads = "large files go and come by Xet", [("POST", "/v1/xorbs/"), ("GET", "/xorbs/")]
    else:
        title, roads = "large files go and come without Xet", [("PUT", "/lfs/objects/"), ("GET", "/resolve/")]
    try:
        for method, part in roads:
            seen = hub.requests_since(before, method, part)
    except AssertionError as error:
        return row_of(title, str(error)[:300])
    strays = [] if by_xet else [line[1] for line in seen if "/cas/" in line[1]]
    return row_of(title, f"{len(strays)} calls of Xet's, {strays[0]} first" if strays else "")


def play(environment: Environment, hub: LiveHub) -> Outcome:
    """Run one client's rows with a home of its own."""
    place = prepare(environment)
    before = len(hub.requests())
    with tempfile.TemporaryDirectory() as home:
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUB_", "DJANGO_", "PYTHONPATH"))
        }
        variables = {
            **kept,
            "HOME": home,
            "HF_HOME": f"{home}/hf",
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": hub.tokens["alice"],
            "OTHER_TOKEN": hub.tokens["carol"],
            **environment.variables,
        }
        rows = run_script(command_of(environment, place), variables, Path(home))
    if environment.by_xet is not None:
        rows.append(road_row(hub, before, environment.by_xet))
    for found in rows:
        if not found["ok"]:
            print(f"    ✗ {found['row']}: {found['problem']}", flush=True)
    return Outcome(environment, rows)


def page(outcomes: list[Outcome]) -> str:
    """The table; a client is green when all its rows are."""
    lines = [
        "# Compatibility",
        "",
        "Stock clients, unmodified, each in an environment of its own, against one live hub with nothing but",
        f"`HF_ENDPOINT` and a token. Made by `python -m tests.clients` on {datetime.now(UTC):%Y-%m-%d}.",
        "",
        "| client | rows | green |",
        "| --- | --- | --- |",
    ]
    for outcome in outcomes:
        green = sum(found["ok"] for found in outcome.rows)
        mark = "✓" if green == len(outcome.rows) else "✗"
        lines.append(f"| {outcome.environment.name} | {len(outcome.rows)} | {mark} {green} |")
    for outcome in outcomes:
        lines += ["", f"## {outcome.environment.name}", "", "| what a person does | |", "| --- | --- |"]
        lines += [
            f"| {found['row']} | {'✓' if found['ok'] else '✗ ' + found['problem'].replace('|', '/')} |"
            for found in outcome.rows
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    words = sys.argv[1:]
    chosen = [one for one in ENVIRONMENTS if not words or any(word in one.name for word in words)]
    with tempfile.TemporaryDirectory() as data:
        hub = make_hub(Path(data))
        try:
            outcomes = []
            for environment in chosen:
                print(f"{environment.name}", flush=True)
                outcomes.append(play(environment, hub))
        finally:
            hub.stop()
    rows = [found for outcome in outcomes for found in outcome.rows]
    green = sum(found["ok"] for found in rows)
    print(f"{green} of {len(rows)} rows are green.")
    if not words:
        PAGE.write_text(page(outcomes), encoding="utf-8")
    return 0 if green == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())

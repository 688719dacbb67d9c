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
    versions: str
    rows: list[dict[str, Any]]
    seconds: float


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


def play(environment: Environment, hub: LiveHub) -> Outcome:
    """Run one client's rows with a home of its own."""
    place = prepare(environment)
    began = datetime.now(UTC)
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
        done = subprocess.run(
            command_of(environment, place),
            env=variables,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
    rows = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("ROW ")]
    if not rows:
        rows = [{"row": "start", "ok": False, "problem": done.stderr.strip()[-300:], "seconds": 0}]
    for found in rows:
        if not found["ok"]:
            print(f"    ✗ {found['row']}: {found['problem']}", flush=True)
    return Outcome(
        environment, ", ".join(environment.packages), rows, (datetime.now(UTC) - began).total_seconds()
    )


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

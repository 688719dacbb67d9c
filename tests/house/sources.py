"""The repository's own Python files, parsed once."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("hub", "accounts", "models_app", "runs", "training")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file git knows or would add; a copy without git is walked instead."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        found = [ROOT / line for line in listed]
    except (OSError, subprocess.CalledProcessError):
        skipped = {".venv", ".git", "data", "__pycache__"}
        found = [path for path in ROOT.rglob("*") if not skipped & set(path.relative_to(ROOT).parts)]
    return tuple(path for path in found if path.is_file())


@cache
def modules() -> tuple[Path, ...]:
    """Python modules written by hand: migrations are generated."""
    return tuple(path for path in tracked_files() if path.suffix == ".py" and "migrations" not in path.parts)


def room_modules() -> list[Path]:
    """Modules of the product itself, without tests and measurements."""
    return [path for path in modules() if path.relative_to(ROOT).parts[0] in ROOMS]


@cache
def tree(path: Path) -> ast.Module:
    """The module, parsed."""
    return ast.parse(path.read_text(), filename=str(path))


def name(path: Path) -> str:
    """How a failure names a file."""
    return str(path.relative_to(ROOT))

"""The stock `hf` command in a process of its own, as on a machine where nobody has signed in."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.live import LiveHub

PROGRAM = str(Path(sys.executable).parent / "hf")


def run_hf(*words: str, environment: dict[str, str], cwd: Path | None = None, ok: bool = True) -> str:
    """What it prints; fails unless the command succeeds (`ok`) or fails (not `ok`)."""
    done = subprocess.run(
        [PROGRAM, *words], env=environment, cwd=cwd, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Command:
    """`hf` of one person, who works in `home`; called with its words it answers as `run_hf` does."""

    hub: LiveHub
    home: Path
    name: str = "alice"

    def __call__(self, *words: str, ok: bool = True) -> str:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "HUB_"))}
        environment = {
            **kept, "HF_ENDPOINT": self.hub.url, "HF_TOKEN": self.hub.tokens[self.name],
            "HF_HOME": str(self.home / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1", "NO_COLOR": "1",
        }  # fmt: skip
        return run_hf(*words, environment=environment, cwd=self.home, ok=ok)

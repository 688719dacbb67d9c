"""Whether `torchrun` started this process beside others; known without loading torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from training.errors import ToldElsewhere, UserError

MODES = ("auto", "ddp", "fsdp")


def is_launched() -> bool:
    """True in each of several processes of one `torchrun`."""
    return "RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


def require_alone(command: str) -> None:
    """Raises `UserError` for a command that several processes cannot share."""
    if is_launched():
        if os.environ["RANK"] != "0":
            raise ToldElsewhere
        text = f"torchrun is for finetune: start python -m training {command} as one process."
        raise UserError("cli:one-process", text)


@contextmanager
def together(mode: str) -> Iterator[bool]:
    """Joins the other processes until the block ends; yields whether this one leads.

    Raises `UserError`, and `ToldElsewhere` (see `distributed.joined`).
    """
    if not is_launched():
        if mode != "auto":
            text = f"--parallel {mode} is for several processes: start them with torchrun --nproc-per-node."
            raise UserError("cli:one-process", text)
        yield True
        return
    from training.distributed import joined

    with joined(mode) as world:
        yield world.leads

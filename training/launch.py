"""Whether `torchrun` started this process beside others; known without loading torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

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


def leave(status: int) -> NoReturn:
    """End this process, its work done or told of; beside others not by the interpreter's way.

    torch holds a group beyond its end (in defaults of `torch.distributed.nn.functional`, in FSDP2's meshes),
    and after a failure the group stays open, since closing could mean to wait. So its threads live on. One
    that frees a tensor while the interpreter leaves aborts the process; torchrun would take a run that is
    done, or a process that let another one tell, for one that failed.
    """
    if is_launched():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)

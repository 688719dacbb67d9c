"""What the process of a run gives up before it touches anything: the network, core dumps, a life of its own.

All of it is done by the process itself, first thing and with one thread: a user namespace needs that.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# prctl(2) and unshare(2), from the kernel's headers.
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
# Where memory runs out the kernel ends this process first, never the worker.
OOM_SCORE = "1000"


def confine(parent: int) -> str:
    """Make this process fit to run somebody's recipe for the worker `parent`; `cut` or `open`: its network.

    Ends the process where the worker is gone already.
    """
    network = "cut" if cut_network() else "open"
    libc = _libc()
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    return network


def cut_network() -> bool:
    """Leave for a network namespace of one's own, in which there is nothing; False where the platform or its
    rules do not let us."""
    libc = _libc()
    if libc is None:
        return False
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) == 0:
        return True
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    # Without these lines we would be nobody inside; files are still judged by who we are outside.
    with suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def hide_environment() -> None:
    """Keep this process's environment, which holds the worker's token, from others of the same user."""
    libc = _libc()
    if libc is not None:
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _libc() -> Any:
    """The C library on Linux, None elsewhere."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None

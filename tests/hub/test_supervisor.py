"""The process tree: restarts what crashes, stops in order, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.supervisor import Child, Supervisor, describe_status
from tests.live import ROOT

IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); "
)


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Poll until true; the assertion names the condition when time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def python(name: str, code: str, **options: object) -> Child:
    """A child that runs a line of Python."""
    return Child(name, [sys.executable, "-c", code], dict(os.environ) | {"PYTHONUNBUFFERED": "1"}, **options)  # type: ignore[arg-type]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def supervisor(lines: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(print_line=lines.append)
    yield made
    made.stops += 5
    made.stop(0)


def test_lines_are_printed_behind_the_childs_name(supervisor: Supervisor, lines: list[str]) -> None:
    supervisor.start(python("web", "print('hello'); print(); import time; time.sleep(60)"))
    wait_for(lambda: lines)
    assert lines == ["web   │ hello"]


def test_a_crashed_child_is_started_again_after_a_growing_pause(
    supervisor: Supervisor, lines: list[str]
) -> None:
    child = python("web", "import sys; sys.exit(3)")
    child.delay = 0.1
    supervisor.start(child)
    for again in ("0.1", "0.2", "0.4"):
        del again
    wait_for(lambda: (supervisor.tick(), child.delay > 0.35)[1])
    assert len([line for line in lines if "ended (status 3)" in line]) >= 2


def test_a_child_that_ran_steadily_gets_a_short_pause_again(supervisor: Supervisor) -> None:
    child = python("web", "pass")
    child.delay = 16.0
    supervisor.start(child)
    child.started_at -= 100
    wait_for(lambda: (supervisor.tick(), child.due_at)[1])
    assert child.delay == 2.0


def test_a_once_child_ends_and_tells(supervisor: Supervisor) -> None:
    seen: list[int] = []
    supervisor.start(python("demo", "import sys; sys.exit(4)", once=True, on_end=seen.append))
    wait_for(lambda: (supervisor.tick(), seen)[1])
    assert seen == [4]
    assert supervisor.children == []


def test_workers_stop_before_the_web(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    time.sleep({pause}); open({log!r}, 'a').write('{name} '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready'); time.sleep(60)"
    )
    seen: list[str] = []
    supervisor.print_line = seen.append
    for name, stage, pause in (("web", 1, 0), ("train", 0, 3), ("jobs", 0, 0)):
        supervisor.start(python(name, code.format(log=str(log), name=name, pause=pause), stop_stage=stage))
    wait_for(lambda: len(seen) == 3)
    assert supervisor.stop(10) is True
    assert log.read_text().split() == ["jobs", "train", "web"]


def test_what_does_not_stop_in_time_is_killed(supervisor: Supervisor, lines: list[str]) -> None:
    child = python("train", IGNORES_TERM + "time.sleep(60)")
    supervisor.start(child)
    wait_for(lambda: lines)
    assert supervisor.stop(0.3) is False
    assert not child.is_running
    assert lines[-1] == "hub   │ train did not stop in time and was killed"


def test_a_second_signal_kills_at_once(supervisor: Supervisor, lines: list[str]) -> None:
    child = python("train", IGNORES_TERM + "time.sleep(60)")
    supervisor.start(child)
    wait_for(lambda: lines)
    supervisor.request_stop()
    previous = signal.signal(signal.SIGALRM, supervisor.request_stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        began = time.monotonic()
        assert supervisor.stop(30) is False
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - began < 5


def test_grandchildren_go_with_a_crashed_child(supervisor: Supervisor, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, os\n"
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(p.pid)); os.kill(os.getpid(), 9)"
    )
    supervisor.start(python("jobs", code, once=True))
    wait_for(lambda: (supervisor.tick(), not supervisor.children)[1])
    wait_for(lambda: not is_alive(int(pid_file.read_text())))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's own")
def test_children_end_when_the_supervisor_is_killed() -> None:
    code = (
        "import sys, time\n"
        "from hub.supervisor import Child, Supervisor\n"
        "c = Child('web', [sys.executable, '-c', 'import time; time.sleep(60)'], {})\n"
        "Supervisor().start(c); print(c.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not is_alive(child))


def test_a_closed_terminal_does_not_bring_it_down() -> None:
    def broken(_: str) -> None:
        raise BrokenPipeError

    Supervisor(print_line=broken).say("anything")


def test_statuses_are_put_in_words() -> None:
    assert describe_status(3) == "status 3"
    assert describe_status(-9) == "killed by SIGKILL"
    assert describe_status(-200) == "killed by signal 200"

"""What is told between two reports: means without spikes, pace, memory."""

from __future__ import annotations

import mmap
import time
from pathlib import Path

import pytest
import torch

from tests.training.world import Listener, recipe, write_base, write_images
from training.errors import Interrupted
from training.finetune import FinetuneResult, finetune
from training.meter import Meter
from training.reporting import ConsoleReporter, Reporter
from training.system import Pace, memory_bytes


def add(meter: Meter, loss: float, rows: int, hits: float = 0) -> None:
    meter.add(torch.tensor(loss * rows), torch.tensor(hits), rows)


def test_a_report_is_the_mean_since_the_last_one() -> None:
    meter = Meter()
    add(meter, 2.0, 10, hits=5)
    add(meter, 1.0, 10, hits=10)
    assert meter.read() == (1.5, 0.75)
    add(meter, 0.5, 20, hits=20)
    assert meter.read() == (0.5, 1.0)
    assert meter.read_epoch() == pytest.approx((1.0, 35 / 40))


def test_a_few_rows_do_not_stand_out() -> None:
    meter = Meter()
    add(meter, 1.0, 30)
    meter.read()
    add(meter, 9.0, 2)  # what is left at the end of an epoch
    assert meter.read()[0] == pytest.approx((30 + 18) / 32)
    add(meter, 0.8, 16)  # enough for a mean of its own
    assert meter.read()[0] == pytest.approx(0.8)


def test_a_checkpoint_keeps_what_the_last_report_told() -> None:
    meter, other = Meter(), Meter()
    add(meter, 1.0, 30)
    meter.read()
    add(meter, 9.0, 2)
    other.restore(meter.state())
    assert other.read() == meter.read()
    other.restore(meter.state()[:2])  # as older releases wrote it
    add(other, 4.0, 1)
    assert other.read()[0] == 4.0


def test_pace_counts_rows_of_learning_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace()
    pace.add(50)
    now = 102.0
    told = pace.told()
    assert told["system/rows_per_second"] == 25
    assert told["system/memory_bytes"] > 1e6
    now = 110.0
    pace.rest()
    pace.add(10)
    now = 111.0
    assert pace.told()["system/rows_per_second"] == 10
    assert "system/rows_per_second" not in pace.told()


def test_memory_is_what_the_process_holds_now() -> None:
    before = memory_bytes()
    with mmap.mmap(-1, 64 * 2**20) as held:
        for _ in range(64):
            held.write(b"x" * 2**20)
        assert memory_bytes() - before > 48 * 2**20
    assert memory_bytes() - before < 48 * 2**20


def run(place: Path, listener: Reporter, folder: str = "work") -> FinetuneResult:
    base, data = place / "base", place / "data"
    if not base.exists():
        write_base(base)
        write_images(data)
    given = recipe(optim={"epochs": 2})
    return finetune(
        given, base_dir=base, data_dir=data, work_dir=place / folder, reporter=listener, report_seconds=0
    )


def test_the_curve_goes_on_at_an_epochs_end_and_the_history_has_the_mean(tmp_path: Path) -> None:
    listener = Listener()
    history = run(tmp_path, listener).history
    last = int(history[0]["step"])
    by_step = {step: metrics for step, _, metrics in listener.reports}
    assert list(by_step) == list(range(1, 2 * last + 1))
    told = [by_step[step]["train/loss"] for step in range(1, last + 1)]
    # 58 rows in steps of 8: the last step has 2, and its point is a mean with the 8 before.
    few = (10 * told[7] - 8 * told[6]) / 2
    assert history[0]["train/loss"] == pytest.approx((8 * sum(told[:7]) + 2 * few) / 58)
    assert told[-1] != pytest.approx(history[0]["train/loss"])
    assert by_step[last]["val/loss"] == history[0]["val/loss"]
    assert set(history[0]) == {"epoch", "step", "lr"} | {
        name for name in by_step[last] if name.startswith(("train/", "val/"))
    }


def test_every_report_tells_pace_and_memory(tmp_path: Path) -> None:
    listener = Listener()
    run(tmp_path, listener)
    for _, _, metrics in listener.reports:
        assert metrics["system/memory_bytes"] > 1e7
        assert metrics["system/rows_per_second"] > 0
        assert metrics["lr"] >= 0


def test_a_run_cut_at_an_epochs_end_tells_the_same_curve(tmp_path: Path) -> None:
    whole = Listener()
    expected = run(tmp_path, whole, "whole")
    cut = int(expected.history[0]["step"])
    first, second = Listener(cut, Interrupted()), Listener()
    with pytest.raises(Interrupted):
        run(tmp_path, first, "cut")
    assert run(tmp_path, second, "cut").history == expected.history
    assert first.losses() + second.losses() == whole.losses()


def test_a_terminal_shows_the_model_and_not_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleReporter().report(3, 9, {"train/loss": 0.5, "system/memory_bytes": 1e9})
    assert capsys.readouterr().err == "step 3/9  train/loss 0.5\n"

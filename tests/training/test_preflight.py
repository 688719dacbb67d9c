"""Preflights of tiny runs: what is foretold is what happens, and nothing of it stays."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.training import tabular_world
from tests.training.series import world as series_world
from tests.training.text.world import text_recipe, write_encoder, write_reviews
from tests.training.world import Listener, recipe, write_images
from training import preflight_evaluate
from training.__main__ import main
from training.errors import Canceled, UserError
from training.finetune import finetune
from training.forecast import Forecast
from training.preflight import foretell
from training.preflight_glance import FEW, Clock, Glance
from training.preflight_memory import Memory
from training.preflight_steps import fitted
from training.recipe import Recipe, dump_recipe
from training.reporting import SilentReporter

QUICK = 2.0


def look(given: Recipe, base: Path | None, data: Path, work: Path, **more: Any) -> Forecast:
    """A preflight; says that it left nothing behind and that its answer is JSON."""
    found = foretell(
        given, base_dir=base, data_dir=data, work_dir=work, reporter=Listener(), **{"seconds": QUICK, **more}
    )
    assert list(work.iterdir()) == []
    assert Forecast.from_dict(json.loads(json.dumps(found.as_dict()))).as_dict() == found.as_dict()
    return found


def true_steps(given: Recipe, base: Path | None, data: Path, work: Path) -> int:
    listener = Listener()
    finetune(given, base_dir=base, data_dir=data, work_dir=work, reporter=listener)
    return max(step for step, _, _ in listener.reports)


STRATEGIES = [
    {"strategy": {"kind": "full"}, "optim": {"grad_accum_steps": 2}},
    {"strategy": {"kind": "head"}},
    {"strategy": {"kind": "last-stages"}, "dataset": {"augment": "light"}},
    {"strategy": {"kind": "gradual"}, "optim": {"epochs": 3}},
    {"strategy": {"kind": "lp-ft", "probe_epochs": 3}},
    {"optim": {"ema": 0.9}, "early_stopping": {"patience": 2, "metric": "loss"}},
    {"strategy": {"kind": "full"}, "optim": {"batch_size": 500}},
]  # fmt: skip


@pytest.mark.parametrize("sections", STRATEGIES, ids=lambda item: str(item)[:60])
def test_every_strategy_of_pictures(
    sections: dict[str, Any], base: Path, images: Path, tmp_path: Path
) -> None:
    given = recipe(**sections)
    found = look(given, base, images, tmp_path / "look")
    assert found.steps == true_steps(given, base, images, tmp_path / "run")
    assert found.parts["load"] > 0
    assert found.parts["steps"] > 0
    assert found.parts["validation"] > 0
    assert found.parts["save"] > 0
    assert (found.parts["features"] > 0) == (given.strategy.kind in ("head", "lp-ft"))
    assert found.peak_memory_bytes > 50 * 2**20
    assert found.gpu_peak_memory_bytes is None or torch.cuda.is_available()
    assert found.at_most == (given.early_stopping.patience is not None)


def test_tables_texts_and_series(tmp_path: Path) -> None:
    houses = tabular_world.write_houses(tmp_path / "houses")
    reviews = write_reviews(tmp_path / "reviews")
    waves, encoder = series_world.write_waves(tmp_path / "waves"), write_encoder(tmp_path / "encoder")
    fracast = series_world.write_fracast(tmp_path / "fracast")
    cases = [
        (tabular_world.recipe(), None, houses),
        (text_recipe(), encoder, reviews),
        (text_recipe(strategy={"kind": "head"}), encoder, reviews),
        (series_world.recipe(), None, waves),
        (series_world.fracast_recipe(strategy={"kind": "head"}), fracast, waves),
    ]
    for number, (given, base, data) in enumerate(cases):
        found = look(given, base, data, tmp_path / f"look-{number}")
        assert found.steps == true_steps(given, base, data, tmp_path / f"run-{number}"), given.task
        assert found.seconds > 0


def test_a_body_too_slow_is_looked_at_through_fewer_rows(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times as many rows cost three times the features, though nobody looked at them."""
    from training import imageruns

    plain = imageruns.frozen_features

    def slow(body: Any, batches: Any, **more: Any) -> Any:
        time.sleep(0.004 * more["n"])
        more["check"]()
        return plain(body, batches, **more)

    monkeypatch.setattr(imageruns, "frozen_features", slow)
    images = write_images(tmp_path / "images", train=100)
    given = recipe(strategy={"kind": "head"}, dataset={"validation_fraction": 0.1})
    found = look(given, base, images, tmp_path / "look", seconds=1.0)
    rows = found.measured["rows"]
    assert rows["train"] == 180
    assert rows["train_looked_at"] == 48
    assert found.steps == 2 * 23
    # 196 rows at 4 ms or more, of which the clock saw a quarter.
    assert found.parts["features"] > 0.6


def test_a_canceled_preflight_leaves_nothing(base: Path, images: Path, tmp_path: Path) -> None:
    stopped = Listener(stop_at=0, ending=Canceled())
    with pytest.raises(Canceled):
        foretell(recipe(), base_dir=base, data_dir=images, work_dir=tmp_path / "look", reporter=stopped)
    assert list((tmp_path / "look").iterdir()) == []


def test_refusals_are_those_of_the_run(base: Path, tmp_path: Path) -> None:
    one = write_images(tmp_path / "one", kinds=("cat",))
    with pytest.raises(UserError, match="one class"):
        look(recipe(), base, one, tmp_path / "look")
    assert list((tmp_path / "look").iterdir()) == []


def test_the_benchmark_is_counted_where_its_rows_are_at_hand(
    base: Path, images: Path, tmp_path: Path
) -> None:
    benchmark = {"repo": "data", "split": "test"}
    assert look(recipe(), base, images, tmp_path / "1").parts["evaluate"] == 0
    assert look(recipe(benchmark=benchmark), base, images, tmp_path / "2").parts["evaluate"] > 0
    elsewhere = recipe(benchmark=benchmark | {"repo": "other"})
    missing = look(elsewhere, base, images, tmp_path / "3")
    assert missing.parts["evaluate"] == 0
    assert any("not at hand" in note for note in missing.measured["notes"])
    assert look(elsewhere, base, images, tmp_path / "4", bench_dir=images).parts["evaluate"] > 0


@pytest.mark.parametrize("layout", ["csv", "jsonl", "parquet", "folders"])
def test_a_part_of_a_split_has_the_layout_of_the_whole(layout: str, tmp_path: Path) -> None:
    from training.data import read_split
    from training.tabular.reading import read_table

    rows = tabular_world.houses(200)
    write = {"csv": tabular_world.write_csv, "jsonl": tabular_world.write_jsonl}
    root, target = tmp_path / "whole", tmp_path / "few"
    if layout == "folders":
        write_images(root, test=40)
    elif layout == "parquet":
        tabular_world.write_parquet(root / "data" / "test-00000-of-00001.parquet", rows)
    else:
        write[layout](root / f"test.{layout}", rows)
    (root / "README.md").write_text("the card")
    part = preflight_evaluate.Part.of(root, "test")
    assert part is not None
    assert part.rows == (80 if layout == "folders" else 200)
    few = part.write(target, 16)
    assert (few / "README.md").read_text() == "the card"
    if layout == "folders":
        split = read_split(few, "test")
        assert (len(split), set(split.targets)) == (16, {0, 1})
    else:
        assert read_table(few, "test", None).rows == 16
    assert preflight_evaluate.Part.of(root, "nothing") is None


def glance(seconds: float = 0.2, **more: Any) -> Glance:
    clock = Clock(SilentReporter(), 1e9)
    return Glance(clock, seconds=seconds, **more)


def test_costly_rows_are_looked_at_in_part_and_told_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock of its own: on the machine's, whoever else uses it is measured as well.
    now = [100.0]
    monkeypatch.setattr("training.preflight_glance.time", SimpleNamespace(monotonic=lambda: now[0]))
    given, seen = glance(), list[int]()

    def work(rows: list[int]) -> torch.Tensor:
        seen.extend(rows)
        now[0] += 0.002 * len(rows)
        return torch.zeros(len(rows), 1000)

    found = given.load(list(range(10_000)), work, None)
    (loaded,) = given.loads
    assert FEW < len(found) == loaded.looked_at < 200
    assert loaded.seconds == pytest.approx(20, rel=0.01)
    assert loaded.bytes_missing == pytest.approx(4000 * (10_000 - len(found)), rel=0.05)
    assert max(seen) > 9_500
    assert given.share == pytest.approx(10_000 / len(found))


def test_cheap_rows_are_all_looked_at() -> None:
    given = glance()
    assert len(given.load(list(range(5000)), lambda rows: rows, None)) == 5000
    assert given.load(list(range(10)), lambda rows: rows, None) == list(range(10))
    assert [item.looked_at for item in given.loads] == [5000, 10]
    assert len(given.load(list(range(5000)), lambda rows: rows, 100)) == 100
    assert given.share_of(2) == 50
    assert given.share_of(7) == 1.0


def test_a_line_through_steps_is_not_bent_by_a_hiccup() -> None:
    points = [(float(size), 0.01 + 0.0001 * size) for size in range(100, 200, 5)]
    points[3] = (points[3][0], 4.0)
    cost = fitted(points)
    assert cost.fixed == pytest.approx(0.01, rel=0.05)
    assert cost.each == pytest.approx(0.0001, rel=0.05)
    assert fitted([(50.0, 0.1), (50.0, 0.2), (50.0, 0.1)]).of(1, 50) == pytest.approx(0.1)
    # Neither part is ever negative.
    assert fitted([(10.0, 0.1), (20.0, 0.05), (30.0, 0.02)]).each == 0
    assert fitted([(10.0, 0.0), (20.0, 0.5), (30.0, 1.0)]).fixed == 0


def test_memory_since_a_reset() -> None:
    memory = Memory(torch.device("cpu"))
    if not memory.resettable:
        pytest.skip("the system does not reset a process's peak")
    kept: list[torch.Tensor] = []
    found = memory.during(lambda: kept.append(torch.ones(64 * 2**20, dtype=torch.uint8)))
    before = found["process"] or 0
    kept.clear()
    after = memory.during(lambda: None)["process"] or 0
    assert before - after > 60 * 2**20


TRUTH = """
import json, sys
from pathlib import Path
from tests.training.world import recipe
from training.finetune import finetune
from training.preflight import foretell
from training.preflight_memory import Memory, torch
from training.reporting import SilentReporter
part, base, images, work = sys.argv[1:]
torch.set_num_threads(1)
given = recipe(dataset={"image_size": 160, "validation_fraction": 0.25}, optim={"batch_size": 32})
places = {"base_dir": Path(base), "data_dir": Path(images), "work_dir": Path(work)}
memory = Memory(torch.device("cpu"))
if part == "foretold":
    forecast = foretell(given, reporter=SilentReporter(), **places)
    print(json.dumps(forecast.as_dict()))
else:
    finetune(given, reporter=SilentReporter(), **places)
    print(json.dumps(memory.peak()["process"]))
"""


def test_memory_is_foretold_for_a_process_of_its_own(base: Path, images: Path, tmp_path: Path) -> None:
    answers = []
    for part in ("foretold", "done"):
        told = subprocess.run(
            [sys.executable, "-c", TRUTH, part, str(base), str(images), str(tmp_path / part)],
            capture_output=True, text=True, check=True, timeout=200,
        )  # fmt: skip
        answers.append(json.loads(told.stdout))
    forecast, true = answers
    assert forecast["peak_memory_bytes"] == pytest.approx(true, rel=0.15)
    by_batch = {int(size): needed for size, needed in forecast["by_batch"].items()}
    assert by_batch[8] < by_batch[16] < by_batch[32] == forecast["peak_memory_bytes"]


def test_the_command_tells_people_and_programs(
    base: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = recipe()
    path = tmp_path / "recipe.yaml"
    (tmp_path / "base").symlink_to(base)
    (tmp_path / "data").symlink_to(images)
    path.write_text(dump_recipe(given))
    assert main(["preflight", str(path), "--limit", "0.01"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("memory ")
    assert "16 steps of" in said
    assert "Nothing fits" in said
    assert main(["preflight", str(path), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["steps"] == 16
    assert plain["fits"] is None

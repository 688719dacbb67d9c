"""What measuring a finished model costs: two small parts of the benchmark, and the line through them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from training.data import IMAGE_SUFFIXES
from training.errors import UserError
from training.recipe import Recipe
from training.reporting import Reporter, SilentReporter
from training.splits import parquet_files, table_file
from training.tasks import task_kind

# Rows of the smaller and of the larger part.
FEW, MORE = 16, 64
# Rows of these say nothing without the others: of a series, of a user. Their evaluation is measured whole.
TOGETHER = ("time-series-forecasting", "recommendation")


def evaluation_seconds(
    recipe: Recipe, model_dir: Path, bench_dir: Path, folder: Path, reporter: Reporter, seconds: float
) -> float:
    """Seconds on the whole split; 0 for a layout of which no part can be taken."""
    assert recipe.benchmark is not None
    split = recipe.benchmark.split
    if recipe.task in TOGETHER:
        return _evaluate(recipe, model_dir, bench_dir, split, reporter)
    found = Part.of(bench_dir, split)
    if found is None:
        return 0.0
    if found.rows <= MORE:
        return _evaluate(recipe, model_dir, bench_dir, split, reporter)
    try:
        return _line(recipe, model_dir, found, folder, reporter, seconds)
    except UserError:
        # A part of a split need not have what the whole has, such as two classes.
        return 0.0


def _line(
    recipe: Recipe, model_dir: Path, found: Part, folder: Path, reporter: Reporter, seconds: float
) -> float:
    assert recipe.benchmark is not None
    split, few = recipe.benchmark.split, found.write(folder / "few", FEW)
    first = _evaluate(recipe, model_dir, few, split, reporter)
    again = first if first > seconds / 4 else _evaluate(recipe, model_dir, few, split, reporter)
    pace = again / FEW
    count = max(FEW * 2, min(found.rows, MORE if pace > seconds / 200 else int(seconds / 5 / pace)))
    longer = _evaluate(recipe, model_dir, found.write(folder / "more", count), split, reporter)
    each = max(0.0, longer - again) / (count - FEW)
    return first + each * (found.rows - FEW)


class Part:
    """A split that can be cut: Parquet files, a table, or folders of pictures."""

    def __init__(self, root: Path, split: str, files: list[Path], rows: int) -> None:
        self.root, self.split, self.files, self.rows = root, split, files, rows

    @classmethod
    def of(cls, root: Path, split: str) -> Part | None:
        """None for a split that is not there, or cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = parquet_files(root, split)
        if files:
            try:
                return cls(root, split, files, sum(pq.read_metadata(file).num_rows for file in files))
            except (pa.ArrowException, OSError):
                return None
        table = table_file(root, split, ("csv", "jsonl"))
        if table is not None:
            with table.open("rb") as file:
                lines = sum(1 for line in file if line.strip())
            return cls(root, split, [table], lines - (table.suffix == ".csv"))
        for folder in (root / split, root / "data" / split):
            pictures = [path for path in sorted(folder.glob("*/*")) if path.suffix.lower() in IMAGE_SUFFIXES]
            if pictures:
                return cls(root, split, pictures, len(pictures))
        return None

    def write(self, target: Path, count: int) -> Path:
        """Some rows as a data set of its own, in the layout of the whole; files beside it are linked to."""
        target.mkdir(parents=True, exist_ok=True)
        _link(self.root, target, self.files)
        first = self.files[0]
        if first.suffix == ".parquet":
            self._write_parquet(target / f"{self.split}.parquet", count)
        elif first.suffix in (".csv", ".jsonl"):
            place = target
            if first.stem == "metadata":
                place = target / self.split
                place.mkdir()
                _link(first.parent, place, self.files)
            self._write_lines(place / first.name, count)
        else:
            self._link_pictures(target / self.split, count)
        return target

    def _link_pictures(self, target: Path, count: int) -> None:
        for index in range(count):
            picture = self.files[index * len(self.files) // count]
            folder = target / picture.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / picture.name).symlink_to(picture.resolve())

    def _write_parquet(self, path: Path, count: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        taken: list[Any] = []
        wanted = count
        for file in self.files:
            for batch in pq.ParquetFile(file).iter_batches(min(count, 1024)):
                taken.append(batch.slice(0, wanted))
                wanted -= len(taken[-1])
                if wanted <= 0:
                    break
            if wanted <= 0:
                break
        pq.write_table(pa.Table.from_batches(taken), path)

    def _write_lines(self, path: Path, count: int) -> None:
        wanted = count + (path.suffix == ".csv")
        with self.files[0].open("rb") as source, path.open("wb") as target:
            for line in source:
                if wanted <= 0:
                    break
                target.write(line)
                wanted -= bool(line.strip())


def _link(folder: Path, target: Path, leave_out: list[Path]) -> None:
    """The files of a folder but for these: a card, pictures that a table names."""
    for path in folder.iterdir():
        if path.is_file() and path not in leave_out and path.suffix != ".parquet":
            (target / path.name).symlink_to(path.resolve())


def _evaluate(recipe: Recipe, model_dir: Path, folder: Path, split: str, reporter: Reporter) -> float:
    began = time.monotonic()
    silent = _OnlyChecks(reporter)
    task_kind(recipe.task).evaluate(model_dir, folder, split, recipe=recipe, reporter=silent)
    return time.monotonic() - began


class _OnlyChecks(SilentReporter):
    def __init__(self, inner: Reporter) -> None:
        self.inner = inner

    def check(self) -> None:
        self.inner.check()

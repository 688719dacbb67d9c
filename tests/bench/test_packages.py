"""Packages are taken by their pinned file alone, and unpacked without leaving their folder."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from bench.assets import packages
from bench.assets.catalogue import ASSETS
from bench.assets.packages import file_sha256, unpack, unpacked
from bench.assets.pins import PINS, Pin
from training.errors import UserError


def _wheel(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pets/cats.csv", "name\nTom\n")
    return path


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    file = _wheel(tmp_path / "pets-1-py3-none-any.whl")
    pin = Pin("wheel", "pets", "1", file_sha256(file))
    monkeypatch.setitem(PINS, "pets", pin)
    monkeypatch.setattr(packages, "_download", lambda pin, work: file)
    return pin


@pytest.mark.usefixtures("pets")
def test_a_package_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = unpacked("pets", tmp_path)
    assert (folder / "pets/cats.csv").read_text() == "name\nTom\n"
    monkeypatch.delattr(packages, "_download")
    assert unpacked("pets", tmp_path) == folder
    assert [path.name for path in folder.parent.iterdir()] == ["pets-1"]


def test_another_file_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pets: Pin
) -> None:
    monkeypatch.setitem(PINS, "pets", Pin("wheel", "pets", "1", "0" * 64))
    with pytest.raises(UserError, match=f"pets 1 has the sha256 {pets.sha256}, not the pinned one"):
        unpacked("pets", tmp_path)
    assert list((tmp_path / "packages").iterdir()) == []


def test_a_tarball_cannot_write_outside(tmp_path: Path) -> None:
    file = tmp_path / "evil.tgz"
    with tarfile.open(file, "w:gz") as archive:
        member = tarfile.TarInfo("../outside")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(tarfile.OutsideDestinationError):
        unpack(file, tmp_path / "inside")
    assert not (tmp_path / "outside").exists()


def test_a_client_that_fails_or_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"python3? .* failed: no such thing"):
        packages._run(["python3", "-c", "import sys; sys.exit('no such thing')"], tmp_path)
    with pytest.raises(UserError, match="needs the program no-such-client"):
        packages._run(["no-such-client"], tmp_path)


def test_every_registry_is_asked_for_the_exact_version(tmp_path: Path) -> None:
    for pin in PINS.values():
        command = packages._command(pin, tmp_path)
        assert command[-1] in {f"{pin.name}{sign}{pin.version}" for sign in ("==", "@", "=")}
        assert ("--no-deps" in command) == (pin.source in ("wheel", "sdist"))


def test_every_pin_is_whole_and_used_and_every_maker_exists() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) for pin in PINS.values())
    assert {name for asset in ASSETS.values() for name in asset.packages} == set(PINS)
    for asset in ASSETS.values():
        module, _, function = asset.maker.partition(":")
        assert callable(getattr(import_module(f"bench.assets.{module}"), function)), asset.name

"""The worker's program, as the hub hands it out and as setuptools builds it: without Django."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from packaging.requirements import Requirement

from runs.wheel import wheel_bytes, wheel_name
from tests.house.sources import ROOT

WALL = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("django", "rest_framework", "hub", "accounts", "models_app", "runs"):
            raise ImportError(name)
sys.meta_path.insert(0, Wall())
"""


def as_files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What setuptools makes of pyproject.toml, in a copy of what it reads."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "training").rglob("*.py"):
        (copy / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True, timeout=120)
    return as_files(next(out.glob("*.whl")).read_bytes())


def test_it_is_what_setuptools_would_build(built: dict[str, bytes]) -> None:
    served = as_files(wheel_bytes())
    ours, theirs = (
        {name: content for name, content in files.items() if name.startswith("training/")}
        for files in (served, built)
    )
    assert ours == theirs
    assert "training/__main__.py" in ours
    assert not any(name.startswith(("hub/", "runs/", "tests/", "bench/")) for name in built)
    assert _read(served, "entry_points.txt") == _read(built, "entry_points.txt").rstrip() + "\n"
    for name in ("Name", "Version", "Requires-Python"):
        assert _about(served)[name] == _about(built)[name]
    assert wanted_by(served, "worker") == wanted_by(built, "worker")


def _read(files: dict[str, bytes], name: str) -> str:
    return next(content for path, content in files.items() if path.endswith(f".dist-info/{name}")).decode()


def _about(files: dict[str, bytes]) -> dict[str, str]:
    return dict(Parser().parsestr(_read(files, "METADATA")).items())


def wanted_by(files: dict[str, bytes], extra: str) -> set[str]:
    """What an extra brings, in one spelling."""
    lines = Parser().parsestr(_read(files, "METADATA")).get_all("Requires-Dist") or []
    found = [Requirement(line) for line in lines]
    assert found
    return {f"{one.name}{sorted(one.extras)}{one.specifier}" for one in found if _is_of(one, extra)}


def _is_of(one: Requirement, extra: str) -> bool:
    return one.marker is not None and one.marker.evaluate({"extra": extra})


def test_a_worker_needs_no_django() -> None:
    lines = Parser().parsestr(_read(as_files(wheel_bytes()), "METADATA")).get_all("Requires-Dist") or []
    assert any(line.startswith("torch") for line in lines)
    assert any(line.startswith("celery") for line in lines)
    assert not any("django" in line.lower() for line in lines)


def test_its_record_is_right() -> None:
    files = as_files(wheel_bytes())
    lines = _read(files, "RECORD").splitlines()
    listed = {line.split(",")[0]: line.split(",")[1:] for line in lines}
    assert set(listed) == set(files)
    for name, (digest, size) in listed.items():
        if name.endswith("/RECORD"):
            continue
        text = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={text}", str(len(files[name])))


def test_it_runs_from_the_file_with_no_django_about(tmp_path: Path) -> None:
    path = tmp_path / wheel_name()
    path.write_bytes(wheel_bytes())
    code = WALL + "from training.__main__ import main; main(sys.argv[1:])"
    # Site packages are there for numpy and yaml; the repository is not.
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    for words, expected in ((["--help"], "finetune"), (["worker", "--help"], "--token-file")):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def test_pip_installs_it_and_makes_the_command(tmp_path: Path) -> None:
    path, place = tmp_path / wheel_name(), tmp_path / "there"
    path.write_bytes(wheel_bytes())
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target"]
    subprocess.run([*command, str(place), str(path)], check=True, capture_output=True, timeout=120)
    assert (place / "training" / "worker.py").is_file()
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [str(place / "bin" / "tuneyard"), "worker", "--hub", "ftp://x"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "--hub must be an address that begins with http" in done.stderr


def test_the_hub_serves_it_to_everybody() -> None:
    url = f"/api/workers/tuneyard-{settings.VERSION}-py3-none-any.whl"
    answer = Client().get(url)
    assert (answer.status_code, answer.content) == (200, wheel_bytes())
    assert Client().get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    missing = Client().get("/api/workers/tuneyard-9.9-py3-none-any.whl")
    assert missing.status_code == 404
    assert url in missing.json()["error"]
    assert Client().post(url).status_code == 405

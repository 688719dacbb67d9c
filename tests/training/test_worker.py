"""The worker process: what it needs, what it keeps to itself, what it tells."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from training import faults, worker
from training.errors import EngineError, UserError
from training.workplace import WorkerSettings, isolate, prune, take_home


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("HUB_PUBLIC_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("HUB_WORKER_TOKEN", "tyw_x")
    monkeypatch.setenv("HUB_BROKER_URL", "filesystem://")
    monkeypatch.setenv("HUB_BROKER_DIR", str(tmp_path / "broker"))
    monkeypatch.setenv("HUB_FLAVORS", "cpu-basic, gpu-small")
    monkeypatch.setenv("HUB_WORKER_DIR", str(tmp_path / "worker"))
    return monkeypatch


def test_it_reads_its_environment(environment: pytest.MonkeyPatch) -> None:
    settings = WorkerSettings.from_environment()
    assert settings.endpoint == "http://127.0.0.1:1"
    assert settings.flavors == ("cpu-basic", "gpu-small")


@pytest.mark.parametrize("name", ["HUB_PUBLIC_URL", "HUB_WORKER_TOKEN", "HUB_BROKER_DIR"])
def test_it_names_what_is_missing(
    environment: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv(name)
    assert worker.main([]) == 2
    assert name in capsys.readouterr().err


def test_a_folder_has_one_worker(environment: pytest.MonkeyPatch) -> None:
    settings = WorkerSettings.from_environment()
    with take_home(settings), pytest.raises(UserError, match="HUB_WORKER_DIR"):
        take_home(settings)
    take_home(settings).close()


def test_a_folder_that_cannot_be_written_is_told(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment.setenv("HUB_WORKER_DIR", str(tmp_path / "file" / "x"))
    with pytest.raises(UserError, match="cannot be written"):
        take_home(WorkerSettings.from_environment())


def test_the_users_own_token_and_cache_stay_out_of_it(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(os, "environ", {**os.environ, "HF_TOKEN": "hf_mine", "HUGGING_FACE_HUB_TOKEN": "x"})
    settings = WorkerSettings.from_environment()
    isolate(settings)
    assert "HF_TOKEN" not in os.environ
    assert "HUGGING_FACE_HUB_TOKEN" not in os.environ
    assert os.environ["HF_ENDPOINT"] == settings.endpoint
    assert os.environ["HF_HOME"].startswith(str(settings.home))


def test_old_checkpoints_and_a_swollen_cache_go(tmp_path: Path) -> None:
    for name, age in (("old", 8), ("young", 6)):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - age * 86400,) * 2)
    features = tmp_path / "cache" / "features"
    features.mkdir(parents=True)
    for name, age in (("old.safetensors", 8), (".part-old", 8), ("used.safetensors", 6)):
        (features / name).touch()
        os.utime(features / name, (time.time() - age * 86400,) * 2)
    (tmp_path / "cache" / "blob").write_bytes(b"x" * 100)
    prune(tmp_path, cache_bytes=100)
    assert [path.name for path in features.iterdir()] == ["used.safetensors"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["young"]
    assert (tmp_path / "cache" / "blob").exists()
    prune(tmp_path, cache_bytes=99)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("error", "message_id"),
    [
        (MemoryError(), "worker:out-of-memory"),
        (OSError(28, "No space left on device"), "worker:disk-full"),
        (EngineError("engine:odd", "Odd."), "engine:odd"),
        (RuntimeError("/secret/path exploded"), "worker:failed"),
    ],
)
def test_our_faults_are_told_without_our_insides(error: Exception, message_id: str) -> None:
    found, message = faults.fault_message(error)
    assert found == message_id
    assert "/secret" not in message

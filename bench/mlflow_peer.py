"""The peer that anybody can install: MLflow's artifact server and client, in an environment of their own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hub import ROOT, free_port

MLFLOW = "mlflow==3.17.2"
_UPLOAD = """
with mlflow.start_run() as run:
    began = time.perf_counter()
    mlflow.log_artifacts(sys.argv[2])
    print(json.dumps([run.info.run_id, time.perf_counter() - began]))
"""
_DOWNLOAD = """
began = time.perf_counter()
mlflow.artifacts.download_artifacts(run_id=sys.argv[2], dst_path=sys.argv[3])
print(json.dumps(["", time.perf_counter() - began]))
"""


@dataclass(frozen=True)
class Peer:
    """A running server; each call is a client process of its own, and gives the seconds it measured."""

    python: Path
    url: str
    work: Path

    def upload(self, folder: Path) -> tuple[str, float]:
        """The run that holds the folder's files now, and the seconds."""
        run, seconds = self._call(_UPLOAD, str(folder))
        return str(run), float(seconds)

    def download(self, run: str, target: Path) -> float:
        """Every file of the run into `target`."""
        target.mkdir()
        return float(self._call(_DOWNLOAD, run, str(target))[1])

    def _call(self, script: str, *words: str) -> Any:
        head = "import json, sys, time, mlflow\nmlflow.set_tracking_uri(sys.argv[1])\n"
        command = [str(self.python), "-c", head + script, self.url, *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=self.work)
        # The client says much else, before and after.
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith(b"[")))


@contextlib.contextmanager
def running_mlflow(work: Path) -> Iterator[Peer]:
    """MLflow's server with its proxy for artifacts, installed where it is missing; ended by its pid."""
    python, store = _environment(), work / "mlflow"
    store.mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "2", "--backend-store-uri", f"sqlite:///{store}/db"]
    command += ["--artifacts-destination", str(store / "artifacts")]
    with (work / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=work)
        try:
            _wait(f"{url}/health", process, work / "mlflow.log")
            yield Peer(python, url, work)
        finally:
            process.terminate()
            process.wait(20)


def _environment() -> Path:
    home = ROOT / ".clients" / MLFLOW.replace("==", "-")
    python = home / "bin" / "python"
    if not python.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(home)], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "--python", str(python), MLFLOW], check=True)
    return python


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.5)
    raise RuntimeError(f"MLflow did not come up:\n{log.read_text()[-2000:]}")

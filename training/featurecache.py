"""Feature tables on disk: one safetensors file a key, checked when read, the least recently used dropped."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.distributed import world
from training.inference import native_precision

log = logging.getLogger(__name__)

# Raised whenever the numbers a body gives could change: tables of other versions are not found again.
FEATURES_VERSION = 1
MAX_BYTES = 4 * 2**30
SUFFIX = ".safetensors"
# A writer that died leaves its half behind; nobody needs an hour to write a table.
STALE_SECONDS = 3600


@dataclass(frozen=True)
class FeatureKey:
    """Everything a feature table depends on. Two equal keys mean equal tables."""

    body_sha256: str
    preprocessing: str
    images: str
    layer: str
    precision: str
    version: int = FEATURES_VERSION

    @classmethod
    def of(
        cls,
        body: nn.Module,
        *,
        preprocessing: Mapping[str, object],
        images: str,
        device: torch.device,
        layer: str = "pooled",
    ) -> FeatureKey:
        """The key of `body`'s features of `images` on `device`.

        `images` names the pictures and their order beyond doubt: repo, commit oid, split and selection, or a
        hash of the pixels. `preprocessing` holds plain values: size, mean, std, interpolation.
        """
        how = json.dumps(dict(preprocessing), sort_keys=True, default=str)
        return cls(body_fingerprint(body), how, images, layer, f"{device.type}-{native_precision(device)}")

    def digest(self) -> str:
        """64 hex digits: the file's name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def body_fingerprint(body: nn.Module) -> str:
    """SHA-256 over the architecture's description and every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(repr(body).encode())
    for name, tensor in body.state_dict().items():
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy().data)
    return digest.hexdigest()


def cached_features(
    key: FeatureKey, directory: Path, compute: Callable[[], Tensor], *, max_bytes: int = MAX_BYTES
) -> Tensor:
    """The table of `key`, float32 [n, d]: read from `directory`, or computed and kept there.

    A file that is short, altered, or of another key is computed again. `directory` stays below `max_bytes`;
    tables not used for longest go first. A full or read-only disk costs only the reuse: it is logged. Of
    several processes the first one computes, and the others read.
    """
    with world().leader_first():
        return _cached(key, directory, compute, max_bytes)


def _cached(key: FeatureKey, directory: Path, compute: Callable[[], Tensor], max_bytes: int) -> Tensor:
    path = directory / f"{key.digest()}{SUFFIX}"
    table = _read(path, key)
    if table is not None:
        return table
    table = compute().detach().to("cpu", torch.float32).contiguous()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _make_room(directory, max_bytes - table.nbytes, keep=path)
        if table.nbytes <= max_bytes:
            _write(path, key, table)
    except (OSError, SafetensorError) as problem:
        log.warning("The feature table could not be kept on disk: %s", problem)
    return table


def _read(path: Path, key: FeatureKey) -> Tensor | None:
    """The table in `path`, or None if there is none or it cannot be trusted."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            table = file.get_tensor("features")
        os.utime(path)
    except (SafetensorError, OSError, ValueError) as problem:
        log.warning("A feature table on disk cannot be read and is computed again: %s", problem)
        return None
    sound = table.ndim == 2 and table.dtype == torch.float32 and metadata.get("sha256") == _checksum(table)
    if not sound or metadata.get("key") != _key_text(key):
        log.warning("A feature table on disk does not hold what its name says; it is computed again.")
        return None
    return table


def _write(path: Path, key: FeatureKey, table: Tensor) -> None:
    """Write beside `path` and rename, so that a reader sees all of the table or none."""
    handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    os.close(handle)
    try:
        save_file({"features": table}, name, metadata={"key": _key_text(key), "sha256": _checksum(table)})
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _make_room(directory: Path, budget: int, *, keep: Path) -> None:
    """Delete dead halves, then the least recently used tables until the rest is within `budget` bytes."""
    for part in directory.glob(".part-*"):
        if time.time() - part.stat().st_mtime > STALE_SECONDS:
            part.unlink(missing_ok=True)
    files = [(path.stat(), path) for path in directory.glob(f"*{SUFFIX}") if path != keep]
    total = sum(stat.st_size for stat, _ in files)
    for stat, path in sorted(files, key=lambda item: item[0].st_mtime_ns):
        if total <= budget:
            break
        path.unlink(missing_ok=True)
        total -= stat.st_size


def _checksum(table: Tensor) -> str:
    return hashlib.sha256(table.contiguous().numpy().data).hexdigest()


def _key_text(key: FeatureKey) -> str:
    return json.dumps(asdict(key), sort_keys=True)

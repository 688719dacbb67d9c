"""The worker's program as the hub hands it out: the `training` package as a wheel, so that a machine anywhere
installs just what fits this hub, from this hub.

A wheel is a zip with three files of its own (the binary distribution format, packaging.python.org); written
here with the standard library, byte for byte the same for one version.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

EXTRAS = ("train", "worker")
_TAG = "py3-none-any"
_ABOUT_WHEEL = f"Wheel-Version: 1.0\nGenerator: tuneyard\nRoot-Is-Purelib: true\nTag: {_TAG}\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def wheel_name() -> str:
    """What pip wants the file to be called."""
    return f"tuneyard-{settings.VERSION}-{_TAG}.whl"


@lru_cache(maxsize=1)
def wheel_bytes() -> bytes:
    """The whole file; made at the first request."""
    info = f"tuneyard-{settings.VERSION}.dist-info"
    root = Path(settings.BASE_DIR)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files = dict(_modules(root))
    files[f"{info}/METADATA"] = _metadata(project).encode()
    files[f"{info}/WHEEL"] = _ABOUT_WHEEL.encode()
    files[f"{info}/entry_points.txt"] = _scripts(project).encode()
    files[f"{info}/licenses/LICENSE"] = (root / "LICENSE").read_bytes()
    record = "".join(f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def _modules(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((root / "training").rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_bytes()


def _metadata(project: dict[str, Any]) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {settings.VERSION}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        *(f"Requires-Dist: {one}" for one in project["dependencies"]),
    ]
    for extra in EXTRAS:
        lines.append(f"Provides-Extra: {extra}")
        wanted = project["optional-dependencies"][extra]
        lines += [f'Requires-Dist: {one} ; extra == "{extra}"' for one in wanted]
    return "\n".join(lines) + "\n"


def _scripts(project: dict[str, Any]) -> str:
    lines = [f"{name} = {target}" for name, target in project["scripts"].items()]
    return "\n".join(["[console_scripts]", *lines, ""])


def _digest(content: bytes) -> str:
    text = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={text}"

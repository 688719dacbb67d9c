"""Which files are large files, which text a new repo tracks them by, and how a file may be served."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from models_app.content.gitpatterns import MAX_CHARACTERS, MAX_LINES, Pattern, parse_pattern

# hf-wire section 3: what the public hub tracks from the first commit on.
_MODEL_PATTERNS = [
    "*.7z", "*.arrow", "*.bin", "*.bz2", "*.ckpt", "*.ftz", "*.gz", "*.h5", "*.joblib", "*.lfs.*",
    "*.mlmodel", "*.model", "*.msgpack", "*.npy", "*.npz", "*.onnx", "*.ot", "*.parquet", "*.pb",
    "*.pickle", "*.pkl", "*.pt", "*.pth", "*.rar", "*.safetensors", "saved_model/**/*", "*.tar.*", "*.tar",
    "*.tflite", "*.tgz", "*.wasm", "*.xz", "*.zip", "*.zst", "*tfevents*",
]  # fmt: skip
_DATASET_PATTERNS = [
    "*.lz4", "*.mds", "*.pcm", "*.sam", "*.raw", "*.aac", "*.flac", "*.mp3", "*.ogg", "*.wav", "*.bmp",
    "*.gif", "*.png", "*.tiff", "*.jpg", "*.jpeg", "*.webp", "*.mp4", "*.webm",
]  # fmt: skip
_LFS_ATTRIBUTES = "filter=lfs diff=lfs merge=lfs -text"

# Only types that cannot run anything on the hub's origin are named; the rest is plain text or bytes.
_INLINE_TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp", ".json": "application/json", ".wav": "audio/wav", ".mp3": "audio/mpeg",
    ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp4": "video/mp4", ".webm": "video/webm",
}  # fmt: skip


def initial_gitattributes(repo_type: str) -> bytes:
    """The `.gitattributes` of a repo's first commit."""
    patterns = _MODEL_PATTERNS + (_DATASET_PATTERNS if repo_type == "dataset" else [])
    return "".join(f"{pattern} {_LFS_ATTRIBUTES}\n" for pattern in patterns).encode()


@dataclass(frozen=True)
class _Rule:
    pattern: Pattern
    lfs: bool


class LfsRules:
    """The `filter=lfs` rules of one `.gitattributes` text: the last line that says something of a path
    counts."""

    def __init__(self, attributes: str) -> None:
        self._rules = _parse_rules(attributes[:MAX_CHARACTERS])

    def tracks(self, path: str) -> bool:
        """Whether git-lfs would keep this path out of git."""
        for rule in reversed(self._rules):
            if rule.pattern.matches(path):
                return rule.lfs
        return False


@lru_cache(maxsize=64)
def _parse_rules(attributes: str) -> tuple[_Rule, ...]:
    rules = []
    for line in attributes.splitlines()[:MAX_LINES]:
        text, words = _split_line(line.strip())
        filters = [word for word in words if word.split("=", 1)[0].lstrip("-!") == "filter"]
        pattern = parse_pattern(text, ignore_file=False) if filters else None
        if pattern:
            rules.append(_Rule(pattern, filters[-1] == "filter=lfs"))
    return tuple(rules)


def _split_line(line: str) -> tuple[str, list[str]]:
    if not line or line.startswith("#"):
        return "", []
    if line.startswith('"'):
        text, _, rest = line[1:].partition('"')
        return text, rest.split()
    words = line.split()
    return words[0], words[1:]


def with_tracked(attributes: bytes, paths: Sequence[str]) -> bytes:
    """The `.gitattributes` text with a line added for each path it does not track yet.

    A line that is there is never added again: of a long text only the beginning is read as rules.
    """
    text = attributes.decode("utf-8", "replace")
    rules, lines = LfsRules(text), set(text.splitlines())
    wanted = {path: f"{_escape(path)} {_LFS_ATTRIBUTES}" for path in sorted(set(paths))}
    missing = [line for path, line in wanted.items() if line not in lines and not rules.tracks(path)]
    if not missing:
        return attributes
    start = attributes if not attributes or attributes.endswith(b"\n") else attributes + b"\n"
    return start + "".join(f"{line}\n" for line in missing).encode()


def _escape(path: str) -> str:
    """The path as a pattern that matches nothing else; git reads blanks as the end of a pattern."""
    escaped = "".join(f"\\{letter}" if letter in "*?[]\\!#" else letter for letter in path)
    anchored = escaped if "/" in escaped else f"/{escaped}"
    return anchored.replace(" ", "[[:space:]]").replace('"', '[\\"]')


def is_binary(sample: bytes) -> bool:
    """Whether the first bytes of a file are no UTF-8 text; a letter cut at the end of the sample is no
    fault."""
    if b"\0" in sample:
        return True
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(sample) - 3 or error.reason != "unexpected end of data"
    return False


def served_type(path: str, sample: bytes | None) -> str:
    """The Content-Type to serve a user's file with: nothing a browser would run on the hub's own origin.

    `sample` holds the file's first bytes where they are cheap to have (ordinary files), else None.
    """
    extension = path[path.rfind(".") :].lower() if "." in path.rsplit("/", 1)[-1] else ""
    if extension in _INLINE_TYPES:
        return _INLINE_TYPES[extension]
    if sample is not None and not is_binary(sample):
        return "text/plain; charset=utf-8"
    guessed = mimetypes.guess_type(path)[0] or ""
    return guessed if guessed.startswith(("audio/", "video/")) else "application/octet-stream"

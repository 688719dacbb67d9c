"""Where a result comes from: what was learned from what, and by which run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

OID_LENGTH = 40
# Of a model repo: weights and what reads inputs; README.md tells the licence, recipe.yaml the task.
MODEL_FILES = [
    "*.json",
    "*.safetensors",
    "*.keras",
    "*.txt",
    "*.model",
    "*.jinja",
    "README.md",
    "recipe.yaml",
]


@dataclass(frozen=True)
class Pinned:
    """A repo at one commit: `repo` is `namespace/name`, `oid` 40 hex digits.

    On the command line `repo` may be a directory, and `oid` is empty where no commit is known.
    """

    repo: str
    oid: str

    @property
    def is_repo(self) -> bool:
        """Whether it has a page on a hub."""
        return self.repo.count("/") == 1 and not self.repo.startswith((".", "/", "~"))


class Origin(Protocol):
    """`target`: what the result is called. `run` and `url` are empty for runs of the command line."""

    @property
    def run(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def base(self) -> Pinned | None: ...
    @property
    def dataset(self) -> Pinned: ...
    @property
    def benchmark(self) -> Pinned | None: ...
    @property
    def target(self) -> str: ...


@dataclass(frozen=True)
class LocalOrigin:
    """A run of the command line."""

    target: str
    base: Pinned | None
    dataset: Pinned
    benchmark: Pinned | None = None
    run: str = ""
    url: str = ""
    attempt: int = 1

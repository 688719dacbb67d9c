"""A data set of one's own from files in a browser: bounded, split by a stated seed, published in one commit.

What is larger goes up with a client, which can go on where it stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import yaml

from accounts.actor import Actor
from models_app.actions.commits import commit
from models_app.actions.repos import create_repo, delete_repo
from models_app.actions.uploads import store_lfs_object
from models_app.models import Repo
from models_app.storage.lfs import Pointer
from models_app.storage.operations import AddFile, AddPointer, Operation
from training.measured import metrics_of

MAX_BYTES = 100 * 1000**2
LFS_FROM = 10 * 1000**2
TEST_SHARE = 0.2
Item = TypeVar("Item")


class BadUpload(Exception):
    """What was sent cannot become a data set; `message` is one sentence for whoever sent it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Prepared:
    """The files of the data set to be, by path, its task, and what was left out in sentences."""

    files: Mapping[str, bytes]
    task: str
    notes: Sequence[str]
    counts: Mapping[str, int]


def drawn(items: Sequence[Item], seed: int) -> Iterator[tuple[str, Item]]:
    """("train" or "test", item): a fifth, at least one, is for measuring; the same seed draws the same."""
    order = list(range(len(items)))
    random.Random(seed).shuffle(order)  # noqa: S311 - drawn again by anybody with the same seed
    test = set(order[: max(1, round(len(items) * TEST_SHARE))])
    for place, item in enumerate(items):
        yield ("test" if place in test else "train"), item


def publish(
    actor: Actor, prepared: Prepared, *, namespace: str, name: str, private: bool, licence: str, seed: int
) -> Repo:
    """A data set repo with these files in one commit; nothing stays where that fails.

    Raises RepoExists, InvalidInput, or the gate's refusals.
    """
    repo = create_repo(actor, repo_type="dataset", namespace=namespace, name=name, private=private)
    try:
        operations: list[Operation] = [AddFile("README.md", _card(prepared, name, licence, seed))]
        operations.append(AddFile("eval.yaml", _board(prepared, name)))
        for path, content in prepared.files.items():
            operations.append(_operation(actor, repo, path, content))
        commit(actor, repo=repo, branch=repo.default_branch, operations=operations, summary="Upload the data")
    except BaseException:
        delete_repo(actor, repo=repo)
        raise
    repo.refresh_from_db()
    return repo


def _operation(actor: Actor, repo: Repo, path: str, content: bytes) -> Operation:
    """Pictures and what is large go where large files go, as clients send them."""
    if path.endswith(".csv") and len(content) < LFS_FROM:
        return AddFile(path, content)
    pointer = Pointer(hashlib.sha256(content).hexdigest(), len(content))
    store_lfs_object(actor, repo=repo, pointer=pointer, body=io.BytesIO(content))
    return AddPointer(path, pointer.sha256, pointer.size)


def _card(prepared: Prepared, name: str, licence: str, seed: int) -> bytes:
    front = {"task_categories": [prepared.task], **({"license": licence} if licence else {})}
    rows = "".join(f"| {split} | {count} |\n" for split, count in prepared.counts.items())
    share = f"{TEST_SHARE:.0%}".replace("%", " %")
    text = (
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n# {name}\n\n"
        f"| split | rows |\n| --- | --- |\n{rows}\n"
        f"Uploaded in the browser. {share} of the rows were kept for measuring, drawn with seed {seed}"
        f"{' from each class' if prepared.task == 'image-classification' else ''}.\n"
    )
    return text.encode()


def _board(prepared: Prepared, name: str) -> bytes:
    """The test part is a benchmark, so that every model trained on these data can be ranked."""
    metric = next(iter(metrics_of(prepared.task)), "accuracy")
    task = {"id": "test", "split": "test", "metric": metric, "pipeline_tag": prepared.task}
    return (
        "# The test part, which nothing learns from.\n" + json.dumps({"name": name, "tasks": [task]}) + "\n"
    ).encode()

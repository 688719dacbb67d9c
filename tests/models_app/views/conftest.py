"""A small published world for the pages: a base model, a dataset that is a benchmark, two measured models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.repos import create_repo
from models_app.models import BaseModelEdge, Benchmark, EvalResult, Repo, RepoCard, RepoTag
from models_app.storage.operations import AddFile

CARD = """---
license: mit
pipeline_tag: image-classification
library_name: timm
---
# {name}

A network that reads digits. <script>alert(1)</script>
"""


def publish(
    owner: User,
    name: str,
    files: dict[str, bytes] | None = None,
    *,
    repo_type: str = "model",
    private: bool = False,
) -> Repo:
    """A repo with a card and these files, made through the real verbs."""
    actor = Actor(owner)
    repo = create_repo(actor, repo_type=repo_type, namespace=None, name=name, private=private)
    content = {"README.md": CARD.format(name=name).encode(), **(files or {})}
    operations = [AddFile(path, data) for path, data in content.items()]
    commit(actor, repo=repo, branch="main", operations=operations, summary="Publish it")
    repo.refresh_from_db()
    return repo


def card(repo: Repo, **fields: object) -> None:
    """Put facts into the index that would otherwise need real weights or images."""
    RepoCard.objects.filter(repo=repo).update(**fields)


@dataclass
class Pages:
    """What there is to see."""

    alice: User
    base: Repo
    data: Repo
    benchmark: Benchmark

    def measured(
        self, name: str, value: float, *, count: int = 1000, verified: bool = True, private: bool = False
    ) -> Repo:
        """A fine-tune of the base with one result on the benchmark."""
        repo = publish(self.alice, name, private=private)
        BaseModelEdge.objects.create(child=repo, parent=self.base, parent_repo_id=self.base.repo_id)
        EvalResult.objects.create(
            repo=repo,
            filename=".eval_results/digits.yaml",
            dataset_id=self.data.repo_id,
            benchmark=self.benchmark,
            task_id="digits",
            value=value,
            count=count,
            date=date(2026, 11, 20),
            verified=verified,
        )
        return repo


@pytest.fixture
def pages(alice: User) -> Pages:
    base = publish(
        alice, "base", {"config.json": b"{}", "src/deep/net.py": b"import torch\n\n\nnet = None\n"}
    )
    data = publish(alice, "digits", repo_type="dataset")
    card(base, parameters=3_504_872, total_bytes=14_212_972)
    preview = {
        "splits": [{"name": "train", "rows": 4000}, {"name": "test", "rows": 1000}],
        "classes": [{"label": "zero & <b>", "count": 30}, {"label": "one", "count": 15}],
        "images": [{"label": "one", "src": "data:image/png;base64,iVBORw0KGgo="}],
        "problems": ["One file could not be read."],
    }
    card(data, preview=preview)
    task = {
        "id": "digits",
        "split": "test",
        "metric": "accuracy",
        "higher_is_better": True,
        "pipeline_tag": "",
    }
    benchmark = Benchmark.objects.create(repo=data, name="Digits", tasks=[task])
    return Pages(alice, base, data, benchmark)


@pytest.fixture
def as_alice(client: Client, alice: User) -> Client:
    client.force_login(alice, backend="accounts.backends.AccountBackend")
    return client


def baseline(repo: Repo) -> None:
    """Tag the repo as one trained from random weights."""
    RepoTag.objects.get_or_create(repo=repo, kind="tag", value="from-scratch")

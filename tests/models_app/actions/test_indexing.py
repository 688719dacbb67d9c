"""The index follows git: what a commit says is found, what it no longer says is gone."""

from __future__ import annotations

import io
import json
import math
import struct
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from django.core.management import call_command
from pyarrow import parquet

from accounts.models import User
from models_app.actions import commits, index_reading
from models_app.actions.indexing import index_revision
from models_app.models import BaseModelEdge, Benchmark, EvalResult, Repo, RepoCard
from models_app.proofs import sign_result
from models_app.storage.operations import AddFile, DeleteFile, Operation
from tests.models_app.people import repo_of, session

CARD = """---
license: apache-2.0
language: en
library_name: timm
pipeline_tag: image-classification
tags: [vision, vision]
datasets: demo/digits
base_model: Alice/Base
---
# Net

A small net. See arxiv.org/abs/1801.04381.

![curve](curve.png)
"""
EVAL_YAML = "name: Digits\ntasks:\n- {id: digits, split: test, metric: accuracy}\n"
PNG = b"\x89PNG\r\n\x1a\n"


def push(user: User, repo: Repo, *operations: Operation, **files: str | bytes) -> RepoCard:
    """Commit files (`__` in a keyword stands for a dot) and return the card as the database has it."""
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        operations = (*operations, AddFile(name.replace("__", "."), data))
    commits.commit(session(user), repo=repo, branch="main", operations=operations, summary="Change")
    return RepoCard.objects.get(repo=repo)


def tags(repo: Repo) -> set[str]:
    return {tag.text for tag in repo.tag_rows.all()}


def safetensors(**shapes: list[int]) -> bytes:
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * end


def test_a_card_becomes_columns_tags_and_html(alice: User) -> None:
    repo = repo_of(alice)
    card = push(alice, repo, README__md=CARD, config__json="{}")
    assert (card.license, card.library_name, card.pipeline_tag) == (
        "apache-2.0",
        "timm",
        "image-classification",
    )
    assert card.oid == Repo.objects.get(pk=repo.pk).head_oid
    assert card.metadata["datasets"] == "demo/digits"
    assert card.summary == "A small net. See arxiv.org/abs/1801.04381."
    assert 'src="/alice/net/resolve/main/curve.png"' in card.html
    assert card.preview["problems"] == []
    assert tags(repo) == {
        "timm", "vision", "image-classification", "dataset:demo/digits", "license:apache-2.0", "language:en",
        "base_model:Alice/Base", "base_model:finetune:Alice/Base", "arxiv:1801.04381",
    }  # fmt: skip
    assert [item["path"] for item in card.siblings] == [".gitattributes", "README.md", "config.json"]
    assert card.total_bytes == sum(item["size"] for item in card.siblings)


def test_what_a_later_commit_takes_back_is_gone(alice: User) -> None:
    repo = repo_of(alice)
    push(alice, repo, README__md=CARD)
    card = push(alice, repo, DeleteFile("README.md"))
    assert (card.license, card.metadata, card.html, tags(repo)) == ("", {}, "", set())
    assert not repo.base_edges.exists()


def test_indexing_again_changes_nothing(alice: User) -> None:
    repo = repo_of(alice)
    push(alice, repo, README__md=CARD)
    before = (RepoCard.objects.values().get(repo=repo), tags(repo))
    index_revision(repo, Repo.objects.get(pk=repo.pk).head_oid)
    assert (RepoCard.objects.values().get(repo=repo), tags(repo)) == before


def test_parameters_come_from_the_headers_of_all_shards(alice: User) -> None:
    repo = repo_of(alice)
    operations = [
        AddFile("model-00001-of-00002.safetensors", safetensors(a=[3, 4])),
        AddFile("model-00002-of-00002.safetensors", safetensors(b=[5])),
    ]
    card = push(alice, repo, *operations)
    assert (card.parameters, card.dtype_counts) == (17, {"F32": 17})
    assert "safetensors" in tags(repo)


def test_a_bad_shard_leaves_no_half_count(alice: User) -> None:
    repo = repo_of(alice)
    operations = [
        AddFile("model-00001-of-00002.safetensors", safetensors(a=[3, 4])),
        AddFile("model-00002-of-00002.safetensors", b"junk"),
    ]
    card = push(alice, repo, *operations)
    assert (card.parameters, card.dtype_counts) == (None, {})
    assert card.preview["problems"] == [
        "model-00002-of-00002.safetensors: The file is too short to be a safetensors file."
    ]


def test_hundreds_of_result_files_cost_what_one_may(alice: User) -> None:
    repo = repo_of(alice)
    line = "- {dataset: {id: a/b, task_id: t}, value: 1}\n"
    files = [AddFile(f".eval_results/{n:03}.yaml", (line * 200).encode()) for n in range(120)]
    card = push(alice, repo, *files)
    assert EvalResult.objects.count() == 1000
    problems = " ".join(card.preview["problems"])
    assert "Only the first 100 result files are used." in problems
    assert "Only the first 1000 results are used." in problems


def test_lineage_is_found_whichever_side_came_first(alice: User) -> None:
    child = repo_of(alice, "child")
    push(alice, child, README__md="---\nbase_model: ALICE/base\n---\n")
    assert BaseModelEdge.objects.get(child=child).parent is None
    base = repo_of(alice, "base")
    assert BaseModelEdge.objects.get(child=child).parent == base
    second = repo_of(alice, "second")
    push(alice, second, README__md="---\nbase_model: [alice/Base, alice/child]\n---\n")
    assert set(BaseModelEdge.objects.filter(child=second).values_list("parent", "relation")) == {
        (base.pk, "merge"),
        (child.pk, "merge"),
    }


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("README.md", b"---\na: [1\n---\n", "The metadata is not valid YAML"),
        ("README.md", b"x" * (1024 * 1024 + 1), "README.md is larger than 1,024 KiB"),
        ("config.json", b"{", "config.json is not valid JSON."),
        ("model.safetensors", b"junk", "model.safetensors: The file is too short"),
        (".eval_results/x.yaml", b"a: 1", ".eval_results/x.yaml: A results file must be a list"),
        (".eval_results/x.yaml", b"\xff\xfe\x00", ".eval_results/x.yaml: The metadata is not valid YAML"),
    ],
)
def test_bad_content_is_committed_and_told(alice: User, name: str, content: bytes, words: str) -> None:
    repo = repo_of(alice)
    card = push(alice, repo, AddFile(name, content))
    assert name in [item["path"] for item in card.siblings]
    assert any(problem.startswith(words) for problem in card.preview["problems"]), card.preview["problems"]


def test_even_a_fault_of_ours_keeps_no_commit_back(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: object) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr("models_app.content.markdown.render_markdown", broken)
    card = push(alice, repo_of(alice), README__md=CARD)
    assert card.preview["problems"] == ["The card could not be read."]
    assert card.license == "apache-2.0"


@pytest.mark.parametrize(
    "readme",
    [b"\xff\xfe\x00---\n", b"---\n\x00: \x00\n---\n\x00", b"---\ntags: ['\\uD800', 'a\x00b']\n---\n",
     b'---\ntags: ["a\\0b", "\\u00e9"]\n---\nx\0y',
     b"---\nlicense: {a: b}\ntags: {a: 1}\nlanguage: [[en]]\nbase_model: [1, {}]\npipeline_tag: [x]\n---\n",
     b"---\nmodel-index: .nan\ntags: [" + b"x" * 500 + b"]\nlibrary_name: " + b"y" * 500 + b"\n---\n"],
)  # fmt: skip
def test_odd_cards_reach_every_column_unharmed(alice: User, readme: bytes) -> None:
    repo = repo_of(alice)
    card = push(alice, repo, AddFile("README.md", readme))
    json.dumps(card.metadata, allow_nan=False)
    assert "\0" not in card.html + card.summary + card.search_text


def test_a_dataset_of_folders_has_a_preview(alice: User) -> None:
    repo = repo_of(alice, "pets", repo_type="dataset")
    files = [AddFile(f"train/{name}/{i}.png", PNG) for name in ("cat", "dog") for i in range(2)]
    card = push(alice, repo, *files)
    assert card.preview["splits"] == [{"name": "train", "rows": 4}]
    assert card.preview["images"][0]["src"] == f"/datasets/alice/pets/resolve/{card.oid}/train/cat/0.png"


def test_a_dataset_of_parquet_has_a_preview(alice: User) -> None:
    buffer = io.BytesIO()
    images = [{"bytes": PNG, "path": None}] * 3
    parquet.write_table(pa.table({"image": images, "label": ["a", "b", "a"]}), buffer)
    repo = repo_of(alice, "digits", repo_type="dataset")
    card = push(alice, repo, AddFile("data/test-0.parquet", buffer.getvalue()))
    assert card.preview["splits"] == [{"name": "test", "rows": 3}]
    assert [(row["label"], row["count"]) for row in card.preview["classes"]] == [("a", 2), ("b", 1)]
    assert len(card.preview["images"]) == 3


# --- benchmarks, results, proofs


def results(*entries: dict[str, Any]) -> AddFile:
    return AddFile(".eval_results/digits.yaml", json.dumps(entries).encode())


def entry(value: float = 0.9, token: str = "", revision: str = "a" * 40, **dataset: str) -> dict[str, Any]:
    named = {"id": "alice/digits", "task_id": "digits", "revision": revision} | dataset
    return {"dataset": named, "value": value, "verifyToken": token, "date": "2026-01-02"}


def proof(repo: Repo, **changed: Any) -> str:
    run = SimpleNamespace(uuid=changed.pop("run", uuid4()), target_repo=repo)
    claims = {
        "dataset": "alice/digits",
        "revision": "a" * 40,
        "task_id": "digits",
        "value": 0.9,
        "count": 1000,
    }
    return sign_result(run=run, **(claims | changed))


def test_results_find_their_benchmark_whichever_came_first(alice: User) -> None:
    early = repo_of(alice, "early")
    push(alice, early, results(entry(id="ALICE/digits")))
    assert EvalResult.objects.get(repo=early).benchmark is None
    dataset = repo_of(alice, "digits", repo_type="dataset")
    push(alice, dataset, eval__yaml=EVAL_YAML)
    benchmark = Benchmark.objects.get(repo=dataset)
    assert (benchmark.name, benchmark.tasks[0]["id"]) == ("Digits", "digits")
    assert EvalResult.objects.get(repo=early).benchmark == benchmark
    late = repo_of(alice, "late")
    push(alice, late, results(entry()))
    assert EvalResult.objects.get(repo=late).benchmark == benchmark
    push(alice, dataset, DeleteFile("eval.yaml"))
    assert not Benchmark.objects.exists()
    assert EvalResult.objects.count() == 2


def test_a_signed_number_is_verified_and_carries_its_count_and_run(alice: User) -> None:
    repo, run = repo_of(alice), uuid4()
    push(alice, repo, results(entry(0.9, proof(repo, run=run))))
    row = EvalResult.objects.get()
    assert (row.verified, row.count, row.run_uuid, str(row.date)) == (True, 1000, run, "2026-01-02")
    index_revision(repo, Repo.objects.get(pk=repo.pk).head_oid)
    assert EvalResult.objects.get().verified


@pytest.mark.parametrize(
    ("written", "signed"),
    [
        (entry(0.91), {}),
        (entry(0.9 + 1e-8), {}),
        (entry(0.9, revision="b" * 40), {}),
        (entry(0.9, revision=""), {"revision": ""}),
        (entry(0.9, task_id="letters"), {}),
        (entry(0.9, id="alice/letters"), {}),
        (entry(0.9), {"value": float("nan")}),
    ],
)
def test_a_proof_covers_only_what_it_names(
    alice: User, written: dict[str, Any], signed: dict[str, Any]
) -> None:
    repo = repo_of(alice)
    push(alice, repo, results(written | {"verifyToken": proof(repo, **signed)}))
    row = EvalResult.objects.get()
    assert (row.verified, row.count, row.run_uuid) == (False, None, None)


def test_a_proof_of_another_repo_or_another_hub_is_worth_nothing(alice: User, settings: Any) -> None:
    mine, other = repo_of(alice, "mine"), repo_of(alice, "other")
    push(alice, mine, results(entry(0.9, proof(other))))
    assert not EvalResult.objects.get(repo=mine).verified
    token = proof(mine)
    settings.SECRET_KEY = "another hub's secret"
    push(alice, mine, results(entry(0.9, token)))
    assert not EvalResult.objects.get(repo=mine).verified
    push(alice, mine, results(entry(0.9, "x" * 5000)))
    assert not EvalResult.objects.get(repo=mine).verified


def test_reindex_rebuilds_everything_from_git(alice: User) -> None:
    repo = repo_of(alice)
    push(
        alice, repo, results(entry(0.9, proof(repo))), README__md=CARD, model__safetensors=safetensors(a=[7])
    )
    expected = RepoCard.objects.values().get(repo=repo)
    RepoCard.objects.all().delete()
    repo.tag_rows.all().delete()
    EvalResult.objects.all().delete()
    Repo.objects.update(head_oid="")
    call_command("reindex", verbosity=0)
    rebuilt = RepoCard.objects.values().get(repo=repo)
    assert {k: v for k, v in rebuilt.items() if k != "id"} == {k: v for k, v in expected.items() if k != "id"}
    assert "timm" in tags(repo)
    assert EvalResult.objects.get().verified
    assert Repo.objects.get(pk=repo.pk).head_oid == expected["oid"]


def test_the_tables_of_a_data_set_share_one_bound(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_reading.previews, "MAX_TABLE_BYTES", 50)
    repo = repo_of(alice, "digits", repo_type="dataset")
    table = "file_name,label\na.png,cat\n"
    card = push(
        alice, repo, AddFile("a/metadata.csv", table.encode()), AddFile("b/metadata.csv", table.encode())
    )
    assert card.preview["splits"] == [{"name": "train", "rows": 1}]
    assert any("b/metadata.csv is larger" in problem for problem in card.preview["problems"])

"""The folder a run publishes: complete, honest, harmless, and readable by the tools it is written for."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from training.demodata import write_mnist
from training.publish import Outcome, summary_of, write_result
from training.recipe import Recipe, parse_recipe
from training.runapi import Claim

OID = "1" * 40
EVALUATION = {
    "metric": "accuracy",
    "value": 0.75,
    "accuracy": 0.75,
    "macro_f1": 0.7,
    "n": 8,
    "lo": 0.4,
    "hi": 0.93,
    "per_class_recall": {"cat": 0.5, "dog": 1.0},
    "labels": ["cat", "dog"],
}


def make_claim(**changes: Any) -> Claim:
    body = {
        "run": "3f0c5a52-0000-4000-8000-000000000000",
        "url": "http://hub.example/runs/3f0c",
        "attempt": 1,
        "token": "hf_secret",
        "recipe": {},
        "base": {"repo": "demo/base", "oid": OID},
        "dataset": {"repo": "demo/pets", "oid": "2" * 40},
        "benchmark": {"repo": "demo/pets", "oid": "2" * 40},
        "target": {"repo": "alice/pets-net"},
        "published_oid": None,
    }
    return Claim.from_json({**body, **changes})


def make_recipe(**changes: Any) -> Recipe:
    plain = {
        "base_model": {"repo": "demo/base", "revision": OID},
        "dataset": {"repo": "demo/pets"},
        "benchmark": {"repo": "demo/pets", "task_id": "photos", "split": "test"},
        "seed": 3,
    }
    return parse_recipe({**plain, **changes})


def make_outcome(**changes: Any) -> Outcome:
    outcome = Outcome(
        labels=["cat", "dog"],
        metrics={"val/accuracy": 0.8, "val/macro_f1": 0.79},
        history=[{"epoch": 1, "train/loss": 1.25, "val/accuracy": 0.8}],
        seconds={"total": 12.5},
        evaluation=EVALUATION,
        proof={"proof": "signed", "date": "2026-01-02"},
    )
    return dataclasses.replace(outcome, **changes)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    model, base = tmp_path / "model", tmp_path / "base"
    model.mkdir()
    base.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "config.json").write_text(json.dumps({"architecture": "x", "library_name": "torchvision"}))
    (model / "secret.txt").write_text("not to be published")
    (base / "README.md").write_text("---\nlicense: bsd-3-clause\nlicense_name: BSD\n---\n# Base\n")
    return {"folder": tmp_path / "result", "model_dir": model, "base_dir": base}


def written(folders: dict[str, Path], **parts: Any) -> Path:
    chosen = {"claim": make_claim(), "recipe": make_recipe(), "outcome": make_outcome()} | parts
    return write_result(folders["folder"], **chosen, **{k: v for k, v in folders.items() if k != "folder"})


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"kind": "head"}, "(its head only)"),
        (
            {"kind": "head", "head": {"hidden": 1024, "pooling": "average"}},
            "(its head only; before the last layer global average pooling and a dense layer of 1,024 units)",
        ),
        ({"kind": "last-stages", "stages": 2}, "(its head and last 2 stage(s))"),
        ({"kind": "gradual"}, "(its head, then stage by stage below it)"),
        ({"kind": "full"}, "(all of its layers)"),
        ({"kind": "lp-ft"}, "(its head first, then all of its layers)"),
    ],
)
def test_the_card_says_what_learned(folders: dict[str, Path], strategy: dict[str, object], said: str) -> None:
    card = (written(folders, recipe=make_recipe(strategy=strategy)) / "README.md").read_text()
    assert said in card


def test_the_folder_is_complete_and_nothing_else(folders: dict[str, Path]) -> None:
    folder = written(folders)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    expected = {"model.safetensors", "config.json", "recipe.yaml", "run.json", "metrics.jsonl", "README.md"}
    assert names == expected | {".eval_results/pets.yaml"}
    assert "hf_secret" not in "".join(path.read_text() for path in folder.rglob("*.*") if path.is_file())


def test_the_recipe_reads_back(folders: dict[str, Path]) -> None:
    assert parse_recipe((written(folders) / "recipe.yaml").read_text()) == make_recipe()


def test_the_curve_is_a_file_of_its_own_and_the_card_says_where(folders: dict[str, Path]) -> None:
    folder = written(folders)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    manifest = json.loads((folder / "run.json").read_text())
    assert rows
    assert rows == manifest["history"]
    assert f"[the run's page]({manifest['url']})" in (folder / "README.md").read_text()


def test_the_manifest_is_enough_to_finish_with(folders: dict[str, Path]) -> None:
    manifest = json.loads((written(folders) / "run.json").read_text())
    assert (manifest["run"], manifest["seed"]) == (make_claim().run, 3)
    assert manifest["base"] == {"repo": "demo/base", "oid": OID}
    assert manifest["versions"]["torch"]
    assert manifest["hardware"]["cores"] > 0
    assert summary_of(manifest)["evaluation"]["accuracy"] == 0.75


def test_the_card_speaks_to_machines(folders: dict[str, Path]) -> None:
    card = ModelCard.load(written(folders) / "README.md")
    data = card.data.to_dict()
    assert data["base_model"] == "demo/base"
    assert data["base_model_relation"] == "finetune"
    assert (data["license"], data["license_name"]) == ("bsd-3-clause", "BSD")
    assert (data["pipeline_tag"], data["library_name"]) == ("image-classification", "torchvision")
    assert data["datasets"] == ["demo/pets"]
    assert "tuneyard" in data["tags"]


def test_the_card_speaks_to_people(folders: dict[str, Path]) -> None:
    text = (written(folders) / "README.md").read_text()
    assert "| accuracy | **0.7500** | 0.4000 – 0.9300 | 8 |" in text
    assert "cat 0.5000, dog 1.0000" in text
    assert "| 1 | 1.2500 | 0.8000 |" in text
    assert "python -m training predict --model alice/pets-net" in text
    assert "seed 3" in text


def test_random_weights_descend_from_nothing(folders: dict[str, Path]) -> None:
    recipe = make_recipe(init="scratch", strategy={"kind": "full"})
    data = ModelCard.load(written(folders, recipe=recipe) / "README.md").data.to_dict()
    assert "base_model" not in data
    assert "from-scratch" in data["tags"]


def test_a_base_without_a_readable_card_gives_no_licence(folders: dict[str, Path]) -> None:
    for text in ("", "# no front matter", "---\n[\n---\n", "---\n- a\n---\n", "---\nlicense: [a]\n---\n"):
        (folders["base_dir"] / "README.md").write_text(text)
        assert "license" not in ModelCard.load(written(folders) / "README.md").data.to_dict()


def test_labels_cannot_break_out_of_the_card(folders: dict[str, Path]) -> None:
    evil = {**EVALUATION, "per_class_recall": {"a|b\n# Heading": 0.5, "<script>`x`": 1.0}}
    text = (written(folders, outcome=make_outcome(evaluation=evil)) / "README.md").read_text()
    assert "\n# Heading" not in text
    assert "<script>" not in text


def test_the_results_file_is_the_clients_own_format(folders: dict[str, Path]) -> None:
    plain = yaml.safe_load((written(folders) / ".eval_results" / "pets.yaml").read_text())
    (entry,) = parse_eval_result_entries(plain)
    assert (entry.dataset_id, entry.task_id, entry.value) == ("demo/pets", "photos", 0.75)
    assert (entry.dataset_revision, entry.verify_token) == ("2" * 40, "signed")
    assert entry.source_url == make_claim().url


def test_without_a_benchmark_there_is_no_results_file(folders: dict[str, Path]) -> None:
    outcome = make_outcome(evaluation=None, proof={})
    claim, recipe = make_claim(benchmark=None), make_recipe(benchmark=None)
    folder = written(folders, claim=claim, recipe=recipe, outcome=outcome)
    assert not (folder / ".eval_results").exists()
    assert "validation part" in (folder / "README.md").read_text()


def test_a_recommender_keeps_its_vocabulary_and_a_fusion_its_encoders(folders: dict[str, Path]) -> None:
    model = folders["model_dir"]
    (model / "vocabulary.json").write_text("{}")
    for part, name in (("image", "model.safetensors"), ("text", "tokenizer.json"), ("text", "secret.txt")):
        (model / part).mkdir(exist_ok=True)
        (model / part / name).write_text("{}")
    folder = written(folders)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"vocabulary.json", "image/model.safetensors", "text/tokenizer.json"} <= found
    assert "text/secret.txt" not in found


def test_a_recommenders_card_says_that_it_names_its_users(folders: dict[str, Path]) -> None:
    plain = {"task": "recommendation", "dataset": {"repo": "demo/films"}, "benchmark": None}
    card = (written(folders, recipe=make_recipe(**plain)) / "README.md").read_text()
    assert "## Privacy" in card
    assert "`vocabulary.json` names every user" in card
    assert "## Privacy" not in (written(folders) / "README.md").read_text()


def test_what_an_earlier_attempt_left_is_not_published(folders: dict[str, Path]) -> None:
    folders["folder"].mkdir()
    (folders["folder"] / "stale.bin").write_bytes(b"x")
    assert not (written(folders) / "stale.bin").exists()


def test_the_digits_are_split_evenly_and_always_the_same(tmp_path: Path) -> None:
    from training.data import read_split

    for name in ("one", "two"):
        write_mnist(tmp_path / name, limit=10)
    for file in ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", "README.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    for split, each in (("train", 8), ("test", 2)):
        targets = read_split(tmp_path / "one", split).targets
        assert [targets.count(digit) for digit in range(10)] == [each] * 10


def test_the_worker_side_imports_no_django() -> None:
    code = (
        "import sys\n"
        "class Wall:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('django', 'hub', 'accounts', 'models_app', 'runs'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        "import training.worker, training.execute, training.demo\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

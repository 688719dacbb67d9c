from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.training.text.test_text_classification import run
from tests.training.text.world import addresses, text_recipe, write_addresses, write_encoder, write_jsonl
from tests.training.world import Listener
from training.errors import Interrupted, UserError
from training.recipe import Recipe
from training.reporting import SilentReporter
from training.tasks import task_kind
from training.tasks.base import Measured
from training.weights import load_weights


def recipe(**sections: object) -> Recipe:
    return text_recipe("token-classification", **sections)


def measured(model_dir: Path, data: Path) -> Measured:
    report = task_kind("token-classification").evaluate(
        model_dir, data, "test", recipe=recipe(), reporter=SilentReporter()
    )
    assert isinstance(report, Measured)
    return report


def test_the_loss_sequence_at_a_fixed_seed(encoder: Path, addresses_dir: Path, tmp_path: Path) -> None:
    listener = Listener()
    given = recipe(optim={"epochs": 6, "lr": 5e-3, "schedule": "constant"})
    result = run(given, encoder, addresses_dir, tmp_path, listener)
    losses = [loss for _, loss in listener.losses()]
    # Recorded when the task was written (torch 2.14, CPU); other builds round a little differently.
    assert losses[:4] == pytest.approx(RECORDED, rel=0.02)
    assert result.labels == ["City", "Number", "Street"]
    assert result.metrics["val/f1"] == 1.0
    report = measured(result.model_dir, addresses_dir)
    assert report.metric == "f1"
    assert (report.n, report.value, report.lo, report.hi) == (12, 1.0, 1.0, 1.0)
    words = sum(len(row["tokens"]) for row in addresses(12, seed=1))
    assert sum(row["support"] for row in report.tables["per_class"]) == words


RECORDED = [1.2204, 1.0839, 0.9328, 0.8308]


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "modernbert"])
@pytest.mark.parametrize("strategy", ["head", "full"])
def test_the_published_directory_is_transformers_own(
    addresses_dir: Path, tmp_path: Path, kind: str, strategy: str
) -> None:
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    from training.text import predicting, runs

    base = write_encoder(tmp_path / "base", kind=kind)
    given = recipe(strategy={"kind": strategy}, optim={"epochs": 1})
    result = run(given, base, addresses_dir, tmp_path / "work")
    net = AutoModelForTokenClassification.from_pretrained(result.model_dir).eval()
    tokenizer = AutoTokenizer.from_pretrained(result.model_dir)
    rows = [row["tokens"] for row in addresses(5, seed=7)]
    model = runs.finished_model(result.model_dir, tokens=True)
    ours, _ = predicting.word_logits(model, rows, torch.device("cpu"), SilentReporter())
    for words, found in zip(rows, ours, strict=True):
        inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            logits = net(**inputs).logits[0]
        for place in range(len(words)):
            first = inputs.word_ids(0).index(place)
            assert torch.allclose(logits[first], found[place], atol=1e-5)
    assert json.loads((result.model_dir / "config.json").read_text())["label2id"]["Street"] == 2


def test_the_pipeline_tags_as_predict_does(encoder: Path, addresses_dir: Path, tmp_path: Path) -> None:
    from transformers import pipeline

    result = run(recipe(optim={"epochs": 3, "lr": 5e-3}), encoder, addresses_dir, tmp_path)
    stock = pipeline("token-classification", model=str(result.model_dir), aggregation_strategy="none")
    theirs = [row for row in stock("7 mill road york") if not row["word"].startswith("##")]
    ours = task_kind("token-classification").predict(result.model_dir, "7 mill road york")
    assert [row["label"] for row in ours] == [row["entity"] for row in theirs]
    scores = [float(row["score"]) for row in theirs]
    assert [row["score"] for row in ours] == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(("strategy", "cut"), [("full", 3), ("head", 7)])
def test_an_interrupted_run_ends_as_the_whole_one(
    encoder: Path, addresses_dir: Path, tmp_path: Path, strategy: str, cut: int
) -> None:
    given = recipe(strategy={"kind": strategy}, optim={"grad_accum_steps": 2, "batch_size": 4})
    whole, first, second = Listener(), Listener(cut, Interrupted()), Listener()
    expected = run(given, encoder, addresses_dir, tmp_path / "whole", whole)
    with pytest.raises(Interrupted):
        run(given, encoder, addresses_dir, tmp_path / "cut", first)
    result = run(given, encoder, addresses_dir, tmp_path / "cut", second)
    assert first.losses() + second.losses() == whole.losses()
    left, right = (load_weights(item.model_dir / "model.safetensors") for item in (result, expected))
    assert all(torch.equal(tensor, right[name]) for name, tensor in left.items())


def test_micro_batches_are_means_over_words(encoder: Path, addresses_dir: Path, tmp_path: Path) -> None:
    """Rows differ in how many words they have: a mean of means would not be the mean."""
    small = {"batch_size": 4, "grad_accum_steps": 3, "name": "sgd", "warmup_fraction": 0.0, "epochs": 1}
    large = {**small, "batch_size": 12, "grad_accum_steps": 1}
    one, other = Listener(), Listener()
    kind = {"kind": "head"}
    # In order of length, so that both take the same rows at once.
    data = {"validation_fraction": 0.0, "max_train_rows": 12}
    run(recipe(optim=small, strategy=kind, dataset=data), encoder, addresses_dir, tmp_path / "1", one)
    run(recipe(optim=large, strategy=kind, dataset=data), encoder, addresses_dir, tmp_path / "2", other)
    assert [loss for _, loss in one.losses()] == pytest.approx([loss for _, loss in other.losses()], rel=1e-4)


def test_words_behind_the_cut_count_as_missed(encoder: Path, addresses_dir: Path, tmp_path: Path) -> None:
    listener = Listener()
    given = recipe(dataset={"max_tokens": 5}, optim={"epochs": 6, "lr": 5e-3, "schedule": "constant"})
    result = run(given, encoder, addresses_dir, tmp_path, listener)
    assert any("training sequences were cut at 5 tokens" in line for line in listener.logs)
    report = measured(result.model_dir, addresses_dir)
    lost = report.metrics["words_behind_the_cut"]
    words = sum(len(row["tokens"]) for row in addresses(12, seed=1))
    assert lost > 0
    assert report.metrics["token_accuracy"] <= 1 - lost / words


def test_entities_of_bio_tags_are_whole_spans() -> None:
    from training.tasks.token_classification import TokenTask

    task = TokenTask(["O", "B-X", "I-X"], recipe())
    targets = torch.tensor([[-100, 1, 2, 0, 1]])
    logits = torch.nn.functional.one_hot(torch.tensor([[0, 1, 0, 0, 1]]), 3).float() * 9
    found = task.measure([(logits, targets)])
    # Of two entities one is cut short: one of two is right, and of two told ones.
    assert found["f1"] == 0.5
    assert found["token_accuracy"] == 0.75


def test_one_tag_is_refused(encoder: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data/train.jsonl", [{"tokens": ["oak", "road"], "tags": ["X", "X"]}] * 9)
    with pytest.raises(UserError, match="All training words are of one class, 'X'"):
        run(recipe(), encoder, tmp_path / "data", tmp_path / "work")


def test_tags_of_another_world_are_refused(encoder: Path, addresses_dir: Path, tmp_path: Path) -> None:
    result = run(recipe(optim={"epochs": 1}), encoder, addresses_dir, tmp_path / "work")
    write_jsonl(tmp_path / "data/test.jsonl", [{"tokens": ["oak"], "tags": ["B-PER"]}])
    with pytest.raises(UserError, match="no tag in common") as caught:
        measured(result.model_dir, tmp_path / "data")
    assert caught.value.message_id == "data:labels-mismatch"


def test_a_class_that_training_never_saw_is_refused(encoder: Path, tmp_path: Path) -> None:
    data = write_addresses(tmp_path / "data")
    write_jsonl(data / "validation.jsonl", [{"tokens": ["oak"], "tags": ["Odd"]}])
    with pytest.raises(UserError, match="'validation' holds the class 'Odd'"):
        run(recipe(dataset={"validation_split": "validation"}), encoder, data, tmp_path / "work")

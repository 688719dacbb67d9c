"""The committed recipes for translation and summaries, on a few pairs and a tiny T5."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.training.language.test_translation import write_base
from tests.training.language.world import QUESTIONS, write_chats
from tests.training.world import Listener
from training.finetune import finetune
from training.language.pairs import with_prefix
from training.recipe import PairData, Recipe, parse_recipe
from training.reporting import SilentReporter
from training.tasks import task_kind
from training.weights import load_weights

MAILS = [
    ("I have a boat for hire at the mill. It holds four, and leaks a little.", "Boat for hire"),
    ("The bread of Monday was burnt. I bake again today, come and get some.", "Bread again today"),
    ("Who has seen my red hat? I lost it between the church and the bridge.", "Lost: a red hat"),
    ("The bridge is closed until May. Take the road along the river, please.", "Bridge closed until May"),
]
RECIPES = Path(__file__).resolve().parents[3] / "recipes" / "language"


def shipped(name: str, epochs: int) -> Recipe:
    found = parse_recipe((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    return dataclasses.replace(found, optim=dataclasses.replace(found.optim, epochs=epochs))


def test_the_second_recipe_goes_on_from_the_models_of_the_first(tmp_path: Path) -> None:
    data, base = tmp_path / "data", write_base(tmp_path / "base", "t5")
    rows = [{"en": source, "de": target} for source, target in QUESTIONS]
    for split in ("train", "validation", "test"):
        write_chats(data, rows, split=split)
    first, second = shipped("emoji-german", 60), shipped("django-german", 30)
    names = finetune(first, base_dir=base, data_dir=data, work_dir=tmp_path / "one", reporter=Listener())
    begun, learnt = (load_weights(folder / "model.safetensors") for folder in (base, names.model_dir))
    # From scratch: nothing of the base's weights is in it.
    assert not any((begun[name] == learnt[name]).all() for name in begun if begun[name].ndim > 1)
    result = finetune(
        second, base_dir=names.model_dir, data_dir=data, work_dir=tmp_path / "two", reporter=Listener()
    )
    kind = task_kind("translation")
    before, after = (
        kind.evaluate(model, data, "test", recipe=second, reporter=SilentReporter())
        for model in (names.model_dir, result.model_dir)
    )
    assert before.n == after.n == len(QUESTIONS)
    assert before.as_dict()["perplexity"] < 40, "it has learned something to go on from"
    assert after.as_dict()["perplexity"] < before.as_dict()["perplexity"]
    assert set(kind.predict(result.model_dir, QUESTIONS[0][0])) == {"text"}


@pytest.mark.parametrize("name", ["emoji-german", "django-german"])
def test_they_take_the_columns_of_their_data_sets(name: str) -> None:
    data = shipped(name, 1).dataset
    assert isinstance(data, PairData)
    assert (data.source_column, data.target_column) == ("en", "de")
    assert with_prefix(data, "a") == "a"


def test_the_recipe_for_subject_lines_learns_them_and_its_model_writes_one(tmp_path: Path) -> None:
    data, base = tmp_path / "data", write_base(tmp_path / "base", "t5")
    for split in ("train", "validation", "test"):
        write_chats(data, [{"text": text, "subject": subject} for text, subject in MAILS], split=split)
    kind, found, silent = task_kind("summarization"), {}, SilentReporter()
    for epochs in (1, 60):
        recipe = shipped("mail-subjects", epochs)
        assert recipe.task == kind.pipeline_tag
        work = tmp_path / str(epochs)
        result = finetune(recipe, base_dir=base, data_dir=data, work_dir=work, reporter=silent)
        found[epochs] = kind.evaluate(result.model_dir, data, "test", recipe=recipe, reporter=silent)
    assert found[60].metric == "rougeL"
    assert found[60].n == len(MAILS)
    assert found[60].as_dict()["perplexity"] < found[1].as_dict()["perplexity"] / 2
    assert set(kind.predict(result.model_dir, MAILS[0][0])) == {"text"}

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.recommend.world import recipe, split_rows, write_meetings
from tests.training.tabular_world import write_csv
from tests.training.world import Listener
from training.errors import Interrupted, UserError
from training.finetune import FinetuneResult, finetune
from training.recipe import Recipe, RecipeError
from training.recommend.loading import load_recommender
from training.tasks import task_kind
from training.tasks.base import Measured
from training.weights import load_weights

RANKED: dict[str, Any] = {"rating_column": None, "negatives": 4}


def run(given: Recipe, data: Path, work: Path, listener: Listener | None = None) -> FinetuneResult:
    return finetune(
        given,
        base_dir=None,
        data_dir=data,
        work_dir=work,
        reporter=listener or Listener(),
        report_seconds=0.0,
        checkpoint_seconds=1e9,
    )


def measured(given: Recipe, result: FinetuneResult, data: Path) -> Measured:
    kind = task_kind(given.task)
    report = kind.evaluate(result.model_dir, data, "test", recipe=given, reporter=Listener())
    assert isinstance(report, Measured)
    return report


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_meetings(tmp_path_factory.mktemp("rated"))


@pytest.fixture(scope="module")
def liked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_meetings(tmp_path_factory.mktemp("liked"), likes=True)


@pytest.fixture(scope="module")
def ranker(liked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published model that ranks, with names of goods."""
    given = recipe(dataset={**RANKED, "item_table": "goods", "title_column": "name"})
    return run(given, liked, tmp_path_factory.mktemp("ranker")).model_dir


@pytest.mark.parametrize("kind", ["two-tower", "neural-cf"])
def test_ratings_are_learned(rated: Path, tmp_path: Path, kind: str) -> None:
    given = recipe(network={"kind": kind}, optim={"epochs": 25})
    result = run(given, rated, tmp_path)
    assert set(result.metrics) == {"val/loss", "val/rmse", "val/mae"}
    report = measured(given, result, rated)
    truth = np.array([row["rating"] for row in split_rows()[1]])
    assert report.metric == "rmse"
    assert report.lo < report.value < report.hi
    assert report.value < 0.6 * truth.std()


@pytest.mark.parametrize("objective", ["bpr", "softmax"])
@pytest.mark.parametrize("kind", ["two-tower", "neural-cf"])
def test_the_order_of_unseen_items_is_learned(liked: Path, tmp_path: Path, kind: str, objective: str) -> None:
    given = recipe(dataset={**RANKED, "objective": objective}, network={"kind": kind}, optim={"epochs": 25})
    result = run(given, liked, tmp_path)
    assert {"val/loss", "val/ndcg@10", "val/recall@10", "val/mrr"} <= set(result.metrics)
    report = measured(given, result, liked)
    assert report.metric == "ndcg@10"
    # By chance some 0.45: about ten unseen goods, one or two of them met later.
    assert report.value > 0.6
    assert report.lo < report.value < report.hi


@pytest.mark.parametrize("dataset", [{}, RANKED])
def test_an_interrupted_run_ends_as_the_whole_one(
    rated: Path, tmp_path: Path, dataset: dict[str, Any]
) -> None:
    given = recipe(dataset=dataset, network={"dropout": 0.2}, optim={"epochs": 2})
    whole, first, second = Listener(), Listener(5, Interrupted()), Listener()
    expected = run(given, rated, tmp_path / "whole", whole)
    with pytest.raises(Interrupted):
        run(given, rated, tmp_path / "cut", first)
    result = run(given, rated, tmp_path / "cut", second)
    assert first.losses() + second.losses() == whole.losses()
    mine, theirs = (load_weights(one.model_dir / "model.safetensors") for one in (result, expected))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_the_published_directory_gives_the_nets_own_answers(rated: Path, tmp_path: Path) -> None:
    from training.device import pick_device
    from training.tasks.base import Plan

    given = recipe(dataset={"user_features": ["taste"], "item_features": ["colour"]})
    plan = Plan(given, None, rated, tmp_path, tmp_path, pick_device(), Listener())
    prepared = task_kind(given.task).prepare(plan)
    prepared.save(tmp_path / "model")
    inputs, _ = prepared.train.take(torch.arange(40), plan.device)
    net = prepared.network.net.eval()
    with torch.inference_mode():
        expected = net(inputs)
        found = load_recommender(tmp_path / "model").net({name: item.cpu() for name, item in inputs.items()})
    assert torch.allclose(found, expected.cpu(), atol=1e-5)
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


def test_a_user_gets_what_suits_and_nothing_twice(ranker: Path) -> None:
    answers = task_kind("recommendation").predict(ranker, '{"user": 3, "k": 4}')
    met = {row["item"] for row in split_rows()[0] if row["user"] == 3 and row["rating"] > 3}
    assert len(answers) == 4
    assert not met & {answer["item"] for answer in answers}
    assert answers[0]["title"].startswith(("Good", "New"))
    scores = [answer["score"] for answer in answers]
    assert scores == sorted(scores, reverse=True)


def test_liked_items_lead_to_items_like_them(ranker: Path) -> None:
    answers = task_kind("recommendation").predict(ranker, '["g1", "g3", "g5"]')
    first = [answer["item"] for answer in answers[:4]]
    assert not {"g1", "g3", "g5"} & set(first)
    assert sum(item in ("g7", "g9", "g11", "g13", "g15", "new") for item in first) >= 3


def test_strangers_get_the_vector_of_nobody(ranker: Path) -> None:
    model = load_recommender(ranker)
    assert model.for_user("nobody ever") == model.for_user("nor this one")
    assert len(model.for_user("nobody ever", k=5)) == 5


def test_an_item_that_nobody_met_is_known_by_its_features(rated: Path, tmp_path: Path) -> None:
    given = recipe(dataset={"item_table": "goods", "title_column": "name", "user_features": ["taste"]})
    model = load_recommender(run(given, rated, tmp_path).model_dir)
    assert model.facts.items[-1] == "new"
    assert model.facts.config.items.trained == len(model.facts.items) - 1
    red, blue = (model.ratings(np.array([user]), np.array(["new"]))[0] for user in ("1", "2"))
    assert 1 <= blue <= 5
    assert 1 <= red <= 5


def test_the_latest_rows_of_each_user_validate(rated: Path, tmp_path: Path) -> None:
    listener = Listener()
    given = recipe(dataset={"time_column": "when", "validation_fraction": 0.2}, optim={"epochs": 1})
    run(given, rated, tmp_path, listener)
    rows = split_rows()[0]
    counts = [sum(row["user"] == user for row in rows) for user in range(24)]
    held = sum(min(max(round(count * 0.2), 1), count - 1) for count in counts)
    assert any(f"{held:,} to validate" in text for text in listener.logs)


def test_like_from_keeps_what_was_liked(rated: Path, tmp_path: Path) -> None:
    listener = Listener()
    given = recipe(dataset={"objective": "softmax", "like_from": 3.0}, optim={"epochs": 1})
    run(given, rated, tmp_path, listener)
    liked = sum(row["rating"] >= 3 for row in split_rows()[0])
    assert any(f"{liked:,} pairs" in text or "to learn from" in text for text in listener.logs)
    told = next(text for text in listener.logs if "to learn from" in text)
    numbers = [int(word.replace(",", "")) for word in told.split() if word.replace(",", "").isdecimal()]
    assert sum(numbers) == liked


@pytest.mark.parametrize(
    ("dataset", "message", "said"),
    [
        ({"user_column": "who"}, "data:missing-column", "who"),
        ({"rating_column": "taste"}, "data:not-a-number", "taste"),
        ({"user_column": "item"}, "recipe:columns", "differ"),
        ({"objective": "rating", "rating_column": None}, "recipe:objective", "rating_column"),
        ({"objective": "softmax", "like_from": 9.0}, "data:empty", "like_from"),
        ({"like_from": 3.0}, "recipe:objective", "like_from"),
        ({"item_table": "nowhere"}, "data:no-split", "nowhere"),
        ({"item_table": "train"}, "data:twin-rows", "second row"),
    ],
)
def test_mistakes_are_told_before_the_first_step(
    rated: Path, tmp_path: Path, dataset: dict[str, Any], message: str, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(recipe(dataset=dataset), rated, tmp_path)
    assert caught.value.message_id == message
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": ""}, "data:missing-id"),
        ({"rating": ""}, "data:missing-target"),
        ({"rating": "inf"}, "data:not-a-number"),
    ],
)
def test_holes_are_told_with_their_row(tmp_path: Path, change: dict[str, str], message: str) -> None:
    rows = split_rows()[0]
    write_csv(tmp_path / "data" / "train.csv", [*rows[:6], {**rows[6], **change}, *rows[7:]])
    with pytest.raises(UserError) as caught:
        run(recipe(), tmp_path / "data", tmp_path / "work")
    assert caught.value.message_id == message
    assert "row 7" in str(caught.value)


def test_one_rating_one_item_one_net(tmp_path: Path) -> None:
    rows = split_rows()[0]
    for name, same, message in (
        ("rating", 3.0, "data:constant-target"),
        ("item", "g1", "data:one-id"),
    ):
        write_csv(tmp_path / name / "train.csv", [{**row, name: same} for row in rows])
        with pytest.raises(UserError) as caught:
            run(recipe(), tmp_path / name, tmp_path / "work")
        assert caught.value.message_id == message
    write_csv(tmp_path / "data" / "train.csv", rows)
    for given in (recipe(network={"kind": "ft-transformer"}), recipe(dataset=RANKED, loss={"kind": "mae"})):
        with pytest.raises(UserError, match="must be"):
            run(given, tmp_path / "data", tmp_path / "work")
    with pytest.raises(RecipeError, match=r"loss\.kind"):
        recipe(loss={"kind": "focal"})


def test_a_model_of_another_kind_or_torn_is_refused(ranker: Path, liked: Path, tmp_path: Path) -> None:
    kind = task_kind("recommendation")
    with pytest.raises(UserError, match="recipe says otherwise"):
        kind.evaluate(ranker, liked, "test", recipe=recipe(), reporter=Listener())
    copy = shutil.copytree(ranker, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    for change, message in (
        ({"model_type": "tabular"}, "model:wrong-kind"),
        ({"network": config["network"] | {"width": 5}}, "model:wrong-weights"),
        ({"network": config["network"] | {"kind": "other"}}, "model:bad-config"),
        ({"low": "1"}, "model:bad-config"),
    ):
        (copy / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError) as caught:
            load_recommender(copy)
        assert caught.value.message_id == message
    (copy / "config.json").write_text(json.dumps(config))
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError):
        load_recommender(copy)


@pytest.mark.parametrize("given", ["[]", '["nothing like it"]', '{"user": 1, "k": 0}', '{"k": 3}', "", "[1"])
def test_questions_that_cannot_be_answered(ranker: Path, given: str) -> None:
    with pytest.raises(UserError):
        task_kind("recommendation").predict(ranker, given)

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.world import Listener, recipe, write_base, write_images
from training.errors import Canceled, UserError
from training.evaluate import evaluate
from training.finetune import finetune
from training.predict import Predictor, predict
from training.weights import load_weights, write_weights


@pytest.fixture(scope="module")
def finished(base: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("finished")
    result = finetune(recipe(), base_dir=base, data_dir=images, work_dir=work, reporter=Listener())
    return result.model_dir


def always(base: Path, folder: Path, label: int, labels: tuple[str, ...]) -> Path:
    """A model that answers `label` whatever it sees."""
    write_base(folder, labels=labels)
    state = load_weights(folder / "model.safetensors")
    state["fc.weight"] = torch.zeros_like(state["fc.weight"])
    state["fc.bias"] = torch.eye(len(labels))[label]
    write_weights(folder / "model.safetensors", state)
    return folder


def test_a_report_adds_up(finished: Path, images: Path) -> None:
    report = evaluate(finished, images, "test")
    assert report.n == 16
    assert report.labels == ["cat", "dog"]
    assert report.accuracy == sum(report.confusion[i][i] for i in range(2)) / 16 > 0.9
    assert report.lo < report.accuracy <= report.hi
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()


def test_the_same_files_give_the_same_number(finished: Path, images: Path, tmp_path: Path) -> None:
    first = evaluate(finished, images, "test")
    shutil.copytree(finished, tmp_path / "copy")
    torch.manual_seed(12345)
    assert evaluate(tmp_path / "copy", images, "test") == first


def test_one_wrong_class_by_hand(base: Path, images: Path, tmp_path: Path) -> None:
    model = always(base, tmp_path / "model", 1, ("cat", "dog"))
    report = evaluate(model, images, "test")
    assert report.confusion == [[0, 8], [0, 8]]
    assert report.accuracy == 0.5
    assert report.macro_f1 == pytest.approx(1 / 3)
    assert report.per_class_recall == {"cat": 0.0, "dog": 1.0}


def test_classes_are_matched_by_name_and_strangers_are_wrong(base: Path, tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", train=0, test=4, kinds=("cat", "yak", "dog"))
    model = always(base, tmp_path / "model", 2, ("dog", "emu", "cat"))
    report = evaluate(model, data, "test")
    assert report.labels == ["dog", "emu", "cat", "yak"]
    assert report.per_class_recall == {"dog": 0.0, "cat": 1.0, "yak": 0.0}
    assert report.accuracy == pytest.approx(1 / 3)


def test_nothing_in_common_is_refused(base: Path, images: Path, tmp_path: Path) -> None:
    model = always(base, tmp_path / "model", 0, ("ship", "car"))
    with pytest.raises(UserError, match="no class in common") as caught:
        evaluate(model, images, "test")
    assert caught.value.message_id == "data:labels-mismatch"
    with pytest.raises(UserError, match="names no labels"):
        evaluate(base, images, "test")


def test_evaluation_can_be_canceled(finished: Path, images: Path) -> None:
    with pytest.raises(Canceled):
        evaluate(finished, images, "test", reporter=Listener(0, Canceled()))


def test_prediction_ranks_every_class(finished: Path, images: Path) -> None:
    path = images / "test" / "dog" / "000.png"
    answers = predict(finished, path)
    assert [answer["label"] for answer in answers] == ["dog", "cat"]
    assert sum(answer["score"] for answer in answers) == pytest.approx(1)
    assert Predictor(finished)(path.read_bytes(), top_k=1) == answers[:1]


def test_a_broken_picture_is_told(finished: Path) -> None:
    with pytest.raises(UserError, match="The image you sent cannot be used"):
        Predictor(finished)(b"no picture")
    with pytest.raises(UserError, match=r"The image none\.png does not exist"):
        predict(finished, Path("none.png"))

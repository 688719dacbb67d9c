"""The demo's loader against a real hub, with a small budget: published once, run once, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.conftest import Yard
from training import demo
from training.democommunity import QUESTION, RECIPE, TUTORIAL, TUTORIAL_ZH, HubDoor

pytestmark = [pytest.mark.journeys, pytest.mark.timeout(300)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real weights and digits, but 32 images of 32 px for one epoch."""
    whole: Callable[..., dict[str, Any]] = demo.demo_recipe

    def recipe(base: str, data: str, init: str) -> dict[str, Any]:
        plain = whole(base, data, init)
        plain["dataset"] |= {"image_size": 32, "max_train_images": 32}
        plain["optim"] |= {"epochs": 1, "batch_size": 8}
        return plain

    monkeypatch.setattr(demo, "demo_recipe", recipe)


def test_the_demo_loads_once(
    yard: Yard, worker: object, small: None, capsys: pytest.CaptureFixture[str]
) -> None:
    hub, token = yard.hub, yard.hub.tokens["bob"]
    said: list[str] = []
    assert demo.load_demo(hub.url, token, said.append) == 0, said
    api = hub.api("bob")
    heads = {
        name: api.model_info(f"bob/{name}").sha for name in ("mobilenetv2-imagenet", "mnist-mobilenetv2")
    }
    base = api.model_info("bob/mobilenetv2-imagenet")
    assert base.safetensors is not None
    assert base.safetensors.total == 3_539_036  # 3,504,872 learned, and what batch-norm counts
    board = api.get_dataset_leaderboard("bob/mnist-5k", base_model_only=False)
    assert {row.model_id for row in board} == {"bob/mnist-mobilenetv2", "bob/mnist-from-scratch"}
    assert all(row.verified for row in board)
    assert f"leaderboard  {hub.url}/leaderboards/bob/mnist-5k" in said
    door = HubDoor(api)
    assert door.has("recipe", f"bob/{RECIPE}", "recipe.yaml")
    assert all(door.has("tutorial", f"bob/{name}", "README.md") for name in (TUTORIAL, TUTORIAL_ZH))
    threads = list(api.get_repo_discussions("bob/mobilenetv2-imagenet"))
    assert [thread.title for thread in threads] == [QUESTION]

    again: list[str] = []
    assert demo.load_demo(hub.url, token, again.append) == 0
    assert not [line for line in again if line.startswith(("publishing", "started"))]
    assert len(list(api.get_repo_discussions("bob/mobilenetv2-imagenet"))) == 1
    assert heads == {name: api.model_info(f"bob/{name}").sha for name in heads}


def test_a_token_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_TOKEN", raising=False)
        assert demo.main(["--endpoint", "http://127.0.0.1:1"]) == 2
    assert "HF_TOKEN" in capsys.readouterr().err


def test_other_weights_are_not_opened(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.pth").write_bytes(b"a pickle of somebody else")
    monkeypatch.setattr(demo, "package_file", lambda *_: tmp_path / "weights.pth")
    with pytest.raises(demo.UserError, match="not opened"):
        demo.write_backbone(tmp_path / "out", "demo/x")

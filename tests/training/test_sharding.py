"""Language models in parts (FSDP2): two processes, tiny nets, gloo; the numbers and files of one process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.training.language import test_text_generation, test_translation
from tests.training.language.world import QUESTIONS, write_base, write_chats
from tests.training.together import job, launch
from tests.training.world import Listener, recipe
from training import distributed, sharding
from training.errors import Interrupted, UserError
from training.finetune import FinetuneResult
from training.recipe import Recipe
from training.weights import load_weights

# Two processes, each of which loads torch and transformers: on busy cores minutes, once for most tests here.
pytestmark = pytest.mark.timeout(600)
# A step's rows do not go round, gradients are clipped and averaged weights published.
TALK = test_text_generation.recipe(
    strategy={"kind": "full"}, optim={"batch_size": 3, "grad_clip": 1.0, "ema": 0.8}
)
LORA = test_text_generation.recipe(optim={"batch_size": 3}, early_stopping={"patience": 2})
STAGES = test_text_generation.recipe(
    strategy={"kind": "last-stages", "stages": 2, "l2_sp": 0.01}, optim={"grad_accum_steps": 2}
)
PAIRS = test_translation.recipe(optim={"name": "sgd", "batch_size": 3})


class Places:
    """What the runs of this module read, and where they write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.llama, self.t5 = write_base(root / "llama"), test_translation.write_base(root / "t5", "t5")
        self.talk, self.pairs = write_chats(root / "talk"), root / "pairs"
        write_chats(self.talk, split="test")
        rows = [{"source": source, "target": target} for source, target in QUESTIONS]
        for split in ("train", "test"):
            write_chats(self.pairs, rows, split)

    def of(self, given: Recipe) -> tuple[Path, Path]:
        return (self.t5, self.pairs) if given.task == "translation" else (self.llama, self.talk)

    def run(self, given: Recipe, work: Path, listener: Listener) -> FinetuneResult:
        base, data = self.of(given)
        return test_text_generation.run(given, base, data, work, listener)


RUNS = {"talk": TALK, "lora": LORA, "stages": STAGES, "pairs": PAIRS}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("places"))


@pytest.fixture(scope="module")
def seen(places: Places) -> dict[str, list[dict[str, Any]]]:
    two = places.root / "two"
    with pytest.raises(Interrupted):
        places.run(TALK, two / "goes-on", Listener(2, Interrupted()))
    jobs = [job(name, given, *places.of(given), two / name) for name, given in RUNS.items()]
    jobs += [
        job("goes-on", TALK, *places.of(TALK), two / "goes-on"),
        job("cut", TALK, *places.of(TALK), two / "cut", stop_at=4, ending="interrupted"),
    ]
    return launch(jobs, places.root / "seen", mode="fsdp")


def losses(listener: Listener) -> list[float]:
    return [loss for _, loss in listener.losses()]


@pytest.mark.parametrize("name", sorted(RUNS))
def test_nets_in_parts_learn_what_whole_ones_do(
    places: Places, seen: dict[str, list[dict[str, Any]]], tmp_path: Path, name: str
) -> None:
    listener = Listener()
    expected = places.run(RUNS[name], tmp_path, listener)
    first, second = seen[name]
    assert first["error"] is None
    assert [loss for _, loss in first["losses"]] == pytest.approx(losses(listener), rel=1e-5)
    assert first["metrics"] == second["metrics"] == pytest.approx(expected.metrics, rel=1e-4)
    ours, theirs = expected.model_dir, places.root / "two" / name / "model"
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    assert [
        path.name for path in ours.glob("*.json") if path.read_bytes() != (theirs / path.name).read_bytes()
    ] == []
    for path in ours.glob("*.safetensors"):
        one, other = load_weights(path), load_weights(theirs / path.name)
        assert list(one) == list(other)
        for key, tensor in one.items():
            assert torch.allclose(tensor, other[key], atol=1e-4), key


def test_checkpoints_know_nothing_of_parts(
    places: Places, seen: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    whole, rest = Listener(), Listener()
    expected = places.run(TALK, tmp_path, whole)
    result = places.run(TALK, places.root / "two" / "cut", rest)
    assert "Resuming after step 4 of 6." in rest.logs
    assert [loss for _, loss in seen["cut"][0]["losses"]] + losses(rest) == pytest.approx(
        losses(whole), rel=1e-5
    )
    assert result.metrics == pytest.approx(expected.metrics, rel=1e-4)
    assert "Resuming after step 2 of 6." in seen["goes-on"][0]["logs"]
    went_on = [loss for _, loss in seen["goes-on"][0]["losses"]]
    assert went_on == pytest.approx(losses(whole)[2:], rel=1e-5)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (recipe(), "task: image-classification (only with text-generation, translation, summarization)"),
        (
            test_text_generation.recipe(strategy={"kind": "lora", "lora": {"base_precision": "int8"}}),
            "strategy.lora.base_precision: int8",
        ),
    ],
)
def test_what_cannot_be_parted_is_told(given: Recipe, reason: str) -> None:
    with pytest.raises(UserError, match="--parallel fsdp does not work with") as caught:
        sharding.require_possible(given, distributed.World(0, 2, "fsdp"))
    assert reason in caught.value.message
    sharding.require_possible(given, distributed.World(0, 2, "auto"))


def test_a_net_is_parted_when_a_gpu_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, gradients and Adam's moments take 16 bytes a number: 1,600 of a card's 4,000, and of 3,000."""
    net = nn.Linear(10, 10, bias=False)
    assert sharding.state_bytes(net) == 1600
    card = dataclasses.make_dataclass("Card", ["total_memory"])
    cuda = torch.device("cuda")
    for mode, memory, is_parted in (("auto", 4000, False), ("auto", 3000, True), ("ddp", 3000, False)):
        monkeypatch.setattr(distributed, "_world", distributed.World(0, 2, mode))
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _, held=memory: card(held))
        assert sharding.wanted(TALK, net, cuda) is is_parted
    assert not sharding.wanted(TALK, net, torch.device("cpu"))
    monkeypatch.setattr(distributed, "_world", distributed.World(0, 1, "auto"))
    assert not sharding.wanted(TALK, net, cuda)

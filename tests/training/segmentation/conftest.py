"""What tests of segmentation share, made once; tests never change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.segmentation.world import masked, run, write_scenes
from tests.training.world import write_base
from training.finetune import FinetuneResult


@pytest.fixture(scope="session")
def image_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain image net: timm's smallest EfficientNet."""
    return write_base(tmp_path_factory.mktemp("image-net"), "test_efficientnet")


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="session")
def learned(image_net: Path, squares: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneResult:
    """A whole net that has learned the squares."""
    return run(masked(optim={"epochs": 8}), image_net, squares, tmp_path_factory.mktemp("learned"))

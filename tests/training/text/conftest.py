"""The tiny encoder and its data, made once; tests never change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.text.world import write_addresses, write_encoder, write_reviews


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def reviews_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("reviews"))


@pytest.fixture(scope="session")
def addresses_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_addresses(tmp_path_factory.mktemp("addresses"))

"""The tiny language world on disk, made once; tests never change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.language.world import write_base, write_chats


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train` and `test` hold the same conversations: what is asked is whether they are learnt."""
    folder = tmp_path_factory.mktemp("talk")
    write_chats(folder, split="test")
    return write_chats(folder)

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.text.world import write_tokenizer
from training.text.basefiles import load_tokenizer
from training.text.batching import (
    IGNORED,
    TextBatches,
    TokenFeatures,
    length_order,
    tokenize_texts,
    tokenize_words,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return load_tokenizer(folder)


def test_a_batch_is_as_long_as_its_longest_text(tokenizer: object) -> None:
    flat = tokenize_texts(tokenizer, ["the tea", "the tea was lovely", "tea"], None, 16)
    batches = TextBatches(flat, 0, torch.tensor([0, 1, 0]))
    inputs, targets = batches.take(torch.tensor([2, 0]), CPU)
    assert inputs["input_ids"].tolist() == [[2, 14, 3, 0], [2, 13, 14, 3]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert targets.tolist() == [0, 0]
    assert flat.ids.dtype == np.int32


def test_what_is_too_long_is_counted(tokenizer: object) -> None:
    flat = tokenize_texts(tokenizer, ["the tea was lovely today", "tea"], None, 5)
    assert (flat.cut, flat.lengths.tolist()) == (1, [5, 3])


def test_pairs_know_which_text_is_which(tokenizer: object) -> None:
    flat = tokenize_texts(tokenizer, ["the tea"], ["lovely"], 16)
    inputs, _ = TextBatches(flat, 0, torch.tensor([0])).take(torch.tensor([0]), CPU)
    assert inputs["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1]]


def test_the_first_token_of_a_word_carries_its_tag(tokenizer: object) -> None:
    flat = tokenize_words(tokenizer, [["12", "oak", "road"], ["york"]], [[5, 6, 7], [8]], 16)
    _, targets = TextBatches(flat, 0).take(torch.tensor([0, 1]), CPU)
    no = IGNORED
    assert targets.tolist() == [[no, 5, no, 6, 7, no], [no, 8, no, no, no, no]]


def test_words_behind_the_cut_are_counted(tokenizer: object) -> None:
    flat = tokenize_words(tokenizer, [["12", "oak", "road"], ["york"]], [[5, 6, 7], [8]], 5)
    assert (flat.cut, flat.lost_words) == (1, 1)


def test_features_of_words_keep_their_place(tokenizer: object) -> None:
    flat = tokenize_words(tokenizer, [["12", "oak"], ["york"], ["a", "b", "c"]], [[0, 1], [2], [3, 4, 5]], 16)
    table = torch.arange(6.0).unsqueeze(1)
    features, targets = TokenFeatures(table, flat).take(torch.tensor([2, 1]), CPU)
    assert targets.tolist() == [[3, 4, 5], [2, IGNORED, IGNORED]]
    assert features[..., 0].tolist() == [[3.0, 4.0, 5.0], [2.0, 0.0, 0.0]]


@pytest.mark.parametrize("n", [1, 7, 64, 1000])
def test_the_order_is_a_permutation_of_even_batches(n: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, n)
    order = length_order(lengths, 8, seed=3, epoch=1)
    assert sorted(order.tolist()) == list(range(n))
    assert torch.equal(order, length_order(lengths, 8, seed=3, epoch=1))
    if n > 8:
        assert not torch.equal(order, length_order(lengths, 8, seed=3, epoch=2))
        assert not torch.equal(order, length_order(lengths, 8, seed=4, epoch=1))


def test_the_order_saves_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 800)
    shuffled = torch.randperm(800, generator=torch.Generator().manual_seed(0))

    def padded(order: torch.Tensor) -> int:
        return sum(int(lengths[part.numpy()].max()) * len(part) for part in order.split(16))

    assert padded(length_order(lengths, 16, 0, 0)) < 1.1 * lengths.sum() < 0.65 * padded(shuffled)


def test_fingerprints_tell_rows_apart(tokenizer: object) -> None:
    def of(texts: list[str], targets: list[int]) -> str:
        return TextBatches(tokenize_texts(tokenizer, texts, None, 16), 0, torch.tensor(targets)).fingerprint()

    assert of(["tea", "dog"], [0, 1]) == of(["tea", "dog"], [0, 1])
    assert len({of(["tea", "dog"], [0, 1]), of(["dog", "tea"], [0, 1]), of(["tea", "dog"], [1, 1])}) == 3

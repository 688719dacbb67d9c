"""What config.json tells of a model: a few keys, whatever else is in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_app.content.model_config import loader_of, summary_of


def test_only_what_loaders_choose_by_is_kept() -> None:
    text = json.dumps({"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": 768})
    assert summary_of(text.encode()) == {"architectures": ["BertForMaskedLM"], "model_type": "bert"}


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"model_type": null}', b'{"auto_map": NaN}'],
)
def test_what_is_no_configuration_tells_nothing(text: bytes) -> None:
    assert summary_of(text) == {}


@pytest.mark.parametrize("names", ["BertModel", [1], ["x"] * 21, ["x" * 201], {"a": "b"}])
def test_architectures_are_a_short_list_of_names(names: object) -> None:
    found = summary_of(json.dumps({"architectures": names, "model_type": "bert"}).encode())
    assert found == {"model_type": "bert"}


def test_what_is_too_long_is_left_out() -> None:
    assert summary_of(json.dumps({"auto_map": {"x": "y" * 5000}}).encode()) == {}


@pytest.mark.parametrize(
    ("architectures", "loader"),
    [
        (["BertForSequenceClassification"], "AutoModelForSequenceClassification"),
        (["LlamaForCausalLM", "LlamaModel"], "AutoModelForCausalLM"),
        (["GPT2LMHeadModel"], "AutoModelForCausalLM"),
        (["T5ForConditionalGeneration"], "AutoModelForSeq2SeqLM"),
        (["BertModel"], "AutoModel"),
        ([], "AutoModel"),
    ],
)
def test_the_loader_follows_from_the_architecture(architectures: list[str], loader: str) -> None:
    assert loader_of({"architectures": architectures}) == loader


@given(st.binary(max_size=300))
def test_no_bytes_break_it(text: bytes) -> None:
    assert loader_of(summary_of(text)).startswith("AutoModel")

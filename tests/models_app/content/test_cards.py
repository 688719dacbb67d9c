"""Cards: the block at the top, what is told of a bad one, and the words clients match."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_app.content.cards import EMPTY_METADATA, MAX_CARD_CHARS, parse_card, validate_card


def card(metadata: str) -> str:
    return f"---\n{metadata}\n---\n# Title\n"


def test_metadata_and_body_are_parted() -> None:
    found = parse_card(card("license: mit\ntags: [a, b]"))
    assert found.metadata == {"license": "mit", "tags": ["a", "b"]}
    assert (found.body, found.problems) == ("# Title\n", [])


@pytest.mark.parametrize(
    "text", ["\ufeff---\na: 1\n---\nx", "\n\n---\r\na: 1\r\n---\r\nx", "---\na: 1\n---  \nx"]
)
def test_what_editors_leave_around_the_block_is_forgiven(text: str) -> None:
    assert parse_card(text).metadata == {"a": 1}
    assert parse_card(text).body == "x"


@pytest.mark.parametrize(
    "text", ["", "# Only text", "---\nnever closed", "text\n---\na: 1\n---\n", "---\n---\nx"]
)
def test_without_a_block_there_is_no_metadata_and_no_problem(text: str) -> None:
    found = parse_card(text)
    assert (found.metadata, found.problems) == ({}, [])


def test_a_bad_block_is_told_and_the_body_kept() -> None:
    found = parse_card(card("a: [1"))
    assert found.metadata == {}
    assert found.body == "# Title\n"
    assert found.problems[0].startswith("The metadata is not valid YAML")
    assert parse_card(card("- a")).problems == ["The metadata must be a mapping of names to values."]


def test_a_huge_card_is_cut_and_told() -> None:
    found = parse_card("x" * (MAX_CARD_CHARS + 5))
    assert len(found.body) == MAX_CARD_CHARS
    assert found.problems == ["The card is larger than 1 MiB; the rest is not shown."]


def test_a_sound_card_has_neither_errors_nor_warnings() -> None:
    text = card(
        "license: apache-2.0\nlanguage: [en, zh-Hans, no, code]\ntags: [vision]\nlibrary_name: timm\n"
        "pipeline_tag: image-classification\nbase_model: demo/net\nbase_model_relation: finetune\n"
        "datasets: demo/mnist-5k\nmetrics: [accuracy]\n"
        "model-index:\n- name: n\n  results:\n  - task: {type: image-classification}\n"
        "    dataset: {type: mnist, name: MNIST}\n    metrics: [{type: accuracy, value: 0.9}]"
    )
    assert validate_card(text) == ([], [])


@pytest.mark.parametrize("text", ["# Hi", "---\n---\nx", ""])
def test_a_card_without_metadata_is_warned_about(text: str) -> None:
    assert validate_card(text) == ([], [EMPTY_METADATA])


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ("license: asdf", '"license" must be one of [apache-2.0, mit, '),
        ("license: 3", '"license" must be an array'),
        ("language: EN", '"language" must only contain lowercase characters'),
        ("language: [english]", '"language[0]" with value "english" is not valid. It must be an ISO 639-1'),
        ("tags: vision", '"tags" must be an array'),
        ("tags: [1]", '"tags[0]" must be a string'),
        ("library_name: [a]", '"library_name" must be a string'),
        ("base_model: a b", '"base_model" with value "a b" is not a valid model id'),
        ("base_model_relation: cousin", '"base_model_relation" must be one of [finetune, adapter,'),
        ("model-index: 1", '"model-index" must be an array'),
        ("model-index: [{}]", '"model-index[0].name" is required'),
        ("model-index: [{name: x}]", '"model-index[0].results" must be an array'),
        ("model-index: [{name: x, results: [{}]}]", '"model-index[0].results[0].task.type" is required'),
        ("a: [1", "The metadata is not valid YAML"),
        ("- a", "The metadata must be a mapping"),
    ],
)
def test_wrong_metadata_is_an_error_in_the_public_hubs_words(metadata: str, error: str) -> None:
    errors, _ = validate_card(card(metadata))
    assert any(found.startswith(error) for found in errors), errors


def test_unknown_tasks_are_only_warned_about() -> None:
    errors, warnings = validate_card(card("pipeline_tag: juggling"))
    assert errors == []
    assert warnings[0].startswith(
        'The pipeline tag "juggling" is not in the official list: text-classification,'
    )
    errors, warnings = validate_card(card("task_categories: [juggling]"), "dataset")
    assert errors == []
    assert warnings[0].startswith('The task_categories[0] "juggling" is not in the official list')


def test_datasets_have_their_own_rules() -> None:
    text = card("size_categories: huge\ndataset_info: 3\nviewer: maybe\npipeline_tag: 7")
    errors, _ = validate_card(text, "dataset")
    assert [error.split(" must")[0] for error in errors] == [
        '"size_categories"',
        '"dataset_info"',
        '"viewer"',
    ]


def test_a_thousand_mistakes_are_told_by_the_first_fifty() -> None:
    errors, _ = validate_card(card(f"tags: [{'1, ' * 1000}]"))
    assert len(errors) == 50


def test_license_other_asks_for_its_name() -> None:
    assert validate_card(card("license: other"))[1] == [
        '"license_name" should name the licence when "license" is other'
    ]
    assert validate_card(card("license: other\nlicense_name: house"))[1] == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["license", "language", "tags", "model-index", "base_model", "configs", "datasets", "viewer"]
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_NAMES, _JSON), st.sampled_from(["model", "dataset", "space"]))
def test_no_metadata_makes_validation_fail(metadata: dict[str, object], repo_type: str) -> None:
    import json

    errors, warnings = validate_card(card(json.dumps(metadata)), repo_type)
    assert all(isinstance(text, str) and text for text in errors + warnings)

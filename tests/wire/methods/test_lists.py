"""Lists: every filter the client has, every sort, pages, single properties."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import (
    DatasetSort_T,
    ExpandDatasetProperty_T,
    ExpandModelProperty_T,
    ExpandSpaceProperty_T,
    ModelSort_T,
    SpaceSort_T,
)

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire
MODEL_CARD = """---
license: mit
library_name: timm
pipeline_tag: image-classification
language: [fr, en]
tags: [NAME, tensorboard]
datasets: [squad]
co2_eq_emissions: {emissions: 17}
---
# A net
"""
DATASET_CARD = """---
language: [en, fr]
language_creators: [crowdsourced]
multilinguality: [multilingual]
size_categories: [100K<n<1M]
task_categories: [audio-classification]
task_ids: [natural-language-inference]
tags: [NAME]
---
# Data
"""


def with_card(api: Any, name: str, card: str, kind: str = "model", **words: str) -> str:
    repo_id = api.create_repo(name, repo_type=kind, **words).repo_id
    text = card.replace("NAME", name).encode()
    api.upload_file(path_or_fileobj=text, path_in_repo="README.md", repo_id=repo_id, repo_type=kind)
    return str(repo_id)


@tries("list_models")
def test_models_by_everything(people: People, unique: str) -> None:
    api = people()
    model = with_card(api, unique, MODEL_CARD)
    config = b'{"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": 8}'
    api.upload_file(path_or_fileobj=config, path_in_repo="config.json", repo_id=model)
    for words in (
        {"search": unique},
        {"filter": unique},
        {"filter": [unique, "fr", "timm"]},
        {"filter": (unique, "image-classification", "license:mit", "tensorboard")},
        {"filter": unique, "pipeline_tag": "image-classification"},
        {"filter": unique, "trained_dataset": "squad"},
        {"filter": unique, "gated": False},
        {"filter": unique, "author": "ALICE"},
        {"filter": unique, "emissions_thresholds": (1, 100), "cardData": True},
    ):
        assert [found.id for found in api.list_models(**words)] == [model], words
    for words in (
        {"filter": "dummytag"},
        {"filter": unique, "gated": True},
        {"filter": unique, "author": "bob"},
        {"filter": unique, "apps": "ollama"},
        {"filter": unique, "inference": "warm"},
        {"filter": unique, "inference_provider": "all"},
        {"filter": unique, "num_parameters": "min:6B,max:128B"},
    ):
        assert list(api.list_models(**words)) == [], words
    (plain,) = api.list_models(filter=unique)
    assert (plain.card_data, plain.config, plain.siblings) == (None, None, None)
    assert (plain.pipeline_tag, plain.library_name) == ("image-classification", "timm")
    (whole,) = api.list_models(filter=unique, full=True, cardData=True, fetch_config=True)
    assert whole.card_data.license == "mit"
    assert whole.config == {"architectures": ["BertForMaskedLM"], "model_type": "bert"}
    assert api.model_info(model).config == whole.config
    assert "README.md" in [file.rfilename for file in whole.siblings]


@tries("list_datasets")
def test_datasets_by_everything(people: People, unique: str) -> None:
    api = people()
    data = with_card(api, unique, DATASET_CARD, "dataset")
    for words in (
        {"dataset_name": unique, "author": "alice"},
        {"language": "en"},
        {"language": ("en", "fr")},
        {"language_creators": "crowdsourced"},
        {"multilinguality": "multilingual"},
        {"size_categories": "100K<n<1M"},
        {"task_categories": "audio-classification"},
        {"task_ids": "natural-language-inference"},
        {"gated": False},
        {"search": unique},
    ):
        assert [found.id for found in api.list_datasets(filter=unique, **words)] == [data], words
    assert list(api.list_datasets(filter=unique, benchmark=True)) == []
    (found,) = api.list_datasets(filter=unique, full=True)
    assert found.card_data is not None
    assert {"language:en", "language:fr", "size_categories:100K<n<1M"} <= set(found.tags)
    assert next(iter(api.list_datasets(filter=unique))).card_data is None


@tries("list_spaces", "search_spaces")
def test_spaces_by_everything(people: People, unique: str) -> None:
    api = people()
    uses = f"models: [a/{unique}]\ndatasets: [b/{unique}]"
    card = f"---\nsdk: static\ntitle: Draw {unique}\n{uses}\n---\n# Words\n"
    space = with_card(api, unique, card, "space", space_sdk="static")
    for words in (
        {"models": f"a/{unique}"},
        {"datasets": f"b/{unique}"},
        {"linked": True},
        {"filter": "static"},
    ):
        assert space in [found.id for found in api.list_spaces(author="alice", **words)], words
    (plain,) = api.list_spaces(search=unique)
    assert plain.models is None
    (linked,) = api.list_spaces(search=unique, linked=True)
    assert (linked.models, linked.datasets) == ([f"a/{unique}"], [f"b/{unique}"])
    found = next(iter(api.search_spaces(f"draw {unique}", sdk=["static"], include_non_running=True)))
    assert (found.id, found.author, found.title, found.sdk) == (space, "alice", f"Draw {unique}", "static")
    assert found.semantic_relevancy_score > 0
    assert found.runtime.stage == "STOPPED"


@tries("list_models", "list_datasets", "list_spaces")
@pytest.mark.parametrize(
    ("kind", "sorts", "properties"),
    [
        ("model", ModelSort_T, ExpandModelProperty_T),
        ("dataset", DatasetSort_T, ExpandDatasetProperty_T),
        ("space", SpaceSort_T, ExpandSpaceProperty_T),
    ],
)
def test_every_sort_and_property_is_taken(
    people: People, unique: str, kind: str, sorts: Any, properties: Any
) -> None:
    api = people()
    asks = {"model": api.list_models, "dataset": api.list_datasets, "space": api.list_spaces}
    ask, sdk = asks[kind], {"space_sdk": "gradio"} if kind == "space" else {}
    made = [api.create_repo(f"{unique}-{number}", repo_type=kind, **sdk).repo_id for number in range(3)]
    for sort in get_args(sorts):
        assert {found.id for found in ask(search=unique, sort=sort)} == set(made), sort
    assert [found.id for found in ask(search=unique, sort="created_at", limit=2)] == [made[2], made[1]]
    with pytest.raises(HfHubHTTPError) as refusal:
        list(ask(expand=["foo"]))
    assert refusal.value.response.status_code == 400
    known = re.findall(r'"(\w[\w-]*)"', str(refusal.value).partition("expected one of ")[2])
    assert set(known) - {"xetEnabled"} == set(get_args(properties))
    for name in get_args(properties):
        assert [found.id for found in ask(search=unique, expand=[name], limit=1)] != [], name
    (only,) = ask(search=unique, expand=["author"], limit=1)
    assert (only.author, only.created_at, only.last_modified, only.tags) == ("alice", None, None, None)


@tries("get_model_tags", "get_dataset_tags")
def test_tags_in_use(people: People, unique: str) -> None:
    api = people()
    with_card(api, unique, MODEL_CARD)
    with_card(api, unique, DATASET_CARD, "dataset")
    assert {"id": unique, "label": unique, "type": "other"} in api.get_model_tags()["other"]
    assert unique in [tag["id"] for tag in api.get_dataset_tags()["other"]]


@tries("get_dataset_leaderboard")
def test_leaderboards(people: People, unique: str) -> None:
    api = people()
    data = api.create_repo(unique, repo_type="dataset").repo_id
    task = "name: Digits\nevaluation_framework: none\ntasks:\n  - id: main\n    name: Main\n"
    api.upload_file(
        path_or_fileobj=task.encode(), path_in_repo="eval.yaml", repo_id=data, repo_type="dataset"
    )
    assert api.get_dataset_leaderboard(data) == api.get_dataset_leaderboard(data, base_model_only=False) == []
    with pytest.raises(RepositoryNotFoundError):
        api.get_dataset_leaderboard(f"{data}-not")

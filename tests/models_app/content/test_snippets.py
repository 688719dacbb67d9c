"""Snippets are complete programs: Python that parses, shell that one can paste."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace

import pytest

from models_app.content.snippets import Snippet, Subject, snippets_for

NET = Subject("model", "alice/net", "/alice/net", "http://hub.example:8000", has_config=True)


def by_key(subject: Subject) -> dict[str, Snippet]:
    return {snippet.key: snippet for snippet in snippets_for(subject)}


@pytest.mark.parametrize(
    "library",
    ["transformers", "timm", "torchvision", "peft", "keras", "sentence-transformers", "diffusers"],
)
@pytest.mark.parametrize("tag", ["", "text-generation", "image-classification", "audio-classification"])
@pytest.mark.parametrize("locked", [False, True])
def test_every_library_has_python_that_parses_and_asks_this_hub_first(
    library: str, tag: str, locked: bool
) -> None:
    token = 'my "laptop"\nimport evil' if locked else ""
    subject = replace(NET, library=library, pipeline_tag=tag, needs_login=locked, token=token)
    found = by_key(subject)
    assert library in found
    for snippet in found.values():
        if snippet.language == "python":
            tree = ast.parse(snippet.text)
            assert "http://hub.example:8000" in ast.unparse(tree.body[1])
            assert not any("evil" in ast.unparse(node) for node in tree.body)
            assert ("HF_TOKEN" in snippet.text) is locked


def test_a_library_nobody_knows_has_only_the_ways_to_fetch() -> None:
    found = by_key(replace(NET, library="spacy"))
    assert list(found) == ["hub", "cli", "git", "curl"]
    assert found["git"].text.endswith("git clone http://hub.example:8000/alice/net")


def test_a_dataset_is_loaded_as_one() -> None:
    data = Subject("dataset", "alice/digits", "/datasets/alice/digits", "http://hub.example")
    found = by_key(data)
    assert 'load_dataset("alice/digits")' in found["datasets"].text
    assert found["cli"].text.endswith("hf download alice/digits --repo-type dataset")
    assert 'repo_type="dataset"' in found["hub"].text
    assert "tune" not in found


def test_shell_snippets_can_be_split_whatever_the_branch_is_called() -> None:
    found = by_key(replace(NET, branch="it's $(odd); rm", can_tune=True))
    words = shlex.split(found["curl"].text)
    assert words[-1] == "http://hub.example:8000/alice/net/resolve/it's $(odd); rm/config.json"
    body = json.loads(shlex.split(found["tune"].text, comments=True)[-1])
    assert body["recipe"]["base_model"]["repo"] == "alice/net"
    assert body["target"] == "you/net-tuned"


def test_a_login_is_told_by_the_name_of_the_token() -> None:
    found = by_key(replace(NET, needs_login=True, token="laptop"))
    assert all("your token 'laptop'" in snippet.text for snippet in found.values())
    assert "hf auth login" in found["cli"].text
    plain = by_key(NET)
    assert not any("HF_TOKEN" in snippet.text for snippet in plain.values())


def test_an_adapter_names_its_base() -> None:
    found = by_key(replace(NET, library="peft", base="lab/base", pipeline_tag="text-generation"))
    assert "# an adapter of lab/base" in found["peft"].text
    assert "AutoPeftModelForCausalLM" in found["peft"].text

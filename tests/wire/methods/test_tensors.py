"""What the client reads of weights without downloading them; pictures for discussions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    NotASafetensorsRepoError,
    SafetensorsParsingError,
)
from safetensors.numpy import save

from tests.wire.methods.register import People, tries
from tests.wire.test_attachments import png

pytestmark = pytest.mark.wire
ONE = save({"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float16)}, metadata={"format": "np"})
TWO = save({"c": np.zeros((2, 2), np.float32)})


def put(api: Any, repo_id: str, path: str, content: bytes) -> None:
    api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id)


@tries("get_safetensors_metadata", "parse_safetensors_file_metadata")
def test_weights_in_one_file(people: People, model: str) -> None:
    api = people()
    with pytest.raises(NotASafetensorsRepoError):
        api.get_safetensors_metadata(model)
    put(api, model, "model.safetensors", ONE)
    put(api, model, "other.bin", b"x" * 100)
    told = api.get_safetensors_metadata(model)
    assert (told.sharded, told.metadata, told.parameter_count) == (False, None, {"F32": 12, "F16": 5})
    assert told.weight_map == {"a": "model.safetensors", "b": "model.safetensors"}
    file = api.parse_safetensors_file_metadata(model, "model.safetensors", revision="main")
    assert file.metadata == {"format": "np"}
    assert (file.tensors["a"].shape, file.tensors["a"].dtype) == ([3, 4], "F32")
    with pytest.raises(SafetensorsParsingError):
        api.parse_safetensors_file_metadata(model, "other.bin")


@tries("get_safetensors_metadata", "get_sharded_safetensors_metadata")
def test_weights_in_shards(people: People, model: str) -> None:
    api = people()
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    weights = {"a": first, "b": first, "c": second}
    index = json.dumps({"metadata": {"total_size": 74}, "weight_map": weights}).encode()
    for folder in ("", "unet/"):
        put(api, model, f"{folder}{first}", ONE)
        put(api, model, f"{folder}{second}", TWO)
        put(api, model, f"{folder}model.safetensors.index.json", index)
    told = api.get_safetensors_metadata(model)
    assert (told.sharded, told.metadata, told.weight_map) == (True, {"total_size": 74}, weights)
    assert told.parameter_count == {"F32": 16, "F16": 5}
    assert api.get_sharded_safetensors_metadata(model) == told
    inner = api.get_sharded_safetensors_metadata(model, filename="unet/model.safetensors.index.json")
    assert inner.files_metadata == told.files_metadata
    api.update_repo_settings(model, gated="auto")
    with pytest.raises(GatedRepoError):
        people("carol").get_sharded_safetensors_metadata(model)


@tries("get_sharded_safetensors_metadata")
@pytest.mark.parametrize(
    ("index", "status", "words"),
    [
        (None, 404, "does not exist"),
        ("{", 400, "is no index of safetensors shards"),
        ('{"weight_map": {"a": 1}}', 400, "is no index of safetensors shards"),
        ('{"weight_map": {"a": "none.safetensors"}}', 404, "none.safetensors does not exist"),
        ('{"weight_map": {"a": "../../x"}}', 404, "does not exist"),
        ('{"weight_map": {"a": ".gitattributes"}}', 400, "The header is longer than the file"),
        (json.dumps({"weight_map": {str(n): f"{n}.safetensors" for n in range(201)}}), 400, "at most 200"),
    ],
)
def test_an_index_that_leads_nowhere(
    people: People, model: str, index: str | None, status: int, words: str
) -> None:
    api = people()
    if index is not None:
        put(api, model, "model.safetensors.index.json", index.encode())
    with pytest.raises(HfHubHTTPError, match=words) as refusal:
        api.get_sharded_safetensors_metadata(model)
    assert refusal.value.response.status_code == status


@tries("upload_attachment")
def test_a_picture_for_a_discussion(people: People, tmp_path: Path) -> None:
    (tmp_path / "curve.png").write_bytes(png())
    url = people().upload_attachment(tmp_path / "curve.png")
    assert str(url).startswith(f"{people.hub.url}/uploads/")

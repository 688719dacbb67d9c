"""Cards, lists, datasets and leaderboards, told by the unmodified stock client."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from huggingface_hub import (
    EvalResultEntry,
    ModelCard,
    constants,
    eval_result_entries_to_yaml,
)
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from pyarrow import parquet
from safetensors.numpy import save

from tests.live import LiveHub

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("quiet")]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def endpoint(hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module-level helpers of the client read the endpoint from its constants."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    return hub.url


SCRIPT = """
import sys
from huggingface_hub import HfApi, ModelCard, ModelCardData, metadata_update
name = sys.argv[1]
repo_id = HfApi().create_repo(name).repo_id
data = ModelCardData(
    license="apache-2.0", language="en", library_name="timm", pipeline_tag="image-classification",
    tags=[f"tag-{name}"], base_model="demo/none", datasets=["demo/mnist-5k"],
)
card = ModelCard(f"---\\n{data.to_yaml()}\\n---\\n\\n# Net\\n\\nA net that reads 手写数字.\\n")
card.validate()
card.push_to_hub(repo_id)
metadata_update(repo_id, {"license": "mit"}, overwrite=True)
assert ModelCard.load(repo_id).data.license == "mit"
"""


def test_a_pushed_card_is_found_by_what_it_says(hub: LiveHub, unique: str, client_home: Path) -> None:
    # The client's module-level helpers know the hub by the environment alone, as on a user's machine.
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.tokens["alice"]}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, unique], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    api, repo_id = hub.api(), f"alice/{unique}"
    (found,) = api.list_models(filter=[f"tag-{unique}", "license:mit"], full=True, cardData=True)
    assert (found.id, found.pipeline_tag, found.library_name) == (repo_id, "image-classification", "timm")
    assert found.card_data.license == "mit"
    assert {"README.md", ".gitattributes"} == {sibling.rfilename for sibling in found.siblings}
    assert [m.id for m in api.list_models(search="手写数字", filter=f"tag-{unique}")] == [repo_id]
    assert [m.id for m in api.list_models(search=unique, author="alice")] == [repo_id]
    info = api.model_info(repo_id, expand=["baseModels", "cardData", "tags", "downloads"])
    assert info.base_models["models"][0]["id"] == "demo/none"
    assert {"dataset:demo/mnist-5k", "base_model:finetune:demo/none", "en"} <= set(info.tags)


def test_a_bad_card_is_refused_before_anything_is_committed(hub: LiveHub, unique: str, endpoint: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    with pytest.raises(ValueError, match=r'- Error: "license" must be one of \[apache-2\.0'):
        ModelCard("---\nlicense: asdf\n---\n").validate()
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
        api.upload_file(path_or_fileobj=b"---\ntags: 3\n---\n", path_in_repo="README.md", repo_id=repo_id)
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.upload_file(path_or_fileobj=b"# Hi\n", path_in_repo="README.md", repo_id=repo_id)


def test_pages_of_a_long_list_are_followed(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    ids = {api.create_repo(f"{unique}-{number}", private=number == 0).repo_id for number in range(5)}
    assert {m.id for m in api.list_models(search=unique, limit=None)} == ids
    assert len(list(api.list_models(search=unique, limit=3))) == 3
    seen = [m.id for m in api.list_models(author="alice", sort="created_at", limit=None)]
    assert ids <= set(seen)
    assert len(seen) == len(set(seen))
    assert len(list(hub.api("bob").list_models(search=unique))) == 4
    assert len(list(hub.api(None).list_models(search=unique))) == 4
    with pytest.raises(BadRequestError, match="Cannot sort by 'beauty'"):
        list(api.list_models(sort="beauty"))


def test_weights_sent_through_xet_are_counted(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    weights = save({"a": np.zeros((256, 300), np.float32), "b": np.zeros(7, np.float16)})
    api.upload_file(path_or_fileobj=weights, path_in_repo="model.safetensors", repo_id=repo_id)
    info = api.model_info(repo_id)
    assert (info.safetensors.total, info.safetensors.parameters) == (76_807, {"F32": 76_800, "F16": 7})
    assert info.used_storage > len(weights)


def test_a_dataset_in_parquet_is_looked_into(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique, repo_type="dataset").repo_id
    buffer = io.BytesIO()
    images = [{"bytes": PNG + bytes([i]), "path": None} for i in range(30)]
    parquet.write_table(pa.table({"image": images, "label": [i % 3 for i in range(30)]}), buffer)
    api.upload_file(
        path_or_fileobj=buffer.getvalue(), path_in_repo="data/train-0.parquet", repo_id=repo_id,
        repo_type="dataset",
    )  # fmt: skip
    preview = json.loads(
        hub.manage(
            "shell",
            "-v",
            "0",
            "-c",
            "import json; from models_app.models import RepoCard;"
            f"print(json.dumps(RepoCard.objects.get(repo__name='{unique}').preview))",
        )
    )
    assert preview["problems"] == []
    assert preview["splits"] == [{"name": "train", "rows": 30}]
    assert [row["count"] for row in preview["classes"]] == [10, 10, 10]
    assert len(preview["images"]) == 24


def test_results_pushed_as_files_are_ranked(hub: LiveHub, unique: str) -> None:
    import yaml

    api = hub.api()
    dataset = api.create_repo(f"{unique}-bench", repo_type="dataset").repo_id
    with pytest.raises(HfHubHTTPError, match="has no leaderboard"):
        api.get_dataset_leaderboard(dataset)
    api.upload_file(
        path_or_fileobj=b"tasks:\n- {id: digits}\n",
        path_in_repo="eval.yaml",
        repo_id=dataset,
        repo_type="dataset",
    )
    for name, value in (("worse", 0.7), ("better", 0.9)):
        model = api.create_repo(f"{unique}-{name}").repo_id
        entry = EvalResultEntry(dataset_id=dataset, task_id="digits", value=value, verify_token="forged")
        content = yaml.dump(eval_result_entries_to_yaml([entry])).encode()
        api.upload_file(path_or_fileobj=content, path_in_repo=".eval_results/d.yaml", repo_id=model)
    board = api.get_dataset_leaderboard(dataset)
    assert [(row.rank, row.model_id, row.value, row.verified) for row in board] == [
        (1, f"alice/{unique}-better", 0.9, False),
        (2, f"alice/{unique}-worse", 0.7, False),
    ]
    (result,) = api.model_info(f"alice/{unique}-better", expand=["evalResults"]).eval_results
    assert (result.dataset_id, result.task_id, result.value) == (dataset, "digits", 0.9)

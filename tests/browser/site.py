"""The content that browsers look at: a model, a data set that is a benchmark, a worker, a run that waits."""

from __future__ import annotations

import io
import json
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live import LiveHub

MODEL_CARD = b"""---
license: mit
pipeline_tag: image-classification
library_name: timm
---
# A network

| a very wide table | with many columns | that do not fit | on a phone at all |
|---|---|---|---|
| abcdefghijklmnopqrstuvwxyz | abcdefghijklmnopqrstuvwxyz | abcdefghijklmnopqrstuvwxyz | 1 |

```python
import a_module_with_a_rather_long_name_that_does_not_fit as something_else_that_is_long_too
```

<img src=x onerror="document.title='owned'"><script>document.title = 'owned'</script>
"""
DATA_CARD = b"---\ntask_categories: [image-classification]\nlicense: mit\n---\n# Digits\n"
EVAL = b"name: Digits\ntasks:\n- {id: digits, split: test, metric: accuracy}\n"


@dataclass
class Site:
    """What the stories look at, and the worker's way in."""

    hub: LiveHub
    names: dict[str, str]
    worker: str

    def path(self, template: str) -> str:
        return template.format(**self.names)

    def call(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        """POST JSON to the hub as this token's bearer."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.hub.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.loads(answer.read() or b"{}"))

    def submit(self, target: str) -> str:
        """A run of alice's that waits for its worker; its id."""
        repo, data = self.names["model"], self.names["data"]
        benchmark = {"repo": data, "task_id": "digits", "split": "test"}
        recipe = {"base_model": {"repo": repo}, "dataset": {"repo": data}, "benchmark": benchmark}
        return str(
            self.call("/api/runs", {"recipe": recipe, "target": target}, self.hub.tokens["alice"])["id"]
        )


def picture(shade: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (28, 28), shade).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def site(hub: LiveHub) -> Site:
    return shown_on(hub)


def shown_on(hub: LiveHub) -> Site:
    """A model, a dataset that is a benchmark, a worker that is this test, one run that waits."""
    from huggingface_hub import CommitOperationAdd

    api = hub.api("alice")
    config = json.dumps({"architecture": "mobilenet_v2", "num_classes": 10}).encode()
    files = {
        ("alice/shown-model", "model"): {
            "README.md": MODEL_CARD,
            "config.json": config,
            "model.safetensors": b"\0" * 64,
        },
        ("alice/shown-digits", "dataset"): {
            "README.md": DATA_CARD,
            "eval.yaml": EVAL,
            **{
                f"{split}/{label}/{n}.png": picture(60 * int(label) + 9)
                for split in ("train", "test")
                for label in "012"
                for n in "abc"
            },
        },
    }
    for (repo_id, repo_type), content in files.items():
        api.create_repo(repo_id, repo_type=repo_type)
        operations = [CommitOperationAdd(path, data) for path, data in content.items()]
        api.create_commit(repo_id, operations, commit_message="Publish", repo_type=repo_type)
    code = "from runs.workers import enroll_worker; print(enroll_worker('here', flavors=['cpu-basic'])[1])"
    worker = hub.manage("shell", "--no-imports", "-c", code).split()[-1]
    made = Site(hub, {"model": "alice/shown-model", "data": "alice/shown-digits"}, worker)
    made.names["run"] = made.submit("alice/shown-result")
    return made

"""What this hub does not have is said in one sentence, as JSON, whoever asks and however."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/papers/search?q=x", "no papers"),
        ("/api/papers/1706.03762", "no papers"),
        ("/api/daily_papers", "no papers"),
        ("/papers/1706.03762.md", "no papers"),
        ("/api/sandboxes", "no sandboxes"),
        ("/api/inference-endpoints/x/y", "no inference endpoints"),
        ("/api/skills", "no skills"),
        ("/api/agents/x/y", "no agents"),
        ("/api/notifications", "notifies nobody"),
        ("/api/organizations/team/resource-groups", "no resource groups"),
        ("/api/collections/alice/x-0123/resource-group", "no resource groups"),
        ("/api/spaces/zero-gpu/quota", "no ZeroGPU"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_it_is_said_in_one_sentence(client: Client, path: str, words: str, method: str) -> None:
    answer = getattr(client, method)(path)
    assert answer.status_code == 404
    assert words in answer.json()["error"]
    assert answer["X-Error-Message"] == answer.json()["error"]
    assert "X-Error-Code" not in answer


def test_the_page_of_that_name_is_an_ordinary_missing_page(client: Client) -> None:
    assert client.get("/papers").status_code == 404

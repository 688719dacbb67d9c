"""What this hub refuses, it refuses in words that the stock client shows."""

from __future__ import annotations

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from tests.wire.methods.refusals import refused
from tests.wire.methods.register import People

pytestmark = [
    pytest.mark.wire,
    pytest.mark.filterwarnings("ignore:.* is experimental and might be subject to breaking changes"),
]


@pytest.mark.parametrize("method", sorted(refused()))
def test_a_refused_method_says_why(
    people: People, unique: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = refused()[method]
    api = people()
    for name in refusal.foreign:
        assert "huggingface." in getattr(constants, name), "the client leads there, whatever its endpoint is"
        # As somebody would have it who led the client here after all.
        monkeypatch.setattr(constants, name, f"{people.hub.url}/api/inference-endpoints")
    subject = unique
    if refusal.repo_type:
        sdk = {"space_sdk": "static"} if refusal.repo_type == "space" else {}
        subject = api.create_repo(unique, repo_type=refusal.repo_type, **sdk).repo_id
    with pytest.raises(refusal.error, match=refusal.sentence) as found:
        refusal.calls[method](api, subject)
    assert method in people.asked
    if isinstance(found.value, HfHubHTTPError):
        assert 400 <= found.value.response.status_code < 500
        assert refusal.sentence in found.value.response.json()["error"]

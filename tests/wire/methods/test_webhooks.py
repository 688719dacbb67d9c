"""Webhooks, from made to removed; what they deliver is told in tests/wire/test_webhook_stories.py."""

from __future__ import annotations

import pytest
from huggingface_hub import WebhookWatchedItem
from huggingface_hub.errors import BadRequestError, HfHubHTTPError

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire


@tries(
    "create_webhook",
    "get_webhook",
    "list_webhooks",
    "update_webhook",
    "enable_webhook",
    "disable_webhook",
    "delete_webhook",
)
def test_a_webhook(people: People) -> None:
    api = people("bob")
    watched = [WebhookWatchedItem("user", "bob"), {"type": "org", "name": "team"}]
    made = api.create_webhook(url="https://example.org/hook", watched=watched, domains=["repo"], secret="s3")
    assert (made.url, made.domains, made.secret, made.disabled) == (
        "https://example.org/hook", ["repo"], "s3", False,
    )  # fmt: skip
    assert [(one.type, one.name) for one in made.watched] == [("user", "bob"), ("org", "team")]
    assert made.id in [hook.id for hook in api.list_webhooks()]
    changed = api.update_webhook(made.id, url="https://example.org/two", domains=["discussion"])
    assert (changed.id, changed.url, changed.domains) == (made.id, "https://example.org/two", ["discussion"])
    assert api.disable_webhook(made.id).disabled
    assert not api.enable_webhook(made.id).disabled
    with pytest.raises(HfHubHTTPError) as foreign:
        people().get_webhook(made.id)
    assert foreign.value.response.status_code == 404
    with pytest.raises(BadRequestError):
        api.create_webhook(job_id="1", watched=watched)
    api.delete_webhook(made.id)
    with pytest.raises(HfHubHTTPError) as missing:
        api.get_webhook(made.id)
    assert missing.value.response.status_code == 404

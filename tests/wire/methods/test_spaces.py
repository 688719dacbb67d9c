"""What the client asks about a running space, of one that is stored and does not run."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import RepositoryNotFoundError

from tests.wire.methods.register import People, tries

pytestmark = pytest.mark.wire


@tries("get_space_runtime", "wait_for_space", "get_space_secrets", "get_space_variables")
def test_a_space_at_rest(people: People, unique: str) -> None:
    api = people()
    space = api.create_repo(unique, repo_type="space", space_sdk="gradio", private=True).repo_id
    runtime = api.get_space_runtime(space)
    assert (runtime.stage, runtime.hardware, runtime.requested_hardware) == ("STOPPED", None, None)
    assert api.wait_for_space(space, timeout=5).stage == "STOPPED"
    assert api.get_space_secrets(space) == api.get_space_variables(space) == {}
    with pytest.raises(RepositoryNotFoundError):
        people("carol").get_space_runtime(space)


@tries("list_space_templates", "list_spaces_hardware")
def test_what_is_offered_to_spaces(people: People) -> None:
    assert people().list_space_templates() == people().list_spaces_hardware() == []

"""The site with something of everything in it, for stories that look at every page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.browser.site import Site, shown_on
from tests.live import make_hub
from training.democommunity import HubDoor

STAFF = "boss"
_TUTORIAL = """---
title: Digits in ten minutes
summary: From a folder of pictures to a place on the board.
tags: [vision]
models: [alice/shown-model]
datasets: [alice/shown-digits]
---
## What you need

Pictures, and $a^2 + b^2 = c^2$.

## How it goes

See [the model](/alice/shown-model).
"""
_RECIPE = """base_model: {repo: alice/shown-model}
dataset: {repo: alice/shown-digits}
optim: {epochs: 2}
"""


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """On a hub of its own: a page that shows what other stories wrote says something else each time."""
    live = make_hub(tmp_path_factory.mktemp("whole"))
    yield wholly(shown_on(live))
    live.stop()


def wholly(site: Site) -> Site:
    """`site`, and a recipe, a tutorial, a thread, a pull request, a collection, an operator called boss."""
    from huggingface_hub import CommitOperationAdd

    hub, names = site.hub, dict(site.names)
    words = ["--user", STAFF, "--password", f"{STAFF}-secret-9", "--staff"]
    hub.manage("provision", "--data-dir", str(hub.data_dir), *words)
    alice, carol = hub.api("alice"), hub.api("carol")
    door = HubDoor(alice)
    files = {"README.md": "---\nlicense: mit\n---\n# A first look\n\nQuick.\n", "recipe.yaml": _RECIPE}
    door.publish("recipe", "alice/shown-recipe", files, "Publish")
    door.publish("tutorial", "alice/shown-tutorial", {"README.md": _TUTORIAL}, "Publish")
    talk = carol.create_discussion(names["model"], title="Is it good?", description="I **wonder**, @alice.")
    alice.comment_discussion(names["model"], talk.num, comment="```python\nprint('yes')\n```")
    change = carol.create_commit(
        names["model"],
        [CommitOperationAdd("notes.txt", b"one\n")],
        commit_message="Add notes",
        create_pr=True,
    )
    alice.create_commit(
        names["model"], [CommitOperationAdd("notes.md", b"# Notes\n")], commit_message="Write notes"
    )
    kept = alice.create_collection(title="Shown together", namespace="alice", exists_ok=True)
    alice.add_collection_item(kept.slug, names["model"], "model", exists_ok=True)
    alice.create_repo("team/shown-team-model", exist_ok=True)
    names |= {
        "recipe": "alice/shown-recipe",
        "tutorial": "alice/shown-tutorial",
        "thread": str(talk.num),
        "change": str(change.pr_num),
        "collection": kept.slug,
    }
    return replace(site, names=names)

"""Reference pages agree with the code: recipe fields, the wire's routes, the README's own example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hub.openapi.served import ROUTES
from tests.house.recipe_page import data_rows, field_rows
from tests.house.sources import ROOT
from tests.live import LiveHub
from training.recipe import dump_recipe, parse_recipe

RECIPES = (ROOT / "docs/users/recipes.md").read_text()
WIRE_PAGE = (ROOT / "docs/wire.md").read_text()


def test_every_field_of_a_recipe_is_documented_as_it_is() -> None:
    common, _, rest = RECIPES.partition("## The data of each task")
    by_task = rest.partition("\n## ")[0].split("\n### ")[1:]
    assert [row[:3] for row in rows_of(common)] == list(field_rows())
    found = [(text.partition("\n")[0], [row[:3] for row in rows_of(text)]) for text in by_task]
    assert found == list(data_rows())
    assert all(len(row[3]) > 5 for row in rows_of(RECIPES))


def rows_of(text: str) -> list[tuple[str, ...]]:
    return re.findall(r"^\| `([\w.]+)` \| (.+?) \| (.+?) \| (.+?) \|$", text, re.M)


def test_the_recipes_of_the_page_are_recipes() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", RECIPES, re.S)
    assert examples
    for text in examples:
        recipe = parse_recipe(text)
        assert parse_recipe(dump_recipe(recipe)) == recipe


def wire_routes() -> set[str]:
    """The wire's paths as the page spells them: `{name}` for what varies."""
    found = set()
    for route in ROUTES:
        text = str(route.pattern)
        if text.startswith("^"):
            continue  # what is left over below a prefix: refused, not served
        text = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", text)
        prefix = r"^/(?:datasets/|spaces/|kernels/|recipes/|tutorials/)?\{namespace\}"
        found.add(re.sub(prefix, "/{prefix}{namespace}", text))
    return found


def test_every_route_of_the_wire_is_documented_and_no_other() -> None:
    done = WIRE_PAGE.split("## Refused")[0]
    documented = {
        path
        for line in re.findall(r"^\| `.*$", done, re.M)
        for path in re.findall(r"`[A-Z, ]+ (/[^` ]+)`", line)
    }
    assert documented == wire_routes()


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if not re.match(r"https?:|mailto:", target):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.wire
def test_the_readmes_example_works(hub: LiveHub, client_home: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.tokens["carol"]}
    done = subprocess.run(
        [sys.executable, "-c", example], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    listed, downloaded = done.stdout.strip().splitlines()
    assert "carol/my-first-model" in listed
    assert Path(downloaded).read_bytes() == b"weights, for now"

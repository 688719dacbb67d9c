"""The recipes that come with Tuneyard: read-only, to be looked at, compared, run and forked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from models_app.content.recipes import RecipeFacts, read_recipe

# Nobody can be called so: accounts/names.py keeps the name.
NAMESPACE = "tuneyard"


@dataclass(frozen=True)
class Shipped:
    """One file of the folder `recipes/`; `note` is the comment it begins with."""

    name: str
    title: str
    text: str
    note: str
    facts: RecipeFacts

    @property
    def recipe_id(self) -> str:
        return f"{NAMESPACE}/{self.name}"


@cache
def shipped() -> dict[str, Shipped]:
    """By name: `text-usaddress` is `recipes/text/usaddress.yaml`. Read once: only a release changes them."""
    found = {}
    for path in sorted((settings.BASE_DIR / "recipes").glob("*/*.yaml")):
        name = f"{path.parent.name}-{path.stem}"
        text = path.read_text()
        note = _note(text)
        found[name] = Shipped(name, _title(note, path.stem), text, note, read_recipe(text))
    return found


def _note(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines).strip()


def _title(note: str, stem: str) -> str:
    """The first sentence of the note, without what stands in brackets."""
    first = re.sub(r" \([^)]*\)", "", " ".join(note.split("\n\n")[0].split()))
    for mark in (". ", "; ", "? "):
        head, found, _rest = first.partition(mark)
        if found:
            first = head + mark.strip().strip(".;")
    return first.strip().rstrip(".")[:120] or stem

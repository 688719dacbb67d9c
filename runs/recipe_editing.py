"""The form and the YAML of a recipe, kept in step: whichever was changed is put into the other.

The page carries the text as it was last readable (`shown`), from which its fields were filled. A field that
differs from what `shown` says was changed by the person, and is patched into the text; the text may have been
changed as well. So both may be edited between two round trips, with or without JavaScript.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from runs.fields import read_number
from runs.recipe_draft import PREFIX, Draft, Told
from runs.recipe_items import Item, as_typed, items_for
from runs.recipe_lines import lines_of
from runs.recipe_patch import REMOVED, patched, token
from runs.recipe_table import value_at
from training.recipe import MAX_TEXT_BYTES, TASK_DATA, ImageData, RecipeError, parse_recipe
from training.recipe_reading import load_yaml

MAX_VALUE_CHARS = 4000
MAX_TOLD = 50
_SEPARATORS = re.compile(r"[,;\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LINE = re.compile(r"in line (\d+)")


def draft_of(text: str) -> Draft:
    """A recipe's text, opened to be edited."""
    plain, problem = _read(text)
    if problem is not None:
        return Draft(text, "", {}, [problem], is_readable=False)
    return Draft(text, text, values_of(plain), problems_of(text))


def draft_in(posted: Mapping[str, str]) -> Draft:
    """What was sent from the page: text and fields, brought into step."""
    text = posted.get("text", "").replace("\r\n", "\n").replace("\r", "\n")
    shown = posted.get("shown", "").replace("\r\n", "\n").replace("\r", "\n")
    before, trouble = _read(shown)
    filled = values_of(before) if trouble is None else {}
    task = filled.get("task") or "image-classification"
    sent = {item.path: _typed(posted.get(PREFIX + item.path), filled, item) for item in items_for(task)}
    plain, problem = _read(text)
    if problem is not None:
        # Nothing is lost: the text as it is, the fields as they are, the last readable text as before.
        return Draft(text, shown, {**filled, **sent}, [problem], is_readable=False)
    changes = _changes(sent, filled, task, plain)
    made, kept = patched(text, changes)
    return Draft(made, made, values_of(load_yaml(made)), problems_of(made), lost_comments=not kept)


def values_of(plain: Any) -> dict[str, str]:
    """What stands in each field of the form, as text; empty for what has its default."""
    task = value_at(plain, "task")
    known = task if isinstance(task, str) and task in TASK_DATA else "image-classification"
    found = {item.path: _shown(item, value_at(plain, item.path)) for item in items_for(known)}
    if isinstance(task, str):
        found["task"] = task
    return found


def problems_of(text: str) -> list[Told]:
    """Everything that is wrong with a text that can be read as YAML."""
    try:
        parse_recipe(text)
    except RecipeError as error:
        plain = [{"field": one.field, "message": one.message} for one in error.problems]
        return located(text, plain)
    return []


def located(text: str, problems: Iterable[Mapping[str, str]]) -> list[Told]:
    """Problems with their lines: a field's own, or that of the section which it is missing from."""
    lines = lines_of(text)
    found = []
    for problem in list(problems)[:MAX_TOLD]:
        path, line = problem["field"], 0
        if said := _LINE.search(problem["message"]):
            line = int(said[1])
        while not line and path:
            line = lines.get(path, 0)
            path = path.rpartition(".")[0]
        found.append(Told(problem["field"], problem["message"], line))
    return found


def _read(text: str) -> tuple[Any, Told | None]:
    """The mapping that a text holds, or what keeps it from being read as one."""
    try:
        plain = load_yaml(text)
    except RecipeError as error:
        return None, located(text, [{"field": "", "message": error.problems[0].message}])[0]
    if plain is not None and not isinstance(plain, dict):
        return None, Told("", _("The recipe must be fields and their values, like “task: translation”."), 1)
    return plain or {}, None


def _shown(item: Item, value: Any) -> str:
    if item.kind == "mapping":
        return (
            str(value)
            if value is not None and not isinstance(value, Mapping)
            else token(value)
            if value
            else ""
        )
    return as_typed(value)[:MAX_VALUE_CHARS]


def _typed(sent: str | None, filled: Mapping[str, str], item: Item) -> str:
    """What a field holds; one that the page did not have is as it was."""
    if sent is None:
        return filled.get(item.path, "")
    text = sent.replace("\0", "").replace("\r\n", "\n")[:MAX_VALUE_CHARS]
    # Spaces at the ends mean something in a text, such as a prefix, and nothing elsewhere.
    return text if item.kind == "text" and text.strip() else text.strip()


def _changes(sent: dict[str, str], filled: dict[str, str], task: str, plain: Any) -> dict[str, Any]:
    """The fields that the person changed, as the recipe takes them."""
    items = {item.path: item for item in items_for(task)}
    changes = {
        path: _value(items[path], text)
        for path, text in sent.items()
        if _bare(text) != _bare(filled.get(path, ""))
    }
    new_task = changes.get("task")
    if isinstance(new_task, str):
        changes |= _of_other_tasks(plain, new_task)
    return changes


def _bare(text: str) -> str:
    """Without what a browser takes out of a field of one line."""
    return text.replace("\n", "").strip()


def _of_other_tasks(plain: Any, task: str) -> dict[str, Any]:
    """What the data of the task that was chosen have no field for is left out."""
    data = value_at(plain, "dataset")
    if not isinstance(data, Mapping) or task not in TASK_DATA:
        return {}
    known = TASK_DATA.get(task, ImageData).__dataclass_fields__
    return {f"dataset.{name}": REMOVED for name in data if isinstance(name, str) and name not in known}


def _value(item: Item, text: str) -> Any:
    """A field's text as YAML holds it; what is no number stays text, for the contract to refuse."""
    if text == "":
        return REMOVED
    if item.kind == "flag":
        return {"true": True, "false": False}.get(text, text)
    if item.kind == "number":
        return _number(text)
    if item.kind in ("texts", "numbers"):
        parts = [part.strip() for part in _SEPARATORS.split(text) if part.strip()]
        return [_number(part) for part in parts] if item.kind == "numbers" else parts
    if item.kind == "mapping":
        try:
            found = load_yaml(text)
        except RecipeError:
            return text
        return found if isinstance(found, dict) else text
    return text


def _number(text: str) -> Any:
    number = read_number(text)
    return number if _NUMBER.fullmatch(text.replace(",", ".")) else text


def size_problem(text: str) -> str:
    """Why a text is too large to be kept; empty where it is not."""
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        return _("The recipe is larger than 64 KiB.")
    return ""

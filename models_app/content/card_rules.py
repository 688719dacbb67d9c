"""What each field of a card may hold, in the words the public hub uses (clients show and match them)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from models_app.content.vocabulary import BASE_MODEL_RELATIONS, LICENSES, PIPELINE_TAGS, SIZE_CATEGORIES

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_SPECIAL_LANGUAGES = ("code", "multilingual", "other", "unknown")
_REPO_ID = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?")

Rule = Callable[[str, Any, list[str], list[str]], None]


def _text(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    if not isinstance(value, str):
        errors.append(f'"{name}" must be a string')


def _flag(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    if not isinstance(value, bool):
        errors.append(f'"{name}" must be a boolean')


def _texts(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    if not isinstance(value, list):
        errors.append(f'"{name}" must be an array')
        return
    wrong = (place for place, item in enumerate(value) if not isinstance(item, str))
    errors.extend(f'"{name}[{place}]" must be a string' for place in wrong)


def _text_or_texts(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    if not isinstance(value, str):
        _texts(name, value, errors, warnings)


def _each(name: str, value: Any) -> list[tuple[str, str]]:
    """The strings in a string-or-list, with the path each has in messages."""
    if isinstance(value, str):
        return [(name, value)]
    if not isinstance(value, list):
        return []
    return [(f"{name}[{place}]", item) for place, item in enumerate(value) if isinstance(item, str)]


def _one_of(*allowed: str) -> Rule:
    """A string, or a list of strings, from a closed vocabulary."""

    def rule(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
        _text_or_texts(name, value, errors, warnings)
        if any(item not in allowed for _, item in _each(name, value)):
            errors.append(f'"{name}" must be one of [{", ".join(allowed)}]')

    return rule


def _language(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    _text_or_texts(name, value, errors, warnings)
    for path, item in _each(name, value):
        if item != item.lower() and item.isalpha():
            errors.append(f'"{path}" must only contain lowercase characters')
        elif item not in _SPECIAL_LANGUAGES and not _LANGUAGE.fullmatch(item):
            errors.append(
                f'"{path}" with value "{item[:40]}" is not valid. It must be an ISO 639-1, 639-2 or 639-3 '
                'code (two/three letters), or a special value like "code", "multilingual".'
            )


def _pipeline_tag(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    _text(name, value, errors, warnings)
    if isinstance(value, str) and value not in PIPELINE_TAGS:
        known = ", ".join(PIPELINE_TAGS)
        warnings.append(f'The pipeline tag "{value[:60]}" is not in the official list: {known}')


def _task_categories(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    _texts(name, value, errors, warnings)
    known = ", ".join(PIPELINE_TAGS)
    for path, item in _each(name, value):
        if item not in PIPELINE_TAGS:
            warnings.append(f'The {path} "{item[:60]}" is not in the official list: {known}')


def _base_model(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    _text_or_texts(name, value, errors, warnings)
    for path, item in _each(name, value):
        if not _REPO_ID.fullmatch(item):
            errors.append(f'"{path}" with value "{item[:100]}" is not a valid model id')


def _model_index(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    if not isinstance(value, list):
        errors.append(f'"{name}" must be an array')
        return
    for place, model in enumerate(value):
        path = f"{name}[{place}]"
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            errors.append(f'"{path}.name" is required')
        elif not isinstance(model.get("results"), list):
            errors.append(f'"{path}.results" must be an array')
        else:
            for number, result in enumerate(model["results"]):
                _index_result(f"{path}.results[{number}]", result, errors)


def _index_result(path: str, result: Any, errors: list[str]) -> None:
    if not isinstance(result, dict):
        errors.append(f'"{path}" must be of type object')
        return
    for part, needed in (("task", ("type",)), ("dataset", ("type", "name"))):
        section = result.get(part)
        for key in needed:
            if not isinstance(section, dict) or not isinstance(section.get(key), str):
                errors.append(f'"{path}.{part}.{key}" is required')
    metrics = result.get("metrics")
    if not isinstance(metrics, list):
        errors.append(f'"{path}.metrics" must be an array')
        return
    for place, metric in enumerate(metrics):
        for key in ("type", "value"):
            if not isinstance(metric, dict) or metric.get(key) is None:
                errors.append(f'"{path}.metrics[{place}].{key}" is required')


def _objects(name: str, value: Any, errors: list[str], warnings: list[str]) -> None:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in items):
        errors.append(f'"{name}" must be of type object or an array of objects')


COMMON_RULES: dict[str, Rule] = {
    "license": _one_of(*LICENSES),
    "license_name": _text,
    "license_link": _text,
    "language": _language,
    "tags": _texts,
    "pretty_name": _text,
    "thumbnail": _text,
}
MODEL_RULES: dict[str, Rule] = {
    "library_name": _text,
    "pipeline_tag": _pipeline_tag,
    "datasets": _text_or_texts,
    "metrics": _text_or_texts,
    "base_model": _base_model,
    "base_model_relation": _one_of(*BASE_MODEL_RELATIONS),
    "model-index": _model_index,
    "model_name": _text,
}
DATASET_RULES: dict[str, Rule] = {
    "task_categories": _task_categories,
    "task_ids": _texts,
    "size_categories": _one_of(*SIZE_CATEGORIES),
    "configs": _objects,
    "dataset_info": _objects,
    "viewer": _flag,
}

"""Habits every module keeps: future annotations, typed signatures, a first line that says what it is."""

from __future__ import annotations

import ast
import re

from tests.house.sources import ROOT, modules, name, room_modules, tracked_files, tree


def test_every_module_begins_with_future_annotations() -> None:
    missing = []
    for path in modules():
        body = [node for node in tree(path).body if not _is_docstring(node)]
        if body and not (isinstance(body[0], ast.ImportFrom) and body[0].module == "__future__"):
            missing.append(name(path))
    assert missing == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [name(path) for path in room_modules() if tree(path).body and not ast.get_docstring(tree(path))]
    assert silent == []


def test_every_signature_is_typed() -> None:
    untyped = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_typed(node)
    ]
    assert untyped == []


def test_nothing_is_ever_unpickled() -> None:
    forbidden = re.compile(
        r"\b(import pickle|from pickle|import dill|cloudpickle|torch\.load\(|allow_pickle\s*=\s*True"
        r"|import shelve|joblib\.load|marshal\.loads?)"
    )
    found = [
        f"{name(path)}: {line.strip()}"
        for path in modules()
        for line in path.read_text().splitlines()
        if forbidden.search(line) and path != ROOT / "tests/house/test_habits.py"
    ]
    # The one way in: torchvision's own weights file, its digest checked first, tensors only.
    allowed = re.compile(r"^(training/demo\w*\.py|tests/\S+|bench/\S+): .*torch\.load\(.*weights_only=True")
    assert [line for line in found if not allowed.match(line)] == []


def test_no_address_of_this_machine_or_of_a_registry_is_kept() -> None:
    paths = rb"/(?:work|srv|workspace)/(?:main|shared)|/(?:root|home/[a-z]+)/"
    forbidden = re.compile(rb"(" + paths + rb"|--(extra-)?index-url|/simple/)")
    kept = [
        name(path)
        for path in tracked_files()
        if path.suffix in {".py", ".toml", ".lock", ".txt", ".md", ".cfg", ".ini", ".yaml", ".yml", ""}
        if path != ROOT / "tests/house/test_habits.py" and forbidden.search(path.read_bytes())
    ]
    assert kept == []


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_typed(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    asked = [argument for argument in named if argument.arg not in {"self", "cls", "mcs"}] + starred
    return node.returns is not None and all(argument.annotation is not None for argument in asked)

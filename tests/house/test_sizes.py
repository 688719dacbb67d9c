"""Modules and functions stay small enough to be read in one sitting."""

from __future__ import annotations

import ast

from tests.house.sources import modules, name, room_modules, tree

MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 80
USUAL_MODULE_LINES = 200


def test_modules_stay_under_the_hard_stop() -> None:
    sizes = {name(path): len(path.read_text().splitlines()) for path in modules()}
    assert {path: lines for path, lines in sizes.items() if lines > MAX_MODULE_LINES} == {}


def test_functions_stay_under_the_hard_stop() -> None:
    long = {
        f"{name(path)}::{node.name}": node.end_lineno - node.lineno + 1
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_nine_modules_in_ten_are_well_under_it() -> None:
    sizes = sorted(len(path.read_text().splitlines()) for path in room_modules())
    assert sizes[int(len(sizes) * 0.9)] <= USUAL_MODULE_LINES

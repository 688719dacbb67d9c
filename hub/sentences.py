"""The sentences that refusals and diagnoses are made of, read off the code; what they fill in is numbered.

Rooms below the pages know no languages, and what programs read stays English. So these sentences are found in
the source, translated as messages of the context `sentence`, and put into the reader's language where a page
shows them (accounts/phrases.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

# Where sentences are written that people get to see on pages.
PLACES = (
    "accounts/*.py",
    "models_app/*.py",
    "models_app/actions/*.py",
    "models_app/content/*.py",
    "models_app/storage/*.py",
    "runs/*.py",
    "training/recipe*.py",
    "training/diagnosis.py",
    "training/shapes.py",
)
_LOGS = {"debug", "info", "warning", "error", "exception", "critical"}
_TRANSLATED = {"_", "lazy", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "pgettext"}
_SENTENCE = re.compile(r"[A-Z{'\"`0-9].*[.?!:]", re.DOTALL)


def sentences() -> Iterator[tuple[str, str]]:
    """(file, sentence) of every sentence outside of docstrings, logs and calls of gettext."""
    base = Path(settings.BASE_DIR)
    for place in PLACES:
        for path in sorted(base.glob(place)):
            for text in _in_source(path.read_text()):
                yield str(path.relative_to(base)), text


def _in_source(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    passed = _passed_over(tree)
    for node in ast.walk(tree):
        text = None if id(node) in passed else _text_of(node)
        if text is not None and len(text.split()) >= 3 and _SENTENCE.fullmatch(text.strip()):
            yield text.strip()


def _passed_over(tree: ast.Module) -> set[int]:
    """What is no sentence of its own: docstrings, parts of f-strings, what is logged or translated."""
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        inside = isinstance(node, ast.JoinedStr)
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            inside = name in _LOGS | _TRANSLATED
        if inside:
            passed |= {id(part) for part in ast.walk(node) if part is not node}
    return passed


def _text_of(node: ast.AST) -> str | None:
    """A string as it is, an f-string with `{1}`, `{2}`, ... for what it fills in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    text, holes = "", 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        else:
            holes += 1
            text += f"{{{holes}}}"
    return text

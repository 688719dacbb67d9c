"""docs/hfapi.md: every public method of the stock client, refused ones first."""

from __future__ import annotations

from importlib.metadata import version

from tests.live import ROOT
from tests.wire.methods.refusals import LIMITS, REFUSALS, refused
from tests.wire.methods.register import public_methods, tried

PAGE = ROOT / "docs" / "hfapi.md"
_TOP = """# Every method of `HfApi`

Every public method of `huggingface_hub` {version}, called against a live hub by `tests/wire/methods/`:
{works} work, {refused} are refused. Made by `python -m tests.wire.methods`.

## Refused

Each raises the error named, and its message carries the sentence.

| method | why | what the client raises |
| --- | --- | --- |
"""
_WORKS = """
## Every method

| method | | tried in `tests/wire/methods/` |
| --- | --- | --- |
"""


def render() -> str:
    """The page as it must be for the tests as they are and the client that is installed."""
    areas, closed = tried(), refused()
    text = _TOP.format(version=version("huggingface_hub"), works=len(areas), refused=len(closed))
    for refusal in REFUSALS:
        names = ", ".join(f"`{name}`" for name in refusal.calls)
        text += f"| {names} | {refusal.why} | `{refusal.error.__name__}`: {refusal.sentence} |\n"
    text += _WORKS
    for name in public_methods():
        if name in closed:
            text += f"| `{name}` | refused | `test_refused.py` |\n"
        else:
            limit = f": {LIMITS[name]}" if name in LIMITS else ""
            places = ", ".join(f"`test_{area}.py`" for area in sorted(areas[name]))
            text += f"| `{name}` | works{limit} | {places} |\n"
    return text

"""Names that look like others, and text with signs that nobody sees: pure functions, no tables."""

from __future__ import annotations

import re
import unicodedata

# What a reader at speed takes for one another: each group becomes its first letter.
_LETTERS = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l"})
_PAIRS = (("rn", "m"), ("vv", "w"))
_SEPARATORS = re.compile(r"[-_.]+")

# Signs that take no room or none of their own, beside those of category Cf.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_JOINER, _PICTURE = "\u200d", "\ufe0f"
_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE0F)))
# More marks over one letter than any script needs.
MAX_MARKS = 3


def skeleton(name: str) -> str:
    """The name with lookalikes folded into one: `Al1ce`, `ali-ce` and `alice` have the same."""
    text = _SEPARATORS.sub("", name.lower()).translate(_LETTERS)
    for pair, one in _PAIRS:
        text = text.replace(pair, one)
    return text


def plain_text(text: str) -> str:
    """One line of text as everybody sees it: without zero-width and direction signs, blanks joined.

    Emoji stay whole, letters of every script too; of marks piled up on a letter the first few stay.
    """
    composed = unicodedata.normalize("NFC", text)
    kept: list[str] = []
    marks = 0
    for place, sign in enumerate(composed):
        if unicodedata.category(sign) in ("Mn", "Me") and sign != _PICTURE:
            marks += 1
            if marks > MAX_MARKS or sign in _SELECTORS or sign in _BLANKS:
                continue
        else:
            marks = 0
        if sign == _JOINER and _joins_pictures(composed, place):
            kept.append(sign)
        elif not _is_unseen(sign):
            kept.append(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign)
    return " ".join("".join(kept).split())


def has_unseen(text: str) -> bool:
    """Whether the text has signs that `plain_text` takes away (line breaks are none)."""
    return any(
        _is_unseen(sign) and not (sign == _JOINER and _joins_pictures(text, place))
        for place, sign in enumerate(text)
    )


def _is_unseen(sign: str) -> bool:
    return sign in _BLANKS or unicodedata.category(sign) in ("Cf", "Cs", "Co", "Cn")


def _joins_pictures(text: str, place: int) -> bool:
    """Whether the joiner here stands between two pictures, as in a family's emoji."""
    before = text[:place].rstrip(_PICTURE)[-1:]
    after = text[place + 1 : place + 2]
    return _is_picture(before) and _is_picture(after)


def _is_picture(sign: str) -> bool:
    return bool(sign) and unicodedata.category(sign) in ("So", "Sk")

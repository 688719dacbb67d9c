"""The beginning of a long page of HTML, cut between two blocks so that nothing is left open."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)


class _Blocks(HTMLParser):
    """Where blocks of the outermost level end; stops looking behind the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(convert_charrefs=False)
        self.limit, self.depth, self.end = limit, 0, 0
        self.starts: list[int] = [0]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag not in _VOID

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        self.depth -= 1
        if self.depth == 0:
            line, column = self.getpos()
            end = self.starts[line - 1] + column + len(tag) + 3
            if end <= self.limit:
                self.end = end


def first_blocks(html: str, limit: int) -> str:
    """Whole blocks of sound HTML up to `limit` characters; all of it where it is no longer. A first block
    longer than that is left out whole: half a table helps nobody."""
    if len(html) <= limit:
        return html
    head = html[:limit]
    finder = _Blocks(limit)
    finder.starts += [at + 1 for at, character in enumerate(head) if character == "\n"]
    finder.feed(head)
    return html[: finder.end]

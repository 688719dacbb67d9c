"""What the pages judge by: claims of a card, differences of measured numbers, cards that are cut, memory."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from models_app.content import memory
from models_app.content.cutting import first_blocks
from models_app.content.differences import difference
from models_app.content.evals import wilson
from models_app.content.model_index import MAX_CLAIMS, Claim, claims_of


def test_claims_of_a_card() -> None:
    metric = {"type": "accuracy", "value": 0.91, "name": "Accuracy"}
    result = {"task": {"type": "x"}, "dataset": {"name": "Digits"}, "metrics": [metric, {"type": "f1"}]}
    assert claims_of({"model-index": [{"results": [result]}]}) == [Claim("x", "Digits", "Accuracy", 0.91)]


@pytest.mark.parametrize(
    "index",
    [
        None,
        "text",
        7,
        [],
        [None],
        [{"results": {"a": 1}}],
        [{"results": [{"metrics": [{"type": "a", "value": "0.9"}]}]}],
        [{"results": [{"metrics": [{"type": "a", "value": True}]}]}],
        [{"results": [{"metrics": [{"type": 7, "value": 0.5}]}]}],
        [{"results": [{"metrics": [{"type": "a", "value": float("nan")}]}]}],
    ],
)
def test_an_index_that_makes_no_sense_claims_nothing(index: object) -> None:
    assert claims_of({"model-index": index}) == []


def test_claims_are_bounded() -> None:
    metrics = [{"type": "m" * 500, "value": 1.0}] * 30
    found = claims_of({"model-index": [{"results": [{"metrics": metrics}] * 30}]})
    assert len(found) == MAX_CLAIMS
    assert len(found[0].metric) < 200


def test_the_difference_of_two_shares_is_newcombes() -> None:
    """The example of Newcombe (1998), method 10: 56/70 and 48/80 → 0.0524 to 0.3339."""
    one, other = wilson(56, 70), wilson(48, 80)
    value, (low, high) = difference(56 / 70, one, 48 / 80, other)
    assert value == pytest.approx(0.2)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=2e-4)


def test_a_difference_turns_with_its_sides() -> None:
    one, other = (0.8, (0.75, 0.84)), (0.7, (0.66, 0.75))
    value, (low, high) = difference(*one, *other)
    assert difference(*other, *one) == (-value, (-high, -low))


class _Balance(HTMLParser):
    depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag not in ("br", "img")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1


@pytest.mark.parametrize("limit", [1, 10, 50, 100, 250, 400])
def test_a_long_card_is_cut_between_blocks(limit: int) -> None:
    block = '<ul>\n<li><p>a <b>b</b><br>c</p>\n</li>\n</ul>\n<p>x &lt; y <img src="/a.png" alt=""></p>\n'
    html = block * 6
    cut = first_blocks(html, limit)
    assert html.startswith(cut)
    assert len(cut) <= limit
    balance = _Balance()
    balance.feed(cut)
    assert balance.depth == 0
    assert limit < 120 or cut


def test_a_short_card_is_whole() -> None:
    assert first_blocks("<p>short</p>", 100) == "<p>short</p>"


def test_memory_by_rule_of_thumb() -> None:
    assert memory.weights_bytes({"F32": 10, "BF16": 10, "U8": 1, "F8_E4M3": 4}) == 65
    assert memory.to_run(1000) == 1200
    assert memory.to_tune(1_000_000) == 16_000_000

"""docs/hfapi.md is what the tests of the client's methods make it, and its refusals fit on a page."""

from __future__ import annotations

from tests.wire.methods.page import PAGE, render


def test_the_page_of_methods_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run python -m tests.wire.methods"


def test_what_is_refused_fits_on_a_page() -> None:
    refused = PAGE.read_text().partition("## Refused")[2].partition("## Every method")[0]
    assert len(refused.splitlines()) < 60
    assert len(refused) < 4000

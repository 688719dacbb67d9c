"""The table is whole: what the client can ask is tried, or refused for a reason, and nothing is both."""

from __future__ import annotations

from tests.wire.methods.refusals import LIMITS, REFUSALS, refused
from tests.wire.methods.register import public_methods, tried


def test_every_public_method_is_tried_or_refused() -> None:
    assert sorted({*tried(), *refused()}) == public_methods()
    assert set(tried()) & set(refused()) == set()
    assert set(LIMITS) <= set(tried())
    assert len(refused()) == sum(len(refusal.calls) for refusal in REFUSALS)

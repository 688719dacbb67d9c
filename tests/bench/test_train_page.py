"""The page of `bench.train`: which arm is compared with which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import report, train
from bench.train_peers import page


def run(seconds: float, accuracy: float = 0.8) -> dict[str, Any]:
    return {"seconds": seconds, "cpu_seconds": seconds, "accuracy": accuracy, "load_before": 0.5}


@pytest.fixture
def races() -> dict[str, Any]:
    runs = {
        "ours default": [run(2), run(9, 0.9), run(3, 0.7)],
        "plain default": [run(6)],
        "plain fp32": [run(4)],
        "plain bf16": [run(4.5)],
    }
    limits = {"float32": 1e11, "bfloat16": 2e11, "operations": 3e11}
    size = {"rows": 640, "epochs": 2, "rounds": 3, "when": "2026-11-23 08:40 UTC"}
    return {"mobilenet": {"runs": runs, "limits": limits, **size}}


def test_peers_are_compared_by_medians_and_at_their_fastest(races: dict[str, Any]) -> None:
    found = page.summary(races)["mobilenet"]
    assert found["arms"]["ours default"]["seconds"] == 3
    assert found["arms"]["ours default"]["accuracy_range"] == [0.7, 0.9]
    assert found["peers"] == {"plain": {"as_it_comes": 2.0, "best": pytest.approx(4 / 3)}}


def test_the_share_of_the_limit_is_of_the_arms_own_precision(races: dict[str, Any]) -> None:
    arms = page.summary(races)["mobilenet"]["arms"]
    assert arms["ours default"]["flops"] / arms["ours default"]["limit"] == pytest.approx(0.5)
    assert arms["plain fp32"]["flops"] / arms["plain fp32"]["limit"] == pytest.approx(0.75)


def test_a_race_stays_on_the_page_until_it_is_run_again(
    races: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert train.earlier("train") == {}
    report.write("train", {"races": races}, "a page")
    assert train.earlier("train") == races


def test_the_page_tells_every_arm(races: dict[str, Any]) -> None:
    where = {"when": "now", "processor": "x", "cores": 2, "torch": "2", "python": "3"}
    text = page.markdown(races, where, 1000)
    assert "640 rows, 2 epochs, 3 rounds, 2026-11-23 08:40 UTC. Best rates" in text
    assert "| **Tuneyard** | recipe's defaults | 3.0 | 3.0 | 1.00 | 80.0% (70.0% to 90.0%) | 50% |" in text
    assert "- plain loop: 2.00× ours as it comes, 1.33× at best." in text

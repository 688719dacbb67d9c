"""Plots are well-formed, safe, bounded, told in words, and readable on light and dark ground."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import UserError
from training.measures import plots
from training.measures.matrix import OTHERS
from training.measures.probabilities import reliability
from training.measures.svg import COLORS, Scale, scale, tick_texts

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "</text><script>alert(1)</script>\"' onload=x & \x00\x1b\ud800"
MAX_BYTES = 256 * 1024


def drawn(seed: int = 0, name: str = "a plot") -> dict[str, str]:
    """One plot of each kind, `name` wherever a text can stand."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=50)
    guess = truth + generator.normal(size=50)
    sure = generator.random(50)
    matrix = generator.integers(0, 9, (3, 3)) + np.eye(3, dtype=int)
    return {
        "curves": plots.curves(name, {name: [(1, 2), (2, 1)]}, x_label=name, y_label=name),
        "parity": plots.parity(name, truth, guess, unit=name),
        "residuals": plots.residuals(name, truth, guess, unit=name),
        "reliability": plots.reliability_diagram(name, reliability(sure, generator.random(50) < sure)),
        "confusion": plots.confusion(name, matrix, [name, name, "c"]),
    }


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314


def described(text: str) -> str:
    return parsed(text).findtext(f"{SVG}desc") or ""


@pytest.mark.parametrize("kind", sorted(drawn()))
def test_every_plot_has_a_title_and_a_description_for_screen_readers(kind: str) -> None:
    root = parsed(drawn(name="Loss of run 7")[kind])
    assert root.get("role") == "img"
    title, description = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", "Loss of run 7")
    assert description.tag == f"{SVG}desc"
    assert len(description.text or "") > 20
    assert root.get("aria-labelledby") == title.get("id")
    assert root.get("aria-describedby") == description.get("id")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_ids_of_different_plots_differ() -> None:
    both = [parsed(plots.curves("same", {"a": [(0, 0), (1, height)]}))[0].get("id") for height in (1, 2)]
    assert both[0] != both[1]


@pytest.mark.parametrize("kind", sorted(drawn()))
def test_no_text_becomes_markup(kind: str) -> None:
    text = drawn(name=EVIL)[kind]
    root = parsed(text)
    allowed = {"svg", "title", "desc", "g", "path", "text", "rect", "circle"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
    assert not [key for element in root.iter() for key in element.attrib if key.startswith("on")]
    assert "<script>alert(1)</script>" in (root[0].text or "")
    assert "\N{REPLACEMENT CHARACTER}" in (root[0].text or "")


@pytest.mark.parametrize("kind", sorted(drawn()))
def test_plots_need_nothing_from_elsewhere_and_no_style(kind: str) -> None:
    text = drawn()[kind]
    assert not re.search(r"(?:href|src|style)=|<style|url\(|<image|<foreignObject", text)
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("kind", sorted(drawn()))
def test_colours_follow_the_page(kind: str) -> None:
    painted = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn()[kind])) - {"none", "currentColor"}
    assert painted <= {f"var(--plot-{index}, {color})" for index, color in enumerate(COLORS, 1)}
    root = parsed(drawn()[kind])
    assert all(element.get("fill") == "currentColor" for element in root.iter(f"{SVG}text"))


@pytest.mark.parametrize("ground", ["#ffffff", "#f2f0ea", "#131518", "#1a1d21"])
def test_marks_stand_out_on_light_and_dark(ground: str) -> None:
    """WCAG 1.4.11: 3:1 for what one must see."""

    def luminance(color: str) -> float:
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for color in COLORS:
        dark, light = sorted((luminance(color), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= 3, color


def test_a_file_of_its_own_follows_the_readers_theme() -> None:
    text = plots.standalone(drawn()["curves"])
    root = parsed(text)
    assert "prefers-color-scheme:dark" in (root.findtext(f"{SVG}style") or "")
    # `svg:root` does not touch a page that the file is pasted into.
    assert re.findall(r"[^{};>]+(?={color)", root.findtext(f"{SVG}style") or "") == ["svg:root"] * 2


def test_many_points_are_thinned_and_peaks_stay() -> None:
    count = 100_000
    points = np.stack([np.arange(count), np.random.default_rng(0).random(count)], axis=1)
    points[77_777, 1], points[33_333, 1] = 50, -50
    lines = {f"line {index}": points for index in range(plots.MAX_LINES)}
    text = plots.curves("many", lines)
    assert len(text) < MAX_BYTES
    heights = [
        float(y)
        for path in parsed(text).iter(f"{SVG}path")
        if (path.get("stroke") or "").startswith("var")
        for y in re.findall(r"[ML]\S+ ([\d.]+)", path.get("d") or "")
    ]
    assert max(heights) - min(heights) > 0.9 * (plots.BOTTOM - plots.TOP)
    kept = plots.thin(points)
    assert len(kept) <= plots.MAX_POINTS
    assert {0, count - 1, 77_777, 33_333} <= set(kept[:, 0])
    assert "highest 50 at 77,777" in described(text)
    few = points[: plots.MAX_POINTS]
    assert plots.thin(few) is few


def test_a_gap_survives_thinning() -> None:
    points = np.stack([np.arange(9000.0), np.ones(9000)], axis=1)
    points[4567, 1] = math.nan
    assert np.isnan(plots.thin(points)[:, 1]).sum() == 1


def test_scatters_are_sampled_and_say_so() -> None:
    truth = np.random.default_rng(0).normal(size=20_000)
    for plot in (plots.parity, plots.residuals):
        text = plot("many", truth, truth + 1)
        assert len(text) < MAX_BYTES
        assert "20,000 rows, mean absolute error 1," in described(text)
        assert "2,000 rows drawn at random are shown" in described(text)
        assert plot("many", truth, truth + 1) == text


def test_a_line_breaks_where_it_is_not_finite() -> None:
    text = plots.curves("diverged", {"loss": [(0, 1), (1, 2), (2, math.nan), (3, math.inf), (4, 3)]})
    (line,) = (path for path in parsed(text).iter(f"{SVG}path") if path.get("stroke-linecap"))
    assert re.sub(r"[^ML]", "", line.get("d") or "") == "MLM"
    assert "loss: from 1 at step 0 to 3 at 4" in described(text)
    assert "2 points are not finite" in described(text)
    assert "nan" not in text.lower()


def test_what_is_seen_is_said() -> None:
    told = described(plots.curves("t", {"val": [(1, 2.5), (2, 0.5), (3, 0.75)]}, x_label="epoch"))
    assert told == "val: from 2.5 at epoch 1 to 0.75 at 3, lowest 0.5 at 2, highest 2.5 at 1."
    told = described(plots.confusion("t", [[8, 2], [0, 10]], ["cat", "dog"]))
    wanted = "20 rows of 2 classes, 90.0% on the diagonal. Most often cat is taken for dog: 2 times."
    assert told == wanted
    told = described(plots.reliability_diagram("t", reliability([0.9] * 10, [1] * 5 + [0] * 5)))
    assert told.endswith("the model is more confident than it is right, by 0.400.")


def test_no_points_yet_are_no_error() -> None:
    assert "No points yet" in described(plots.curves("t", {}))
    assert "loss: no points." in described(plots.curves("t", {"loss": []}))
    assert "lr: no points." in described(plots.curves("t", {"lr": [(0, 0.0)]}, log=True))


def test_cells_say_their_counts_and_many_classes_are_put_together() -> None:
    root = parsed(plots.confusion("t", [[1234, 1], [0, 5]], ["cat", "dog"]))
    assert "1,234" in [text.text for text in root.iter(f"{SVG}text")]
    hints = [hint.text for hint in root.iter(f"{SVG}title")]
    assert "cat taken for dog: 1 of 1,235 (0.1%)" in hints
    classes = 500
    matrix = np.ones((classes, classes), dtype=int) + 1000 * np.eye(classes, dtype=int)
    matrix[490, 490] += 1000
    text = plots.confusion("t", matrix, [f"class {index} with a long name" for index in range(classes)])
    assert len(text) < MAX_BYTES
    labels = {label.text for label in parsed(text).iter(f"{SVG}text")}
    assert OTHERS in labels
    total = sum(int(found.replace(",", "")) for found in re.findall(r": ([\d,]+) of ", text))
    assert total == matrix.sum()
    assert any("class 490" in (hint.text or "") for hint in parsed(text).iter(f"{SVG}title"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12), st.booleans())
def test_any_numbers_make_a_plot(values: list[float], log: bool) -> None:
    text = plots.curves("any", {"line": list(enumerate(values))}, log=log)
    for path in parsed(text).iter(f"{SVG}path"):
        numbers = [float(one) for one in re.findall(r"-?[\d.]+", path.get("d") or "")]
        assert all(-1 <= one <= plots.WIDTH + 1 for one in numbers)
    assert not re.search(r"\b(?:nan|inf)\b", re.sub(r"<desc.*?</desc>", "", text))


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_are_few_round_and_told_apart(low: float, width: float) -> None:
    found = scale([low, low + width], 0, 100)
    ticks = found.ticks()
    assert 2 <= len(ticks) <= 8
    assert all(found.low - 1e-6 * width <= tick <= found.high + 1e-6 * width for tick in ticks)
    texts = tick_texts(ticks)
    assert len(set(texts)) == len(texts)
    assert max(map(len, texts)) <= 20


def test_ticks_of_known_scales() -> None:
    assert Scale(0, 1, 0, 100).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert tick_texts([0, 0.2, 0.4]) == ["0.0", "0.2", "0.4"]
    assert Scale(0.5, 2000, 0, 100, log=True).ticks() == [1, 10, 100, 1000]
    assert tick_texts([1, 10, 100, 1000]) == ["1", "10", "100", "1,000"]
    assert tick_texts([0, 1e-5, 2e-5]) == ["0", "1e-05", "2e-05"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plots.parity("t", [], []), "no rows"),
        (lambda: plots.parity("t", [1, math.nan], [1, 2]), "targets hold NaN"),
        (lambda: plots.residuals("t", [1, 2], [1]), "2 and 1 targets and predictions"),
        (lambda: plots.curves("t", {"loss": [1, 2, 3]}), "'loss' must be pairs"),
        (lambda: plots.curves("t", {"loss": [(0, None)]}), "'loss' must be pairs of numbers"),
        (lambda: plots.curves("t", {"loss": [("a", "b")]}), "'loss' must be pairs of numbers"),
        (lambda: plots.confusion("t", [[1, 2]], ["a"]), "must be square"),
        (lambda: plots.confusion("t", [[1]], ["a", "b"]), "2 and 1 labels and classes"),
        (lambda: plots.confusion("t", [[0]], ["a"]), "no rows"),
        (lambda: plots.confusion("t", [[-1]], ["a"]), "at least 0"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 8 lines"):
        plots.curves("t", {str(index): [] for index in range(9)})

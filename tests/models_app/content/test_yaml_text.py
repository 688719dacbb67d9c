"""YAML of strangers: plain data comes out, bombs are refused quickly, and no input raises anything else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_app.content.yaml_text import BadYaml, load_plain_yaml, storable_text


def test_scalars_are_read_as_yaml_1_2_reads_them() -> None:
    text = "a: no\nb: 1e-3\nc: 2024-01-01\nd: 12:30\ne: 007\nf: true\ng: ~\nh: -3\ni: .5\nj: !!str 12"
    assert load_plain_yaml(text) == {
        "a": "no", "b": 0.001, "c": "2024-01-01", "d": "12:30", "e": "007", "f": True, "g": None, "h": -3,
        "i": 0.5, "j": "12",
    }  # fmt: skip


def test_what_comes_out_is_json_that_databases_take() -> None:
    plain = load_plain_yaml('a: .nan\nb: -.inf\nc: 99999999999999999999\nd: "x\\0y"\n1: 2\nnull: 3')
    assert plain == {"a": "nan", "b": "-inf", "c": "99999999999999999999", "d": "x\ufffdy", "1": 2, "None": 3}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_aliases_are_written_out_while_they_are_few() -> None:
    assert load_plain_yaml("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


def alias_bomb() -> str:
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    return "\n".join(lines + [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (alias_bomb(), "100,000 parts once its aliases"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 5000, "nested deeper than 32"),
        ("a: {<<: {b: 1}}", "merge key"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        ("a: &x 1\nb: [" + "*x, " * 300 + "]", "more than 200 aliases"),
        ("x: !!python/object:os.system []", "uses the tag tag:yaml.org,2002:python/object:os.system"),
        ("x: !!timestamp foo", "uses the tag"),
        ("a: [1, 2", "not valid YAML in line"),
        ("a: b: c", "line 1: mapping values are not allowed"),
        ("- 1\n---\n- 2", "another document"),
        ("? [a]\n: b", "not valid YAML"),
        ("a:\n" + "- x: 1\n" * 70_000, "100,000 parts"),
        ("a: " + "x" * 600_000, "larger than 512 KiB"),
    ],
)
def test_what_would_blow_up_is_refused_in_one_sentence(text: str, words: str) -> None:
    start = time.monotonic()
    with pytest.raises(BadYaml) as refusal:
        load_plain_yaml(text)
    assert words in str(refusal.value)
    assert len(str(refusal.value)) < 300
    assert time.monotonic() - start < 5


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@`\n\t 0.1e~<?,"), max_size=60))
def test_no_text_raises_anything_but_bad_yaml(text: str) -> None:
    try:
        plain = load_plain_yaml(text)
    except BadYaml:
        return
    json.dumps(plain, allow_nan=False)


def test_halves_of_surrogate_pairs_become_question_marks() -> None:
    assert storable_text("a\ud800b\0") == "a?b\ufffd"
    assert storable_text("手写 ✓") == "手写 ✓"

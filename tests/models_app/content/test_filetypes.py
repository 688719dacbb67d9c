"""LFS and ignore rules, compared with what git itself says about the same lines and paths."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from models_app.content.filetypes import LfsRules, initial_gitattributes, is_binary, served_type, with_tracked
from models_app.content.gitpatterns import is_ignored

PATHS = [
    "a.bin", "x/y/a.bin", "a.bin.txt", "saved_model/v", "saved_model/a/b/c.txt", "x/saved_model/a",
    "model.tar.gz",
    "logs/events.out.tfevents.1", "foo.lfs.x", "README.md", "dir/a b.txt", "dir/[x].txt", "d/e/f.npz",
    "é.npy",
    "build",
    "build/x", "src/build/x", "docs/a.log", "docs/keep.log", "top.log", "deep/docs/a.log", "a/q/z",
    "a/q/r/z", "ax",
]  # fmt: skip

ATTRIBUTES = [
    initial_gitattributes("model").decode(),
    initial_gitattributes("dataset").decode(),
    "*.bin filter=lfs\n/a.bin -filter\n",
    "dir/* filter=lfs\n",
    "dir/a[[:space:]]b.txt filter=lfs -text\n",
    "dir/\\[x\\].txt filter=lfs\n",
    "a/**/z filter=lfs\n**/build filter=lfs\n",
    "docs/** filter=lfs\n[ab]x filter=lfs\n[!a]*.md filter=lfs\n?.bin !filter\n",
    "# comment\n\n*.log text\n*.log filter=other\n",
]

IGNORES = [
    "build\n*.log\n!keep.log\n",
    "build/\n",
    "/build\n/docs/*.log\n",
    "**/docs\n",
    "a/**/z\n# x\n",
    "*\n!*.md\n",
]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_lfs_rules_agree_with_git(work: Path, attributes: str) -> None:
    (work / ".gitattributes").write_text(attributes)
    said = subprocess.run(
        ["git", "check-attr", "-z", "filter", "--", *PATHS],
        cwd=work,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    truth = {path: value == "lfs" for path, value in zip(said[0::3], said[2::3], strict=False)}
    rules = LfsRules(attributes)
    assert {path: rules.tracks(path) for path in PATHS} == truth


@pytest.mark.parametrize("ignore", IGNORES)
def test_ignore_rules_agree_with_git(work: Path, ignore: str) -> None:
    (work / ".gitignore").write_text(ignore)
    done = subprocess.run(
        ["git", "check-ignore", "-z", "--no-index", "--stdin"],
        cwd=work,
        capture_output=True,
        text=True,
        input="\0".join(PATHS),
    )
    ignored = set(done.stdout.split("\0")) - {""}
    assert {path for path in PATHS if is_ignored(path, ignore)} == ignored


@pytest.mark.parametrize("path", ["odd name.weights", "dir/[x] *.weights", "a#b", "!x", "plain.weights"])
def test_a_path_added_to_the_rules_is_tracked_by_git_too(work: Path, path: str) -> None:
    before = b"*.bin filter=lfs"
    after = with_tracked(before, [path])
    (work / ".gitattributes").write_bytes(after)
    said = subprocess.run(
        ["git", "check-attr", "-z", "filter", "--", path],
        cwd=work,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.split("\0")[2] == "lfs"
    assert with_tracked(after, [path, "x.bin"]) == after


def test_hostile_patterns_are_matched_in_no_time() -> None:
    rules = LfsRules("*a*a*a*a*a*a*a*a*a*a*b filter=lfs\n" + "**/**/**/*a*a*b/** filter=lfs\n" * 50)
    started = time.monotonic()
    assert not rules.tracks("/".join(["a" * 250] * 16))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("sample", "binary"),
    [(b"", False), ("é".encode() * 9, False), ("é".encode()[:1], False), (b"a\0", True),
     (b"\xff\xfe\x01", True),
     (b"text \xe2\x82", False), (b"\x89PNG\r\n\x1a\n", True)],
)  # fmt: skip
def test_what_counts_as_binary(sample: bytes, binary: bool) -> None:
    assert is_binary(sample) is binary


@pytest.mark.parametrize("path", ["x.html", "x.svg", "x.xhtml", "x.js", "x.xml", "noextension"])
def test_nothing_a_browser_runs_is_served_as_such(path: str) -> None:
    assert served_type(path, b"<script>1</script>") == "text/plain; charset=utf-8"
    assert served_type(path, None) == "application/octet-stream"
    assert served_type("x.PNG", None) == "image/png"


def test_a_line_beyond_those_read_as_rules_is_not_added_again() -> None:
    paths = [f"data/{number}" for number in range(2500)]
    once = with_tracked(b"", paths)
    assert once.count(b"\n") == 2500
    assert with_tracked(once, paths) == once

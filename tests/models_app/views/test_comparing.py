"""History of one path, any two revisions compared, the tensors of weights compared."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from django.test import Client

from accounts.models import User
from models_app import tensor_diffs
from models_app.actions.branches import create_branch
from models_app.actions.commits import commit
from models_app.actions.page_commits import place_content
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.operations import AddFile, DeleteFile, Operation
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages

WEIGHTS = "model.safetensors"


class Bytes:
    """Bytes that are read once."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int, /) -> bytes:
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def packed(**tensors: np.ndarray) -> bytes:
    """A safetensors file; `__` in a name stands for a point, and what has the type uint16 is bfloat16."""
    header: dict[str, object] = {}
    body = b""
    types = {"float32": "F32", "float16": "F16", "uint16": "BF16", "int64": "I64"}
    for name, array in tensors.items():
        data = array.tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name.replace("__", ".")] = {
            "dtype": types[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": offsets,
        }
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def put(pages: Pages, summary: str, branch: str = "main", **files: bytes | None) -> str:
    """A commit with these files (`_` for a point in their names; None deletes); its oid."""
    actor = session(pages.alice)
    row = Repo.objects.get(pk=pages.base.pk)
    operations: list[Operation] = []
    for name, data in files.items():
        path = name.replace("_", ".")
        if data is None:
            operations.append(DeleteFile(path))
        else:
            found = place_content(actor, repo=row, branch=branch, path=path, size=len(data), body=Bytes(data))
            operations.append(found)
    return commit(actor, repo=row, branch=branch, operations=operations, summary=summary).oid


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_the_tensors_that_changed_are_told_with_their_distance(client: Client, pages: Pages) -> None:
    kept, moved, gone = normal(300, 400), normal(64, 64, seed=2), normal(8, seed=3)
    old = put(
        pages, "One", model_safetensors=packed(kept=kept, head__weight=moved, gone=gone, bent=normal(4, 6))
    )
    after = packed(kept=kept, head__weight=moved * np.float32(1.5), bent=normal(6, 4), fresh=normal(3))
    new = put(pages, "Two", model_safetensors=after)
    text = client.get(f"/alice/base/commit/{new}").text
    link = f"/alice/base/tensors/{old}...{new}/{WEIGHTS}"
    assert f'href="{link}"' in text
    page = client.get(link).text
    assert "head.weight" in page
    assert "50 %" in page  # ‖1.5 w − w‖ / ‖w‖
    assert "4 × 6 → 6 × 4" in page
    assert "4 tensors differ," in page
    assert "1 is the same." in page
    assert "kept" not in page.partition("<tbody")[2].partition("</tbody>")[0]


def test_same_chunks_are_not_read(pages: Pages) -> None:
    large, small = normal(1000, 1000), normal(16, 16, seed=2)
    old = put(pages, "One", model_safetensors=packed(large=large, small=small))
    new = put(pages, "Two", model_safetensors=packed(large=large, small=-small))
    store, row = git_store(pages.base), Repo.objects.get(pk=pages.base.pk)
    entries = [store.entry(oid, WEIGHTS) for oid in (old, new)]
    found = tensor_diffs.diff_tensors(row, entries[0], entries[1])  # type: ignore[arg-type]
    assert [(change.name, change.distance) for change in found.changes] == [("small", pytest.approx(2.0))]
    assert found.same == 1
    assert found.read_bytes < 1_000_000  # of eight million


def test_a_change_inside_a_large_tensor_is_measured_exactly(pages: Pages) -> None:
    before = normal(500, 1001)
    after = before.copy()
    after[123, 456] += 10
    after[499, 1000] -= 5
    old = put(pages, "One", model_safetensors=packed(a=normal(3), w=before))
    new = put(pages, "Two", model_safetensors=packed(first=normal(77, seed=9), a=normal(3), w=after))
    store, row = git_store(pages.base), Repo.objects.get(pk=pages.base.pk)
    entries = [store.entry(oid, WEIGHTS) for oid in (old, new)]
    found = tensor_diffs.diff_tensors(row, entries[0], entries[1])  # type: ignore[arg-type]
    exact = before.astype(np.float64)
    wanted = np.linalg.norm(after.astype(np.float64) - exact) / np.linalg.norm(exact)
    changes = {change.name: change for change in found.changes}
    assert changes["w"].distance == pytest.approx(wanted, rel=1e-9)
    assert 0 < changes["w"].share < 0.9
    assert changes["first"].status == "added"


def test_when_the_time_is_spent_the_share_is_told(
    client: Client, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put(pages, "One", model_safetensors=packed(w=normal(400, 500, seed=5)))
    new = put(pages, "Two", model_safetensors=packed(w=normal(400, 500, seed=6)))
    monkeypatch.setattr(tensor_diffs, "MAX_BYTES", 0)
    monkeypatch.setattr(tensor_diffs, "_memory", tensor_diffs._Memory())
    monkeypatch.setattr(tensor_diffs._Budget.__init__, "__defaults__", (0, 0))
    page = client.get(f"/alice/base/tensors/{old}...{new}/{WEIGHTS}").text
    assert "1 tensor was not measured" in page
    assert "100 % of its bytes" in page


def test_bfloat16_and_integers_are_measured(pages: Pages) -> None:
    def bf16(array: np.ndarray) -> np.ndarray:
        return (array.view(np.uint32) >> 16).astype(np.uint16)

    ones = np.ones((8, 8), np.float32)
    old = put(pages, "One", model_safetensors=packed(b=bf16(ones), i=np.arange(9)))
    new = put(pages, "Two", model_safetensors=packed(b=bf16(ones * 2), i=np.arange(9) * 3))
    store, row = git_store(pages.base), Repo.objects.get(pk=pages.base.pk)
    entries = [store.entry(oid, WEIGHTS) for oid in (old, new)]
    found = tensor_diffs.diff_tensors(row, entries[0], entries[1])  # type: ignore[arg-type]
    assert {change.name: change.distance for change in found.changes} == {"b": 1.0, "i": 2.0}


def test_weights_that_are_none_are_said_to_be_none(client: Client, pages: Pages) -> None:
    old = put(pages, "One", model_safetensors=b"\xff" * 100)
    new = put(pages, "Two", model_safetensors=packed(w=normal(3)))
    assert "no sound safetensors file" in client.get(f"/alice/base/tensors/{old}...{new}/{WEIGHTS}").text
    for rest in (
        f"{old}...{new}/README.md",
        f"{old}...{new}/no.safetensors",
        f"nope...{new}/{WEIGHTS}",
        "x",
        "...",
    ):
        assert client.get(f"/alice/base/tensors/{rest}").status_code == 404


def test_tensors_of_a_gated_repo_stay_inside(client: Client, pages: Pages, carol: User) -> None:
    old = put(pages, "One", model_safetensors=packed(w=normal(3)))
    new = put(pages, "Two", model_safetensors=packed(w=normal(4)))
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    Repo.objects.filter(pk=pages.base.pk).update(gated="manual")
    assert client.get(f"/alice/base/tensors/{old}...{new}/{WEIGHTS}").status_code == 403
    assert "This repo is gated" in client.get(f"/alice/base/compare/{old}...{new}").text
    Repo.objects.filter(pk=pages.base.pk).update(private=True)
    assert client.get(f"/alice/base/compare/{old}...{new}").status_code == 404


def test_a_config_is_told_key_by_key(client: Client, pages: Pages) -> None:
    put(pages, "One", config_json=json.dumps({"lr": 0.1, "net": {"depth": 3, "old": True}}).encode())
    new = put(pages, "Two", config_json=json.dumps({"lr": 0.2, "net": {"depth": 3, "new": [1, 2]}}).encode())
    text = client.get(f"/alice/base/commit/{new}").text.partition('class="table dense keys"')[2]
    table = text.partition("</table>")[0]
    for words in ("lr", "0.1", "0.2", "net.old", "net.new", "[1, 2]"):
        assert words in table
    assert "net.depth" not in table


def test_words_that_differ_are_marked_in_both_views(client: Client, pages: Pages) -> None:
    put(pages, "One", a_txt=b"the quick brown fox\nsame\n" + b"more\n" * 40 + b"end\n")
    new = put(pages, "Two", a_txt=b"the quick <red> fox\nsame\n" + b"more\n" * 40 + b"END\n")
    text = client.get(f"/alice/base/commit/{new}").text
    assert "the quick <mark>brown</mark> fox" in text
    assert "<mark>&lt;red&gt;</mark>" in text
    assert "unchanged lines" in text
    split = client.get(f"/alice/base/commit/{new}?diff=split").text
    assert 'class="diff-lines split"' in split
    assert "<mark>&lt;red&gt;</mark>" in split


def test_a_huge_change_is_cut_and_folded(client: Client, pages: Pages) -> None:
    old = "".join(f"line {n}\n" for n in range(9000)).encode()
    put(pages, "One", a_txt=old, b_txt=b"x" * 300_000)
    new = put(pages, "Two", a_txt=old.replace(b"line", b"LINE"), b_txt=b"y" * 300_000)
    answer = client.get(f"/alice/base/commit/{new}")
    assert answer.status_code == 200
    assert "too long to show here" in answer.text
    assert len(answer.text) < 2_000_000
    assert (
        '<details class="fold diff" open' not in answer.text.partition("a.txt")[0].rpartition("<details")[2]
    )


def test_one_path_has_a_history(client: Client, pages: Pages) -> None:
    put(pages, "Add a", a_txt=b"1\n")
    put(pages, "Add b", b_txt=b"1\n")
    put(pages, "Change a", a_txt=b"2\n")
    text = client.get("/alice/base/commits/main/a.txt").text
    assert "Add a" in text
    assert "Change a" in text
    assert "Add b" not in text
    assert "The file then" in text
    put(pages, "Drop a", a_txt=None)
    gone = client.get("/alice/base/commits/main/a.txt").text
    assert "Drop a" in gone
    assert "not there any more" in gone
    assert "Publish it" in client.get("/alice/base/commits/main/src").text


def test_two_revisions_are_compared(client: Client, pages: Pages) -> None:
    create_branch(session(pages.alice), repo=pages.base, branch="feat/x", starting_point="main")
    put(pages, "Side work", branch="feat/x", side_txt=b"side\n")
    put(pages, "Main work", main_txt=b"main\n")
    text = client.get("/alice/base/compare/main...feat%2Fx").text
    assert "side.txt" in text
    assert "main.txt" not in text
    assert "Side work" in text
    assert "main.txt" in client.get("/alice/base/compare/main..feat%2Fx").text
    assert "has nothing that" in client.get("/alice/base/compare/main...main").text
    asked = client.get("/alice/base/compare/main...main?from=main&to=feat/x")
    assert asked["Location"] == "/alice/base/compare/main...feat%2Fx"


@pytest.mark.parametrize("rest", ["main...nope", "nope", "...", "a..b..c", "main...%00", "<script>...main"])
def test_a_comparison_of_what_is_not_there_says_so(client: Client, pages: Pages, rest: str) -> None:
    answer = client.get(f"/alice/base/compare/{rest}")
    assert answer.status_code == 404
    assert "<script>..." not in answer.text


def test_a_pull_request_shows_the_same_changes(as_alice: Client, pages: Pages) -> None:
    from models_app.actions.pull_requests import open_with_commit

    row = Repo.objects.get(pk=pages.base.pk)
    changed = [AddFile("config.json", b'{"depth": 3}')]
    open_with_commit(session(pages.alice), repo=row, branch="main", operations=changed, summary="Deeper")
    text = as_alice.get("/alice/base/discussions/1").text
    assert "config.json" in text
    assert 'class="diff-lines"' in text

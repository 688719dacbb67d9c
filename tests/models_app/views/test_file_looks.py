"""What each kind of file looks like on its page, and what hostile ones look like."""

from __future__ import annotations

import io
import json
import struct
from urllib.parse import quote

import pytest
from django.test import Client

from models_app.actions.commits import commit
from models_app.content.lines import MAX_LINE
from models_app.models import Repo
from models_app.storage.operations import AddFile
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages

NOTEBOOK = {
    "metadata": {"language_info": {"name": "python"}},
    "cells": [
        {"cell_type": "markdown", "source": ["# Hello\n", "<script>alert(1)</script>"]},
        {
            "cell_type": "code",
            "execution_count": 7,
            "source": "import os\n",
            "outputs": [
                {"output_type": "stream", "text": ["printed \x1b[31mred\x1b[0m\n"]},
                {"output_type": "display_data", "data": {"text/html": "<script>alert(2)</script>"}},
                {"output_type": "execute_result", "data": {"text/plain": "<b>plain</b>"}},
                {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}},
                {"output_type": "display_data", "data": {"image/png": '"><script>alert(3)</script>'}},
                {"output_type": "error", "traceback": ["Boom", "Bang"]},
            ],
        },
    ],
}


def safetensors(**shapes: list[int]) -> bytes:
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def parquet(rows: int) -> bytes:
    import pyarrow
    from pyarrow import parquet as writer

    table = pyarrow.table({"text": [f"row {n}" for n in range(rows)], "picture": [b"\x89PNG"] * rows})
    stream = io.BytesIO()
    writer.write_table(table, stream)
    return stream.getvalue()


def shown(client: Client, pages: Pages, path: str, content: bytes, query: str = "") -> str:
    repo = Repo.objects.get(pk=pages.base.pk)
    commit(
        session(pages.alice), repo=repo, branch="main", operations=[AddFile(path, content)], summary="Add it"
    )
    response = client.get(f"/alice/base/blob/main/{quote(path)}{query}")
    assert response.status_code == 200
    return response.text


def test_lines_can_be_pointed_at(client: Client, pages: Pages) -> None:
    text = shown(client, pages, "a.py", b"import os\n\nprint(os)\n")
    assert 'id="L3"' in text
    assert 'id="L4"' not in text
    assert '<span class="kn">import</span>' in text


def test_a_text_over_many_lines_stays_in_its_lines(client: Client, pages: Pages) -> None:
    text = shown(client, pages, "a.py", b'"""one\ntwo\nthree"""\nx = 1\n')
    for line in text.partition("<pre")[2].partition("</pre>")[0].split('<span class="line"')[1:]:
        assert line.count("<span") == line.count("</span>") - 1


def test_markdown_is_drawn_or_shown_as_it_is_written(client: Client, pages: Pages) -> None:
    content = b"---\nlicense: mit\n---\n# A *title*\n"
    assert "<em>title</em>" in shown(client, pages, "notes.md", content)
    source = client.get("/alice/base/blob/main/notes.md?view=source").text
    assert "license" in source
    assert "A <" in source.partition('id="L4"')[2] or "A *title*" in source or "gh" in source


@pytest.mark.parametrize(
    ("path", "content", "cells"),
    [
        ("a.csv", b'name,value\n"a, b",1\n<i>,2\n', ("<td>a, b</td>", "&lt;i&gt;", "2 rows")),
        ("a.tsv", b"name\tvalue\nx\t1\n", ("<td>x</td>", "1 row")),
        ("a.jsonl", b'{"a": 1, "b": [1, 2]}\n{"a": null}\n', ("<td>[1, 2]</td>", "2 rows")),
    ],
)
def test_records_are_tables(
    client: Client, pages: Pages, path: str, content: bytes, cells: tuple[str, ...]
) -> None:
    text = shown(client, pages, path, content)
    assert [cell for cell in cells if cell not in text] == []
    assert 'id="L1"' in client.get(f"/alice/base/blob/main/{path}?view=source").text


def test_parquet_is_a_table_of_its_first_rows(client: Client, pages: Pages) -> None:
    text = shown(client, pages, "p.parquet", parquet(1500))
    assert "<td>row 99</td>" in text
    assert "<td>row 100</td>" not in text
    assert "The first 100 rows of 1,500." in text
    assert "&lt;4 bytes&gt;" in text


def test_weights_are_their_tensors(client: Client, pages: Pages) -> None:
    text = shown(client, pages, "w.safetensors", safetensors(**{"layer.weight": [3, 4], "layer.bias": [3]}))
    assert "layer.weight" in text
    assert "3 × 4" in text
    assert "2 tensors" in text
    assert "Too large" not in text


def test_a_notebook_is_cells_without_their_html(client: Client, pages: Pages) -> None:
    text = shown(client, pages, "n.ipynb", json.dumps(NOTEBOOK).encode())
    for words in (
        "Hello</h1>",
        "[7]",
        "printed red",
        "&lt;b&gt;plain&lt;/b&gt;",
        "Boom",
        "base64,iVBORw0KGgo=",
    ):
        assert words in text
    assert "alert(" not in text.replace("alert(1)", "") or "<script>alert" not in text
    assert "alert(2)" not in text
    assert "alert(3)" not in text


def test_json_in_one_line_is_laid_out(client: Client, pages: Pages) -> None:
    content = json.dumps({"a": list(range(300)), "b": {"c": "<x>"}}).encode()
    text = shown(client, pages, "c.json", content)
    assert 'id="L300"' in text
    assert "<x>" not in text
    assert 'id="L2"' not in client.get("/alice/base/blob/main/c.json?view=source").text


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("bad.safetensors", b"\xff" * 100, "header is longer than the file"),
        ("bad.ipynb", b"{", 'id="L1"'),
        ("bad.parquet", b"PAR1 not \0 really", "Not a text file"),
        ("bad.csv", b"\0\1\2", "Not a text file"),
        ("bad.json", b"[" * 5000, 'id="L1"'),
        ("wide.txt", b"x" * (MAX_LINE + 9), "Lines of more than 5,000 letters are cut here"),
        ("latin.txt", b"caf\xe9\n", "no UTF-8"),
        ("pic.svg", b"<svg onload='alert(1)'/>", "&lt;"),
        ("a.wav", b"RIFF", "<audio controls"),
        ("a.mp4", b"film", "<video controls"),
        ("huge.md", b"# Title\n" + b"word " * 200_000, "The rest of this document is too long"),
        ("ünï cödé #1 100%?.txt", b"fine", "fine"),
    ],
)
def test_hostile_and_odd_files_have_a_page(
    client: Client, pages: Pages, path: str, content: bytes, words: str
) -> None:
    text = shown(client, pages, path, content)
    assert words in text
    assert "<svg onload" not in text


def test_a_folder_of_many_files_comes_in_pages_and_is_found_by_name(client: Client, pages: Pages) -> None:
    repo = Repo.objects.get(pk=pages.base.pk)
    files = [AddFile(f"many/file-{n:05}.txt", b"x") for n in range(450)]
    commit(session(pages.alice), repo=repo, branch="main", operations=files, summary="Many files")
    first = client.get("/alice/base/tree/main/many").text
    assert "file-00199.txt" in first
    assert "file-00200.txt" not in first
    assert "file-00449.txt" in client.get("/alice/base/tree/main/many?page=3").text
    assert client.get("/alice/base/tree/main/many?page=x").status_code == 200
    found = client.get("/alice/base/tree/main/many?q=FILE-0031").text
    assert "file-00310.txt" in found
    assert "file-00309.txt" not in found
    assert "10 of 450 entries" in found
    assert "No name in this folder has “zzz" in client.get("/alice/base/tree/main/many?q=zzz").text

"""Markdown: what authors rely on is there, and nothing that could run, load or overlay the page."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_app.content.markdown import MAX_MARKDOWN_CHARS, render_markdown, summary_of

REPO = "/alice/net"


def html(text: str) -> str:
    return render_markdown(text, REPO)


def test_tables_keep_their_alignment_without_inline_style() -> None:
    found = html("| a | b |\n|---|:-:|\n| 1 | 2 |")
    assert '<th align="center">b</th>' in found
    assert "<td>1</td>" in found
    assert "style=" not in found


def test_task_lists_and_footnotes() -> None:
    found = html("- [x] done\n- [ ] todo\n\nword[^1]\n\n[^1]: note")
    assert found.count('type="checkbox"') == 2
    assert found.count('disabled=""') == 2
    assert 'href="#user-content-fn1"' in found
    assert 'id="user-content-fn1"' in found


def test_headings_have_anchors_that_contents_lists_reach() -> None:
    found = html("# Hello, *World*!\n\n# Hello World\n\n[up](#hello-world)")
    assert 'id="user-content-hello-world"' in found
    assert 'id="user-content-hello-world-1"' in found
    assert 'href="#user-content-hello-world"' in found


def test_code_is_highlighted_and_unknown_languages_stay_plain() -> None:
    assert '<span class="k">def</span>' in html("```python\ndef f(): pass\n```")
    block = "```python\ndef f(): pass\n" + "#\n" * 10_000 + "```\n\n"
    assert html(block * 3).count('<span class="k">def</span>') == 1
    assert html("```nonsense\n<b>\n```") == "<pre><code>&lt;b&gt;\n</code></pre>\n"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("[x](docs/a.md#top)", 'href="/alice/net/blob/main/docs/a.md#top"'),
        ("[x](./a%20b.md?x=1)", 'href="/alice/net/blob/main/a%20b.md?x=1"'),
        ("[x](../../../../etc/passwd)", 'href="/alice/net/blob/main/etc/passwd"'),
        ("![x](curve.png)", 'src="/alice/net/resolve/main/curve.png"'),
        ('<img src="a/b.png" width="120">', 'src="/alice/net/resolve/main/a/b.png" width="120"'),
        ("[x](/datasets/demo/mnist-5k)", 'href="/datasets/demo/mnist-5k"'),
        ("[x](https://example.org/a?b=c&d)", 'href="https://example.org/a?b=c&amp;d"'),
        ("https://example.org/bare", 'href="https://example.org/bare"'),
        ("![x](data:image/png;base64,iVBORw0KGgo=)", 'src="data:image/png;base64,iVBORw0KGgo="'),
    ],
)
def test_links_and_images_lead_where_they_should(markdown: str, expected: str) -> None:
    assert expected in html(markdown)


def test_relative_links_are_dropped_where_there_is_no_repo() -> None:
    assert "href" not in render_markdown("[x](a.md)")


def test_the_revision_is_one_path_segment() -> None:
    assert 'href="/alice/net/blob/feat%2Fx/a.md"' in render_markdown("[x](a.md)", REPO, "feat/x")


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href=' &#106;avascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<svg onload=alert(1)><a xlink:href='javascript:1'>x</a></svg>",
    "<math><mi xlink:href='javascript:1'>x</mi></math>",
    "<iframe src='https://evil.org'></iframe>",
    "<object data='x'></object><embed src='x'>",
    "<form action='/api'><input name=a type=password><button>go</button></form>",
    "<style>body{display:none}</style><link rel=stylesheet href=x><base href='https://evil.org/'>",
    "<div style='position:fixed;inset:0'>over</div>",
    "<meta http-equiv=refresh content='0;url=https://evil.org'>",
    "<a href='//evil.org'>x</a><a href='\\\\evil.org'>x</a>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    '```"><img/src=x/onerror=alert(1)>\nx\n```',
    "<details ontoggle=alert(1) open>x</details>",
    "<video src=x onerror=alert(1)></video><audio autoplay></audio>",
    "<textarea><img src=x onerror=alert(1)></textarea>",
]
_ALLOWED_URL = re.compile(r"(https?://|mailto:|/(?!/)|#user-content-|data:image/(png|jpeg|gif|webp);base64,)")


def assert_harmless(found: str) -> None:
    for tag in re.findall(r"<\s*([a-zA-Z]+)", found):
        assert tag.lower() not in {
            "script", "style", "iframe", "object", "embed", "form", "button", "link", "meta", "base", "svg",
            "math", "video", "audio", "textarea", "select", "template", "noscript", "title", "frame",
        }, found  # fmt: skip
    for attributes in re.findall(r"<[a-zA-Z][^>]*>", found):
        assert not re.search(r"\s(on\w+|style|srcset|action|formaction|name|srcdoc)\s*=", attributes), found
        for url in re.findall(r'(?:href|src)="([^"]*)"', attributes):
            assert _ALLOWED_URL.match(url), found
        if attributes.startswith("<input"):
            assert 'type="checkbox"' in attributes
            assert "disabled" in attributes


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_html_is_disarmed(text: str) -> None:
    assert_harmless(html(text))
    assert_harmless(html(f"a {text} b"))
    assert_harmless(html(f"> - {text}"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([*HOSTILE, "<", ">", '"', "'", "`", "\n", "&#x6a;", "]]>", "<!--", " x "]), max_size=6
    )
)
def test_mixtures_of_hostile_pieces_are_disarmed(pieces: list[str]) -> None:
    assert_harmless(html("".join(pieces)))


def test_only_known_classes_survive() -> None:
    assert html('<div class="modal highlight">x</div>').strip() == '<div class="highlight">x</div>'


@pytest.mark.parametrize(
    "text",
    [
        "# a\n" * 40_000,
        "[" * 130_000,
        "![" * 65_000,
        "> " * 65_000,
        "<div>" * 26_000,
        "*a _b " * 20_000,
        "`" * 130_000,
    ],
    ids=["headings", "brackets", "images", "quotes", "divs", "emphasis", "ticks"],
)
def test_pathological_text_is_rendered_within_seconds(text: str) -> None:
    start = time.monotonic()
    html(text)
    assert time.monotonic() - start < 20


def test_a_very_long_document_is_cut_and_says_so() -> None:
    found = html("word " * MAX_MARKDOWN_CHARS)
    assert len(found) < MAX_MARKDOWN_CHARS + 1000
    assert "too long to show here" in found


def test_the_summary_is_the_first_paragraph_as_plain_text() -> None:
    text = "# Title\n\n![badge](x.png)\n\nA *small* `net` for\n[digits](d.md).\n\nMore."
    assert summary_of(text) == "A small net for digits."
    assert summary_of("# Only a title") == ""
    assert len(summary_of("word " * 200)) == 300
    assert summary_of("word " * 200).endswith("…")

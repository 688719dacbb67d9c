"""Formulas, mentions and references in what people write, and nothing that breaks out of them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.actor import Actor
from accounts.models import User
from models_app.actions import discussions as actions
from models_app.actions.repos import create_repo
from models_app.actions.threads import rendered
from models_app.content.formulas import MAX_FORMULA_CHARS, mathml
from models_app.content.markdown import render_markdown
from models_app.content.references import names_mentioned
from models_app.models import Repo
from tests.models_app.people import organization


def test_formulas_in_lines_and_alone() -> None:
    found = render_markdown("it is $a<b$\n\n$$\\frac{1}{2}$$\n\n| $x$ |\n|---|\n| y |\n")
    assert '<math display="inline"><mrow><mi>a</mi><mo>&lt;</mo><mi>b</mi></mrow></math>' in found
    assert '<div class="formula"><math display="block">' in found
    assert found.count("<math") == 3


def test_money_and_code_are_no_formulas() -> None:
    found = render_markdown("from $5 to $6, `$x$`, \\$y\\$\n\n```\n$z$\n```\n")
    assert "<math" not in found


@pytest.mark.parametrize(
    "latex",
    [
        "\\frac{",
        "x^x^x",
        "{" * 900 + "x" + "}" * 900,
        "a" * (MAX_FORMULA_CHARS + 1),
        "^{" * 600,
        "\\begin{matrix}",
    ],
    ids=["open", "double", "deep", "long", "recursion", "unended"],
)
def test_a_broken_formula_shows_its_source(latex: str) -> None:
    assert mathml(latex, block=False) is None
    found = render_markdown(f"a ${latex}$ b")
    assert "<math" not in found
    assert '<span class="formula-source"><code>$' in found


def test_a_document_of_formulas_is_quick_and_bounded() -> None:
    began = time.monotonic()
    found = render_markdown("$\\frac{a}{b}$ " * 9000)
    assert time.monotonic() - began < 15
    assert 100 < found.count("<math") < 3000
    assert "formula-source" in found


HOSTILE = [
    "$\\href{javascript:alert(1)}{x}$",
    "$\\style{background:url(javascript:1)}{x}$",
    "$\\text{<script>alert(1)</script>}$",
    "$\\text{&lt;img src=x onerror=alert(1)&gt;}$",
    '$\\class{" onmouseover="alert(1)}{x}$',
    '$\\color{red" onclick="alert(1)}{x}$',
    '<div title="\n\n$\\text{ onmouseover=alert(1) x=}$\n\n">',
    "<div title='\n\n$\\text{ onmouseover=alert(1) x=}$\n\n'>",
    '<a href="$x$" title="$y$">z</a>',
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<math href='javascript:alert(1)'><mi xlink:href='data:x'>CLICK</mi></math>",
    '<svg><foreignObject><math><mi//xlink:href="data:x,<script>alert(4)</script>">',
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "![$x$](javascript:alert(1))",
    "[$x$](data:text/html,<script>1</script>)",
    "$$</math><script>alert(1)</script>$$",
    '<span title="formula-0"></span>',
    '@alice" onclick="alert(1)',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
]


def assert_harmless(found: str) -> None:
    for tag in re.findall(r"<\s*([a-zA-Z-]+)", found):
        assert tag.lower() not in {
            "script", "style", "iframe", "object", "embed", "form", "svg", "mglyph", "annotation-xml",
            "foreignobject",
        }, found  # fmt: skip
    for whole in re.findall(r"<[a-zA-Z](?:[^>\"]|\"[^\"]*\")*>", found):
        bare = re.sub(r'"[^"]*"', '""', whole)
        assert not re.search(r"\s(on\w+|style|xlink:href|srcdoc)\s*=", bare), found
        if re.match(r"<m", whole):
            assert "href" not in bare, found
        for url in re.findall(r'\s(?:href|src)="([^"]*)"', whole):
            assert not re.match(r"\s*(javascript|vbscript|data:text)", url, re.IGNORECASE), found


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_formulas_and_mathml_are_disarmed(text: str) -> None:
    for written in (text, f"a {text} b", f"> - {text}", f"| {text} |\n|---|\n", f"{text}\n\n$x$"):
        assert_harmless(render_markdown(written, "/alice/net"))


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.sampled_from([*HOSTILE, "$", "$$", "<", ">", '"', "'", "\n", "\n\n", "`", "<math>"]), max_size=6
    )
)
def test_mixtures_of_hostile_pieces_are_disarmed(pieces: list[str]) -> None:
    assert_harmless(render_markdown("".join(pieces), "/alice/net"))


@pytest.mark.django_db
def test_what_is_there_becomes_a_link(net: Repo, alice: User, carol: User) -> None:
    create_repo(Actor(alice), repo_type="dataset", namespace="alice", name="digits")
    create_repo(Actor(alice), repo_type="model", namespace="alice", name="secret", private=True)
    actions.open_discussion(Actor(carol), repo=net, title="The first")
    organization("lab", read=carol)
    found = rendered(
        net,
        "Ask @Carol of @LAB or @nobody about #1 and #2, Alice/NET, alice/secret, and/or "
        "datasets/alice/digits#7; `@carol` stays, mail carol@alice.org too.",
    )
    assert 'href="/carol" class="mention"' in found
    assert ">@Carol</a>" in found
    assert '<a href="/lab" class="mention"' in found
    assert "@nobody" in found
    assert 'href="/nobody"' not in found
    assert 'href="/alice/net/discussions/1"' in found
    assert 'href="/alice/net/discussions/2"' not in found
    assert 'href="/alice/net"' in found
    assert "/alice/secret" not in found
    assert 'href="/datasets/alice/digits/discussions/7"' in found
    assert "<code>@carol</code>" in found


@pytest.mark.django_db
def test_the_hubs_own_addresses_are_written_short(net: Repo, settings: object) -> None:
    settings.HUB_PUBLIC_URL = "http://hub.example"  # type: ignore[attr-defined]
    found = rendered(net, "see http://hub.example/datasets/a/b/discussions/3 and http://else.example/a/b")
    assert ">a/b#3</a>" in found
    assert ">http://else.example/a/b</a>" in found


def test_names_mentioned_are_those_outside_code() -> None:
    text = "hi @alice, `@code` and a@b.org (@bob) @alice.\n\n```\n@fence\n```\n"
    assert names_mentioned(text) == ["alice", "bob"]


@pytest.mark.django_db
def test_many_names_cost_few_queries(net: Repo, django_assert_max_num_queries: object) -> None:
    text = " ".join(f"@p{n} #{n + 1} owner{n}/name" for n in range(2000))
    with django_assert_max_num_queries(3):  # type: ignore[operator]
        rendered(net, text)

"""What a list's address asks for: each facet alone and together, and everything that makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from accounts.actor import ANONYMOUS
from accounts.models import User
from models_app.facets import range_of
from models_app.finding import clean_query, found_repos, question_of
from models_app.models import Benchmark, EvalResult, RepoCard, RepoTag
from tests.models_app.people import repo_of, session


@pytest.fixture
def shelf(alice: User) -> User:
    """Three models that differ in everything, and a private one."""
    rows: dict[str, dict[str, Any]] = {
        "tiny": {"pipeline_tag": "fill-mask", "library_name": "transformers", "license": "mit",
                 "parameters": 4_000_000, "weights_bytes": 16_000_000, "total_bytes": 17_000_000},
        "middle": {"pipeline_tag": "image-classification", "library_name": "timm", "license": "apache-2.0",
                   "parameters": 600_000_000, "weights_bytes": 2_400_000_000, "total_bytes": 2_500_000_000},
        "huge": {"pipeline_tag": "image-classification", "library_name": "timm", "license": "cc-by-nc-4.0",
                 "parameters": 7_000_000_000, "weights_bytes": 14_000_000_000, "total_bytes": 15_000_000_000},
    }  # fmt: skip
    for name, facts in rows.items():
        repo = repo_of(alice, name)
        RepoCard.objects.update_or_create(repo=repo, defaults=facts)
    secret = repo_of(alice, "secret", private=True)
    RepoCard.objects.update_or_create(repo=secret, defaults=rows["tiny"])
    for name, kind, value in (
        ("tiny", "language", "zh"), ("tiny", "language", "en"), ("middle", "language", "en"),
        ("middle", "dataset", "alice/digits"), ("huge", "base_model", "alice/middle"),
        ("huge", "tag", "gguf"), ("tiny", "tag", "safetensors"),
    ):  # fmt: skip
        RepoTag.objects.create(repo=RepoCard.objects.get(repo__name=name).repo, kind=kind, value=value)
    return alice


def names(query: str, who: User | None = None) -> list[str]:
    actor = session(who) if who else ANONYMOUS
    return sorted(repo.name for repo in found_repos(actor, "model", QueryDict(query)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["huge", "middle", "tiny"]),
        ("task=fill-mask", ["tiny"]),
        ("task=fill-mask&task=image-classification", ["huge", "middle", "tiny"]),
        ("task=image-classification&license=apache-2.0", ["middle"]),
        ("task=fill-mask&library=timm", []),
        ("language=zh", ["tiny"]),
        ("language=zh&language=en", ["middle", "tiny"]),
        ("permission=commercial-use", ["middle", "tiny"]),
        ("permission=commercial-use&permission=no-attribution", []),
        ("params=-100M", ["tiny"]),
        ("params=-100M&params=3B-10B", ["huge", "tiny"]),
        ("params=500M-7B", ["middle"]),
        ("size=1G-10G", ["middle"]),
        ("fits=2", ["tiny"]),
        ("fits=4", ["middle", "tiny"]),
        ("fits=80", ["huge", "middle", "tiny"]),
        ("dataset=alice/digits", ["middle"]),
        ("base=alice/middle", ["huge"]),
        ("format=gguf", ["huge"]),
        ("gated=false", ["huge", "middle", "tiny"]),
        ("gated=manual", []),
        ("search=tiny", ["tiny"]),
    ],
)
def test_each_facet_narrows(shelf: User, query: str, expected: list[str]) -> None:
    assert names(query) == expected


def test_the_private_are_found_by_whom_they_belong_to(shelf: User, carol: User) -> None:
    assert names("task=fill-mask", shelf) == ["secret", "tiny"]
    assert names("task=fill-mask", carol) == ["tiny"]


def test_a_verified_result_within_bounds(shelf: User) -> None:
    data = repo_of(shelf, "digits", repo_type="dataset")
    board = Benchmark.objects.create(repo=data, name="Digits", tasks=[{"id": "t", "metric": "accuracy"}])
    for name, value, verified in (("tiny", 0.8, True), ("middle", 0.95, True), ("huge", 0.99, False)):
        repo = RepoCard.objects.get(repo__name=name).repo
        EvalResult.objects.create(
            repo=repo, filename="r.yaml", dataset_id="alice/digits", benchmark=board, task_id="t",
            value=value, verified=verified,
        )  # fmt: skip
    assert names("board=alice/digits") == ["middle", "tiny"]
    assert names("board=Alice/Digits&min=0.9") == ["middle"]
    assert names("board=alice/digits&max=0.9&task_id=t") == ["tiny"]
    assert names("board=alice/digits&task_id=other") == []
    assert names("board=nobody/nothing") == []


@pytest.mark.parametrize(
    "query",
    [
        "fits=0", "fits=-3", "fits=nan", "fits=1e9", "fits=999999", "params=x", "params=-", "params=9B-1B",
        "params=" + "9" * 50 + "-", "size=%00", "permission=fly", "gated=perhaps", "format=exe", "board=x",
        "board=/", "min=1&max=0", "page=-1&sort=x", "task=", "unknown=1",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_left_out(shelf: User, query: str) -> None:
    assert names(query) == ["huge", "middle", "tiny"]
    assert clean_query("model", QueryDict(query)) == ""


@pytest.mark.parametrize(
    "query",
    ["task=%00a", "task=" + "x" * 9000, "&".join(f"task=t{n}" for n in range(500)), "search=%00",
     "task=%ED%A0%80", "board=a/b&min=inf&max=nan", "base='%22--/x", "language=😀"],
)  # fmt: skip
def test_garbage_is_no_error(shelf: User, query: str) -> None:
    names(query)
    assert len(clean_query("model", QueryDict(query))) < 10_000


def test_two_addresses_that_ask_the_same_are_the_same_text() -> None:
    one = clean_query("model", QueryDict("sort=likes&license=mit&task=b&task=a&page=3&search=+a++b+"))
    two = clean_query("model", QueryDict("task=a&search=a b&task=b&task=a&license=mit"))
    assert one == two == "search=a+b&task=a&task=b&license=mit"
    again = question_of("model", QueryDict("board=a/b&min=0.5&task_id=t&nonsense=1"))
    assert clean_query("model", QueryDict("&".join(f"{k}={v}" for k, v in again.pairs()))) == (
        "board=a%2Fb&task_id=t&min=0.5"
    )


def test_facets_of_models_are_not_those_of_datasets(shelf: User) -> None:
    assert question_of("dataset", QueryDict("params=-100M&board=a/b&license=mit")).pairs() == [
        ("license", "mit")
    ]
    assert question_of("recipe", QueryDict("license=mit&task=x")).pairs() == [("license", "mit")]


@pytest.mark.parametrize(
    ("text", "ends"),
    [("1B-7B", (1e9, 7e9)), ("-100M", (0, 1e8)), ("70B-", (7e10, float("inf"))), ("1.5K-2K", (1500, 2000)),
     ("7B", None), ("a-b", None), ("-", None), ("2B-1B", None)],
)  # fmt: skip
def test_ranges_are_read(text: str, ends: tuple[float, float] | None) -> None:
    assert range_of(text) == ends

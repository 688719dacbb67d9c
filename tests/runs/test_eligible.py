"""Which runs a worker may take: tiers, owners, repos and states combined, by a rule written twice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Namespace, User
from models_app.models import Repo
from runs.eligible import eligible, within_tier
from runs.models import Kind, Run, Stage, Tier, Worker, WorkerState
from runs.workers import enroll_worker
from tests.models_app.people import repo_of
from tests.runs.conftest import World

pytestmark = pytest.mark.django_db

# how a repo may be closed to strangers, and the one way in which it is not
LOOKS: dict[str, dict[str, object]] = {
    "public": {},
    "private": {"private": True},
    "asked": {"gated": "auto"},
    "decided": {"gated": "manual"},
    "disabled": {"disabled_at": timezone.now()},
}


@dataclass(frozen=True)
class Shape:
    """What of a run decides who may take it."""

    base: str
    dataset: str
    benchmark: str
    target: str
    kind: str
    owner: str

    @property
    def is_public(self) -> bool:
        parts = [self.base, self.dataset]
        parts += [self.benchmark] if self.benchmark != "none" else []
        # of a preflight nobody can tell whether it had a result to publish to: it never has
        has_none = self.kind == Kind.PREFLIGHT and self.target in ("none", "gone")
        parts += [] if has_none else [self.target]
        return all(part == "public" for part in parts)


class Shelf:
    """One repo of each look, made once."""

    def __init__(self, owner: User) -> None:
        self.repos = {
            (kind, look): repo_of(owner, f"{kind}-{look}", repo_type=kind, **fields)
            for kind in ("model", "dataset")
            for look, fields in LOOKS.items()
        }

    def get(self, kind: str, look: str) -> Repo | None:
        return self.repos.get((kind, look))


def shapes() -> list[Shape]:
    """One thing at a time away from what is public, and the combinations of two."""
    plain = {"base": "public", "dataset": "public", "benchmark": "public", "target": "public"}
    looks = [*LOOKS, "gone"]
    choices = dict.fromkeys(plain, looks)
    choices["benchmark"], choices["target"] = [*looks, "none"], [*looks, "none"]
    found = set()
    for first, second in itertools.combinations(plain, 2):
        for one, other in itertools.product(choices[first], choices[second]):
            parts = {**plain, first: one, second: other}
            for kind, owner in itertools.product((Kind.TRAIN, Kind.PREFLIGHT), ("alice", "bob")):
                found.add(Shape(**parts, kind=kind, owner=owner))
    return sorted(found, key=str)


def insert(shape: Shape, shelf: Shelf, people: dict[str, User]) -> Run:
    owner = people[shape.owner]
    return Run(
        kind=shape.kind,
        namespace=Namespace.objects.get(user=owner),
        created_by=owner,
        recipe={},
        base_repo=shelf.get("model", shape.base),
        base_oid="0" * 40,
        dataset_repo=shelf.get("dataset", shape.dataset),
        dataset_oid="0" * 40,
        benchmark_repo=shelf.get("dataset", shape.benchmark),
        benchmark_oid="" if shape.benchmark == "none" else "0" * 40,
        target_repo=shelf.get("model", shape.target),
    )


def may_take(worker: Worker, shape: Shape) -> bool:
    """The rule once more, in plain words."""
    if worker.tier == Tier.TRUSTED:
        return True
    if worker.owner is not None and worker.owner.name == shape.owner:
        return True
    return worker.tier == Tier.COMMUNITY and shape.is_public


def test_the_condition_and_the_rule_agree(alice: User, bob: User, carol: User) -> None:
    shelf, people = Shelf(carol), {"alice": alice, "bob": bob}
    runs = {shape: insert(shape, shelf, people) for shape in shapes()}
    Run.objects.bulk_create(runs.values())
    owners = [None, *Namespace.objects.filter(name__in=["alice", "carol"])]
    taken = 0
    for number, (tier, owner) in enumerate(itertools.product(Tier, owners)):
        worker, _ = enroll_worker(f"w{number}", flavors=["cpu-basic"], tier=tier, owner=owner)
        found = set(Run.objects.filter(eligible(worker)).values_list("uuid", flat=True))
        expected = {run.uuid for shape, run in runs.items() if may_take(worker, shape)}
        assert found == expected, (tier, owner)
        taken += len(expected)
    assert 0 < taken < len(runs) * 9  # neither side is trivial


@pytest.mark.parametrize(
    ("change", "takes"),
    [
        ({}, True),
        ({"stage": Stage.RUNNING}, False),
        ({"stage": Stage.COMPLETED}, False),
        ({"cancel_requested_at": timezone.now()}, False),
        ({"not_before": timezone.now() + timedelta(hours=9)}, False),
        ({"not_before": timezone.now() - timedelta(seconds=1)}, True),
        ({"flavor": "gpu-small"}, False),
        ({"flavor": "long-gone"}, False),
    ],
)
def test_only_what_waits_and_is_due_is_taken(world: World, change: dict[str, object], takes: bool) -> None:
    run = world.submit()
    Run.objects.filter(pk=run.pk).update(**change)
    assert Run.objects.filter(eligible(world.worker)).exists() is takes


@pytest.mark.parametrize(
    ("change", "takes"),
    [
        ({}, True),
        ({"state": WorkerState.DRAINING}, False),
        ({"state": WorkerState.OFFLINE}, False),
        ({"is_enabled": False}, False),
        ({"flavors": ["gpu-large"]}, False),
        ({"flavors": ["gpu-large", "cpu-basic"]}, True),
        ({"flavors": []}, False),
    ],
)
def test_only_a_worker_that_is_wanted_takes(world: World, change: dict[str, object], takes: bool) -> None:
    world.submit()
    Worker.objects.filter(pk=world.worker.pk).update(**change)
    worker = Worker.objects.get(pk=world.worker.pk)
    assert Run.objects.filter(eligible(worker)).exists() is takes


def test_a_repo_that_becomes_private_is_no_strangers_any_more(world: World, carol: User) -> None:
    stranger = Namespace.objects.get(user=carol)
    worker, _ = enroll_worker("carol/box", flavors=["cpu-basic"], tier=Tier.COMMUNITY, owner=stranger)
    run = world.submit()
    assert Run.objects.filter(eligible(worker), pk=run.pk).exists()
    Repo.objects.filter(pk=world.data.pk).update(private=True)
    assert not Run.objects.filter(eligible(worker), pk=run.pk).exists()
    assert not Run.objects.filter(within_tier(worker), pk=run.pk).exists()

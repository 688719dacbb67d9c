"""Badges that other people's runs earn, and the command that rebuilds all."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.models import Badge, Benchmark, EvalResult, Repo
from runs.badges import rebuild_badges
from runs.models import Run, Stage
from tests.models_app.people import repo_of
from tests.runs.conftest import World


def measured(world: World, who: User, target: str, value: float, **fields: Any) -> Run:
    """A completed run with its verified result, and the model it made."""
    name = target.partition("/")[2]
    repo = repo_of(who, name)
    run = world.submit(target, actor=Actor(who))
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED, target_repo=repo, **fields)
    EvalResult.objects.create(
        repo=repo,
        filename=".eval_results/digits.yaml",
        dataset_id=world.data.repo_id,
        benchmark=Benchmark.objects.get(repo=world.data),
        task_id="digits",
        dataset_revision="0" * 40,
        value=value,
        low=value - 0.02,
        high=value + 0.02,
        verified=True,
        run_uuid=run.uuid,
    )
    return Run.objects.get(pk=run.pk)


def badges(user: User) -> set[str]:
    return set(Badge.objects.filter(namespace=user.namespace).values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("value", "earned"),
    [(0.91, {"first-verified", "repeated", "reproduced"}), (0.99, {"first-verified", "repeated"})],
)
def test_somebody_else_repeats_a_run(world: World, bob: User, value: float, earned: set[str]) -> None:
    first = measured(world, world.alice, "alice/first", 0.9)
    measured(world, bob, "bob/again", value, parent=first)
    rebuild_badges()
    assert badges(world.alice) == earned
    assert badges(bob) == {"first-verified"}


def test_repeating_ones_own_run_or_other_data_earns_nothing(world: World, bob: User) -> None:
    first = measured(world, world.alice, "alice/first", 0.9)
    measured(world, world.alice, "alice/again", 0.9, parent=first)
    measured(world, bob, "bob/other", 0.9, parent=first, dataset_oid="f" * 40)
    rebuild_badges()
    assert badges(world.alice) == {"first-verified", "first-place"}


def test_a_private_repetition_is_nobodys_news(world: World, bob: User) -> None:
    first = measured(world, world.alice, "alice/first", 0.9)
    measured(world, bob, "bob/again", 0.9, parent=first)
    Repo.objects.filter(name="again").update(private=True)
    rebuild_badges()
    assert badges(world.alice) == {"first-verified"}


def test_a_shared_recipe_that_others_use(world: World, bob: User) -> None:
    recipe = repo_of(world.alice, "method", repo_type="recipe")
    by_recipe = {"recipe_repo": recipe, "recipe_oid": "a" * 40}
    measured(world, bob, "bob/one", 0.9, **by_recipe)
    for n in range(4):
        user = User.objects.create_user(f"user{n}x")
        user.namespace = bob.namespace.__class__.objects.create(name=f"user{n}x", user=user)
        measured(world, user, f"user{n}x/net", 0.8, **by_recipe)
    rebuild_badges()
    assert badges(world.alice) == {"used-recipe"}
    # the first who ran it was repeated by the others, who came out elsewhere
    assert badges(bob) == {"first-verified", "first-place", "repeated"}


def test_the_command_tells_what_it_did_and_can_be_run_again(world: World) -> None:
    measured(world, world.alice, "alice/first", 0.9)
    for words in ("1 badges given, 0 taken.", "0 badges given, 0 taken."):
        out = StringIO()
        call_command("badges", stdout=out)
        assert out.getvalue().strip() == words
    EvalResult.objects.all().delete()
    assert rebuild_badges() == (0, 1)


def test_runs_stand_on_the_profile_as_far_as_they_may_be_seen(world: World, client: Client) -> None:
    measured(world, world.alice, "alice/shown", 0.9)
    measured(world, world.alice, "alice/veiled", 0.9)
    Repo.objects.filter(name="veiled").update(private=True)
    text = client.get("/alice?tab=runs").text
    assert "shown" in text
    assert "veiled" not in text

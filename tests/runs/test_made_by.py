"""How a model was trained, on its page: curves, settings and the run, as far as the reader may see it."""

from __future__ import annotations

from django.test import Client

from models_app.models import Repo
from runs.models import Run, Stage
from runs.templatetags.made_by import settings_of
from tests.runs.conftest import Sent, World


def finished(world: World, **fields: object) -> Run:
    """A run that has published into a model of alice's."""
    run = world.submit("alice/tuned")
    Run.objects.filter(pk=run.pk).update(stage=Stage.COMPLETED, **fields)
    return Run.objects.get(pk=run.pk)


def test_the_models_page_shows_the_run_that_made_it(client: Client, world: World, sent: Sent) -> None:
    run = finished(world)
    text = client.get("/alice/tuned").text
    assert "How it was trained" in text
    assert f'src="/runs/{run.uuid}/metrics.json"' in text or f"/runs/{run.uuid}/metrics" in text
    assert 'series="train/loss val/loss"' in text
    assert "Learning rate" in text
    assert f'href="/runs/{run.uuid}"' in text


def test_what_a_recipe_set_is_told_in_words(world: World, sent: Sent) -> None:
    run = finished(world, summary={"resources": {"peak_memory_bytes": 2_000_000_000}})
    told = dict(settings_of(run))
    assert told["Optimizer"] == "adamw"
    assert told["Epochs"] == "3"
    assert told["Peak memory"] == "2 GB"


def test_a_recipe_of_odd_parts_breaks_nothing(world: World, sent: Sent) -> None:
    run = finished(world, recipe={"task": None, "optim": "sgd", "strategy": ["x"]}, summary={})
    assert "Optimizer" not in dict(settings_of(run))


def test_a_run_under_way_is_not_shown_as_what_made_it(client: Client, world: World, sent: Sent) -> None:
    world.submit("alice/tuned")
    assert "How it was trained" not in client.get("/alice/tuned").text


def test_a_hidden_base_is_not_led_to(client: Client, world: World, sent: Sent) -> None:
    finished(world)
    assert "/alice/base/finetune?run=" in client.get("/alice/tuned").text
    Repo.objects.filter(pk=world.base.pk).update(private=True)
    text = client.get("/alice/tuned").text
    assert "How it was trained" in text
    assert "/alice/base/finetune" not in text

"""The form's panel: what is known, what can be measured, what would make it fit; with script and without."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts.models import User
from models_app.models import RepoCard, RepoTag
from runs.lifecycle import claim
from runs.models import Kind, Run
from runs.reports import finish
from runs.workers import enroll_worker
from tests.runs.conftest import World
from tests.runs.foretelling import MB, forecast

FORM, PANEL = "/alice/base/finetune", "/alice/base/finetune/estimate"
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    RepoTag.objects.create(repo=world.data, kind="task_categories", value="image-classification")
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="image-classification")
    client.force_login(world.alice, backend="accounts.backends.AccountBackend")
    return client


def values(client: Client, **changes: str) -> dict[str, str]:
    form = client.get(FORM).context["form"]
    found = {field.name: field.value() for field in form}
    return {name: str(value) for name, value in found.items() if value not in (None, False)} | changes


def measured(world: World, run: Run, told: dict[str, Any] | None = None) -> None:
    claimed = claim(world.worker, run.uuid, flavors=[run.flavor], versions={}).run
    finish(claimed, outcome="completed", summary={"forecast": told or forecast(epochs=5)})


def test_the_form_has_it_and_asks_nothing_by_itself(as_alice: Client) -> None:
    response = as_alice.get(FORM)
    assert "What will it need?" in response.text
    assert f'hx-post="{PANEL}"' in response.text
    peek = as_alice.post(PANEL, values(as_alice), **HTMX)
    assert peek.status_code == 200
    assert "What will it need?" in peek.text
    assert "<html" not in peek.text
    assert not Run.objects.exists()


def test_the_story(as_alice: Client, world: World, settings: Any) -> None:
    settings.HUB_FLAVOR_PRICES = {"cpu-basic": (Decimal("36"), "EUR")}
    settings.HUB_FLAVOR_MEMORY = {"cpu-basic": 600 * MB}
    given = values(as_alice)
    waiting = as_alice.post(PANEL, {**given, "measure": ""}, **HTMX)
    run = Run.objects.get()
    assert (run.kind, run.namespace) == (Kind.PREFLIGHT, world.alice.namespace)
    assert f'hx-get="/preflights/{run.uuid}/estimate"' in waiting.text
    assert "waits for a worker of cpu-basic" in waiting.text
    polled = as_alice.get(f"/preflights/{run.uuid}/estimate", **HTMX)
    assert (polled.status_code, "hx-get" in polled.text) == (200, True)
    # A form that is looked at again meanwhile shows the same preflight.
    assert str(run.uuid) in as_alice.post(PANEL, given, **HTMX).text
    measured(world, run)
    last = as_alice.get(f"/preflights/{run.uuid}/estimate", **HTMX)
    assert last.status_code == 286
    assert f'hx-post="{PANEL}"' in last.text
    shown = as_alice.post(PANEL, given, **HTMX).text
    for words in ("520 MB", "of 600 MB", "fits", "EUR"):
        assert words in shown
    assert "does not fit" not in shown
    assert "a worker is free" in shown
    world.submit("alice/other")
    assert "1 run waits" in as_alice.post(PANEL, given, **HTMX).text


def test_what_does_not_fit_names_the_change_and_a_button_makes_it(
    as_alice: Client, world: World, settings: Any
) -> None:
    settings.HUB_FLAVOR_MEMORY = {"cpu-basic": 300 * MB}
    given = values(as_alice, epochs="4")
    as_alice.post(PANEL, {**given, "measure": ""}, **HTMX)
    measured(world, Run.objects.get())
    shown = as_alice.post(PANEL, given, **HTMX).text
    assert "does not fit" in shown
    assert "it needs 520 MB and there are 300 MB" in shown
    assert "<b>Batch size 8</b>" in shown
    change = urlencode({"optim.batch_size": 8, "optim.grad_accum_steps": 4})
    assert change.replace("&", "&amp;") in shown
    response = as_alice.post(PANEL, {**given, "apply": change}, **HTMX)
    form = response.context["form"]
    assert (form["batch_size"].value(), form["grad_accum_steps"].value()) == ("8", "4")
    assert form["epochs"].value() == "4"
    assert 'id="finetune"' in response.text
    refused = as_alice.post(FORM, given)
    assert refused.status_code == 422
    assert "Needs" in refused.text or "needs 520 MB" in refused.text
    assert list(refused.context["form"].errors) == ["batch_size"]
    assert "Set Batch size to 8 with" in refused.context["form"].errors["batch_size"][0]
    assert as_alice.post(FORM, values(as_alice, batch_size="8", grad_accum_steps="4")).status_code == 302


def test_without_script_the_whole_form_comes_back(as_alice: Client, world: World) -> None:
    given = values(as_alice, epochs="7", name="mine")
    response = as_alice.post(PANEL, {**given, "measure": ""})
    assert "<html" in response.text
    assert "Look again" in response.text
    assert response.context["form"]["epochs"].value() == "7"
    assert response.context["form"]["name"].value() == "mine"
    measured(world, Run.objects.get())
    again = as_alice.post(PANEL, {**given, "measure": ""})
    assert "520 MB" in again.text
    assert Run.objects.count() == 1
    assert as_alice.get(PANEL).status_code == 302


def test_hardware_that_was_not_measured_can_be(as_alice: Client, world: World) -> None:
    enroll_worker("gpu", flavors=["gpu-small"])
    given = values(as_alice)
    as_alice.post(PANEL, {**given, "measure": ""}, **HTMX)
    measured(world, Run.objects.get())
    shown = as_alice.post(PANEL, given, **HTMX).text
    assert "not measured on this hardware" in shown
    assert re.search(r'"measure": "gpu-small"', shown)
    as_alice.post(PANEL, {**given, "measure": "gpu-small"}, **HTMX)
    assert Run.objects.active().get().flavor == "gpu-small"


def test_what_is_wrong_is_told_in_the_forms_words(as_alice: Client) -> None:
    shown = as_alice.post(PANEL, {**values(as_alice, lr="-1"), "measure": ""}, **HTMX)
    assert "Learning rate must be above 0" in shown.text
    assert 'role="alert"' in shown.text
    assert not Run.objects.exists()


def test_a_measurement_that_failed_says_why(as_alice: Client, world: World) -> None:
    as_alice.post(PANEL, {**values(as_alice), "measure": ""}, **HTMX)
    run = Run.objects.get()
    claimed = claim(world.worker, run.uuid, flavors=["cpu-basic"], versions={}).run
    finish(claimed, outcome="error", message_id="data:empty", message="There are <no> rows.")
    shown = as_alice.get(f"/preflights/{run.uuid}/estimate", **HTMX)
    assert shown.status_code == 286
    assert "It could not be measured: There are &lt;no&gt; rows." in shown.text
    assert "What will it need?" in shown.text


def test_a_preflight_can_be_canceled(as_alice: Client) -> None:
    given = values(as_alice)
    waiting = as_alice.post(PANEL, {**given, "measure": ""}, **HTMX)
    run = Run.objects.get()
    assert f'"cancel": "{run.uuid}"' in waiting.text
    shown = as_alice.post(PANEL, {**given, "cancel": str(run.uuid)}, **HTMX)
    assert "What will it need?" in shown.text
    run.refresh_from_db()
    assert run.stage == "CANCELED"
    assert "ended already" in as_alice.post(PANEL, {**given, "cancel": str(run.uuid)}, **HTMX).text
    assert "no such run" in as_alice.post(PANEL, {**given, "cancel": "nonsense"}, **HTMX).text


def test_a_run_is_not_canceled_here(as_alice: Client, world: World) -> None:
    run = world.submit()
    as_alice.post(PANEL, {**values(as_alice), "cancel": str(run.uuid)}, **HTMX)
    run.refresh_from_db()
    assert run.stage == "SCHEDULING"


def test_too_many_are_refused_in_the_panel(as_alice: Client, world: World) -> None:
    for size in ("1", "2", "4"):
        as_alice.post(PANEL, {**values(as_alice, batch_size=size), "measure": ""}, **HTMX)
    shown = as_alice.post(PANEL, {**values(as_alice, batch_size="8"), "measure": ""}, **HTMX)
    assert "3 measured steps under way" in shown.text


def test_a_recipe_as_text_has_it_too(as_alice: Client, world: World) -> None:
    page = as_alice.post(FORM, {**values(as_alice), "as": "yaml"})
    assert "What will it need?" in page.text
    form = page.context["form"]
    given = {"text": form["text"].value(), "namespace": "alice", "name": "x", "flavor": "cpu-basic"}
    as_alice.post(PANEL, {**given, "measure": ""}, **HTMX)
    measured(world, Run.objects.get())
    assert "520 MB" in as_alice.post(PANEL, given, **HTMX).text
    wrong = as_alice.post(PANEL, {**given, "text": "a: [", "measure": ""}, **HTMX)
    assert "not valid YAML" in wrong.text


def test_nobody_else_sees_it(as_alice: Client, world: World, carol: User, client: Client) -> None:
    as_alice.post(PANEL, {**values(as_alice), "measure": ""}, **HTMX)
    run = Run.objects.get()
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    assert client.get(f"/preflights/{run.uuid}/estimate").status_code == 404
    client.logout()
    assert client.post(PANEL, {}).status_code == 302
    assert client.get(f"/preflights/{run.uuid}/estimate").status_code in (302, 404)


@pytest.mark.parametrize(
    "apply", ["", "optim.batch_size", "x=1&y=2", "optim.batch_size=abc", "%00=%00", "=" * 999]
)
def test_a_change_that_is_none_changes_nothing_else(as_alice: Client, apply: str) -> None:
    response = as_alice.post(PANEL, {**values(as_alice, epochs="4"), "apply": apply})
    assert response.status_code == 200
    assert response.context["form"]["epochs"].value() == "4"

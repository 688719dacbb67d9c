"""Preflights: asked for, measured by a worker, kept for runs of the same shape, and held against them."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.actor import Actor
from accounts.models import User
from accounts.tokens import mint_token
from models_app.models import Event
from runs import preflights
from runs.forecast_reading import NoForecast, checked
from runs.lifecycle import claim
from runs.models import Kind, Measurement, Run, Stage, Tier, Worker
from runs.preflights import TooManyPreflights, ask
from runs.reports import BadReport, finish
from tests.runs.conftest import Sent, World
from tests.runs.foretelling import MB, forecast
from training.recipe import RecipeError, parse_recipe


def asked(world: World, **changes: Any) -> preflights.Asked:
    optim = changes.pop("optim", {})
    return ask(
        Actor(world.alice),
        recipe=parse_recipe(world.recipe(**({"optim": optim} if optim else {}))),
        **changes,
    )


def measure(world: World, told: dict[str, Any] | None = None, **changes: Any) -> Run:
    """A preflight from asking to its end."""
    run = asked(world, **changes).run
    assert run is not None
    claimed = claim(world.worker, run.uuid, flavors=[run.flavor], versions={}).run
    finish(claimed, outcome="completed", summary={"forecast": told or forecast()})
    claimed.refresh_from_db()
    return claimed


def problems_of(refusal: pytest.ExceptionInfo[RecipeError]) -> dict[str, str]:
    return {problem.field: problem.message for problem in refusal.value.problems}


# --- asking


def test_it_is_a_run_of_its_own_kind_in_no_list(world: World, sent: Sent, client: Client) -> None:
    with world.capture(execute=True):
        run = asked(world).run
    assert run is not None
    assert (run.kind, run.target_repo, run.stage) == (Kind.PREFLIGHT, None, Stage.SCHEDULING)
    assert run.base_oid == world.base.head_oid
    assert sent
    client.force_login(world.alice, backend="accounts.backends.AccountBackend")
    assert str(run.uuid) not in client.get("/runs").text
    assert client.get("/api/runs").json() == []
    assert client.get("/api/jobs/alice").json() == []
    assert client.get(f"/api/jobs/alice/{run.uuid}").status_code == 404
    assert not Event.objects.filter(tag__startswith="run:").exists()


def test_asked_twice_it_is_one(world: World) -> None:
    first, second = asked(world).run, asked(world).run
    assert first == second
    assert asked(world, optim={"lr": 0.5, "epochs": 9}).run == first
    assert asked(world, optim={"batch_size": 8}).run != first


def test_what_is_measured_serves_runs_of_the_same_shape(world: World) -> None:
    run = measure(world)
    assert run.stage == Stage.COMPLETED
    found = asked(world, optim={"epochs": 6, "lr": 0.1})
    assert found.run is None
    assert found.forecast["peak_memory_bytes"] == 520 * MB
    steps = found.forecast["parts"]["steps"]
    assert steps == pytest.approx(60.0)
    assert asked(world, flavor="gpu-small").run is not None


def test_problems_come_by_field_as_for_a_run(world: World) -> None:
    with pytest.raises(RecipeError) as refusal:
        ask(
            Actor(world.alice),
            recipe=parse_recipe(world.recipe(dataset={"repo": "alice/nothing"})),
            flavor="cray-1",
        )
    assert {"flavor", "dataset.repo"} <= set(problems_of(refusal))
    assert not Run.objects.exists()


def test_so_many_at_once_and_no_more(world: World) -> None:
    for size in (1, 2, 4):
        asked(world, optim={"batch_size": size})
    with pytest.raises(TooManyPreflights, match="3 measured steps under way"):
        asked(world, optim={"batch_size": 8})
    Run.objects.update(stage=Stage.ERROR, finished_at=timezone.now())
    assert asked(world, optim={"batch_size": 8}).run is not None


def test_so_many_an_hour_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflights, "MAX_AN_HOUR", 2)
    for size in (1, 2):
        run = asked(world, optim={"batch_size": size}).run
        Run.objects.filter(pk=run.pk).update(stage=Stage.CANCELED, finished_at=timezone.now())
    with pytest.raises(TooManyPreflights, match="within an hour"):
        asked(world, optim={"batch_size": 4})
    Run.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert asked(world, optim={"batch_size": 4}).run is not None


def test_old_ones_are_forgotten_and_their_measurements_stay(world: World) -> None:
    measure(world)
    assert preflights.prune(timezone.now()) == 0
    assert preflights.prune(timezone.now() + timedelta(days=40)) == 1
    assert asked(world).forecast


# --- what a worker says


def test_a_preflight_ends_with_a_forecast_or_not_at_all(world: World) -> None:
    run = asked(world).run
    claimed = claim(world.worker, run.uuid, flavors=["cpu-basic"], versions={}).run
    for summary in ({}, {"forecast": {}}, {"forecast": {**forecast(), "measured": {}}}):
        with pytest.raises(BadReport):
            finish(claimed, outcome="completed", summary=summary)
    assert not Measurement.objects.exists()
    finish(claimed, outcome="completed", summary={"forecast": forecast()})
    assert Measurement.objects.get().worker_name == "local"


def test_it_fails_as_any_run_does(world: World) -> None:
    run = asked(world).run
    claimed = claim(world.worker, run.uuid, flavors=["cpu-basic"], versions={}).run
    finish(claimed, outcome="error", message_id="data:empty", message="There are no rows.")
    run.refresh_from_db()
    assert (run.stage, run.message) == (Stage.ERROR, "There are no rows.")
    assert asked(world).run != run


@pytest.mark.parametrize("tier", [Tier.OWNER, Tier.COMMUNITY])
def test_what_somebody_elses_machine_says_is_nobody_elses_truth(
    world: World, carol: User, tier: Tier
) -> None:
    Worker.objects.update(tier=tier, owner=world.alice.namespace)
    world.worker.refresh_from_db()
    measure(world)
    assert not Measurement.objects.exists()
    assert asked(world).forecast
    theirs = ask(Actor(carol), recipe=parse_recipe(world.recipe()))
    assert theirs.run is not None
    assert theirs.run.namespace == carol.namespace


def _with(path: str, value: Any) -> dict[str, Any]:
    plain = json.loads(json.dumps(forecast()))
    *parts, last = path.split(".")
    place: Any = plain
    for part in parts:
        place = place[int(part)] if part.isdigit() else place[part]
    place[last] = value
    return plain


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {"version": 1},
        _with("version", 99),
        _with("measured", []),
        _with("measured.recipe.batch_size", 64),
        _with("measured.recipe.batch_size", 0),
        _with("measured.recipe.grad_accum_steps", 0),
        _with("measured.memory.smallest_batch", 0),
        _with("measured.memory.smallest_batch", True),
        _with("measured.memory.process", {}),
        _with("measured.memory.process.per_row", 1e300),
        _with("measured.phases", []),
        _with("measured.phases.0.epochs", 10**12),
        _with("measured.phases.0.stages", []),
        _with("measured.phases.0.load", -(10.0**6)),
        _with("measured.phases.0.load", "soon"),
        _with("measured.phases.0.checkpoint", -1),
        _with("measured.phases.0.peaks.process.run", 10**30),
        _with("measured.notes", ["x" * 501]),
        _with("measured.device", "x" * 400_000),
        _with("measured.deep", [[[[[[[[[[[[1]]]]]]]]]]]]),
        _with("epochs", 10**9),
    ],
)
def test_a_strangers_forecast_is_read_strictly(plain: Any) -> None:
    recipe = parse_recipe({"base_model": {"repo": "a/b"}, "dataset": {"repo": "a/c"}}).as_dict()
    assert checked(forecast(), recipe)["peak_memory_bytes"] == 520 * MB
    with pytest.raises(NoForecast):
        checked(plain, recipe)


# --- does it fit


def test_what_cannot_fit_is_refused_with_the_change_that_would(world: World, settings: Any) -> None:
    measure(world)
    settings.HUB_FLAVOR_MEMORY = {"cpu-basic": 300 * MB}
    with pytest.raises(RecipeError) as refusal:
        world.submit()
    found = problems_of(refusal)
    assert list(found) == ["optim.batch_size"]
    assert "needs 520 MB of memory, and cpu-basic has 300 MB" in found["optim.batch_size"]
    assert (
        "Set optim.batch_size to 8 with optim.grad_accum_steps 4 (needs 280 MB)" in found["optim.batch_size"]
    )
    assert not Run.objects.training().exists()
    changed = {"optim": {"batch_size": 8, "grad_accum_steps": 4}}
    assert world.submit(recipe=changed).stage == Stage.SCHEDULING


def test_where_no_change_would_do_it_the_hardware_is_named(world: World, settings: Any) -> None:
    measure(world)
    settings.HUB_FLAVOR_MEMORY = {"cpu-basic": 90 * MB}
    with pytest.raises(RecipeError) as refusal:
        world.submit()
    assert "Choose larger hardware" in problems_of(refusal)["flavor"]


def test_without_a_measurement_a_run_is_taken(world: World, settings: Any) -> None:
    settings.HUB_FLAVOR_MEMORY = {"cpu-basic": 1}
    assert world.submit().forecast == {}


def test_a_run_keeps_what_was_foretold_of_it(world: World) -> None:
    measure(world)
    run = world.submit(recipe={"optim": {"epochs": 6}})
    assert run.forecast["peak_memory_bytes"] == 520 * MB
    assert run.forecast["epochs"] == 6
    assert "measured" not in run.forecast


@pytest.mark.parametrize(
    ("hardware", "fits"),
    [
        ({"memory_bytes": 10_000 * MB}, True),
        ({"memory_bytes": 500 * MB}, False),
        ({}, None),
        ({"memory_bytes": "much"}, None),
    ],
)
def test_the_largest_machine_decides_where_no_limit_is_set(
    world: World, hardware: dict[str, Any], fits: bool | None
) -> None:
    from runs.estimates import estimate

    measure(world)
    Worker.objects.update(hardware=hardware)
    kept = asked(world).forecast
    assert estimate(kept, "cpu-basic", world.alice.namespace).verdict.fits is fits


def test_the_memory_of_a_gpu_is_its_own(world: World) -> None:
    from runs.forecasts import Room, judge

    kept = forecast(gpu=True)
    assert judge(kept, Room(10_000 * MB, 10_000 * MB)).fits
    short = judge(kept, Room(10_000 * MB, 300 * MB))
    assert (short.fits, short.is_of_gpu, short.needs) == (False, True, 520 * MB)
    assert short.change is not None
    assert dict(short.change.fields) == {"optim.batch_size": 8, "optim.grad_accum_steps": 4}
    assert judge(kept, Room(300 * MB, 10_000 * MB)).is_of_gpu is False
    assert judge(kept, Room(None, 550 * MB)).is_tight
    assert judge(kept, Room()).fits is None


# --- over HTTP


@pytest.fixture
def api(world: World) -> APIClient:
    client = APIClient()
    _, text = mint_token(world.alice, name="t", role="write")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def test_the_story_over_http(world: World, api: APIClient, settings: Any, carol: User) -> None:
    settings.HUB_FLAVOR_PRICES = {"cpu-basic": (Decimal("3.60"), "EUR")}
    settings.HUB_FLAVOR_MEMORY = {"cpu-basic": 300 * MB}
    body = {"recipe": world.recipe(), "flavor": "cpu-basic"}
    first = api.post("/api/preflights", body, format="json")
    assert (first.status_code, first.json()["state"]) == (202, "waiting")
    where = f"/api/preflights/{first.json()['id']}"
    assert first.json()["url"].endswith(where)
    assert api.get(where).json()["state"] == "waiting"
    run = Run.objects.get()
    claimed = claim(world.worker, run.uuid, flavors=["cpu-basic"], versions={}).run
    assert api.get(where).json()["state"] == "running"
    finish(claimed, outcome="completed", summary={"forecast": forecast()})
    done = api.get(where).json()
    assert (done["state"], done["fits"], done["memoryLimitBytes"]) == ("done", False, 300 * MB)
    assert done["change"] == {
        "fields": {"optim.batch_size": 8, "optim.grad_accum_steps": 4},
        "needsBytes": 280 * MB,
    }
    assert done["cost"] == {"amount": "0.0368", "currency": "EUR"}
    again = api.post("/api/preflights", body, format="json")
    assert (again.status_code, again.json()["forecast"]) == (200, done["forecast"])
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {mint_token(carol, name='t', role='write')[1]}")
    assert api.get(where).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"recipe": []}, 400),
        ({"recipe": {"base_model": {"repo": "alice/base"}}}, 422),
        ({"flavor": 3}, 400),
        ({"namespace": "carol"}, 403),
        ({"flavour": "cpu-basic"}, 400),
        ({"recipe": "a: ["}, 422),
    ],
)
def test_bad_requests_get_a_sentence(
    world: World, api: APIClient, carol: User, body: dict[str, Any], status: int
) -> None:
    full = {"recipe": world.recipe(), **body} if "recipe" not in body and body else body
    response = api.post("/api/preflights", full, format="json")
    assert response.status_code == status
    assert response.json()["error"]
    assert not Run.objects.exists()


def test_strangers_and_run_tokens_ask_nothing(world: World, api: APIClient) -> None:
    anonymous = APIClient().post("/api/preflights", {"recipe": world.recipe()}, format="json")
    assert anonymous.status_code == 401
    token = world.claim(world.submit()).token
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert api.post("/api/preflights", {"recipe": world.recipe()}, format="json").status_code == 403


def test_a_run_is_no_preflight(world: World, api: APIClient) -> None:
    assert api.get(f"/api/preflights/{world.submit().uuid}").status_code == 404

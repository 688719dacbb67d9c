"""The pages of runs: the form and its sentences, the live page and its cheap polls, who may do what."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from models_app.models import Benchmark, Repo, RepoCard
from runs.models import Run, RunLog, RunMetric, Stage
from tests.runs.conftest import World

BACKEND = "accounts.backends.AccountBackend"
# A PNG header that says 28 × 28.
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAC0lEQVR4nGNgAAIAAAUAAXpeqz8="


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    client.force_login(world.alice, backend=BACKEND)
    return client


@pytest.fixture
def ready(world: World) -> World:
    """The dataset looks to the index as MNIST does: two splits, two classes, images of 28 pixels."""
    preview = {
        "splits": [{"name": "train", "rows": 4000}, {"name": "test", "rows": 1000}],
        "classes": [{"label": "0", "count": 500}, {"label": "1", "count": 500}],
        "images": [{"label": "0", "src": PIXEL}],
        "problems": [],
    }
    RepoCard.objects.filter(repo=world.data).update(preview=preview, pipeline_tag="image-classification")
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="image-classification")
    return world


def filled(**changes: str) -> dict[str, str]:
    """The form as a browser sends it when only the button is pressed."""
    return {
        "dataset": "alice/digits",
        "strategy": "head",
        "epochs": "",
        "benchmark": "alice/digits#digits",
        "namespace": "alice",
        "name": "tuned",
        "lr": "",
        "batch_size": "32",
        "image_size": "",
        "optimizer": "adamw",
        "schedule": "cosine",
        "warmup_fraction": "0.1",
        "weight_decay": "",
        "label_smoothing": "0",
        "augment": "none",
        "patience": "",
        "stages": "1",
        "lr_decay": "",
        "init": "pretrained",
        "seed": "0",
        "train_split": "",
        "validation_split": "",
        "validation_fraction": "0.1",
        "max_train_images": "",
        "flavor": "cpu-basic",
        **changes,
    }


def running(world: World, **fields: Any) -> Run:
    """A run in the middle of its work, with two points and two lines."""
    run = world.submit()
    now = timezone.now()
    for step, value in [(1, 2.0), (5, 1.0)]:
        RunMetric.objects.create(
            run=run, step=step, name="train/loss", value=value, at=now - timedelta(seconds=10 - step)
        )
    RunLog.objects.create(run=run, attempt=1, seq=0, at=now, text="hello <b>worker</b>")
    values = {
        "stage": Stage.RUNNING,
        "attempt": 1,
        "progress_step": 5,
        "progress_total": 10,
        "claimed_at": now - timedelta(seconds=20),
        "activity": "training",
    }
    Run.objects.filter(pk=run.pk).update(**(values | fields))
    run.refresh_from_db()
    return run


# --- the form


def test_a_visitor_signs_in_and_comes_back_to_the_form(client: Client, ready: World) -> None:
    response = client.get("/alice/base/finetune?dataset=alice/digits")
    assert response.status_code == 302
    assert response["Location"] == "/login?next=/alice/base/finetune%3Fdataset%3Dalice/digits"


def test_the_form_computes_its_defaults(as_alice: Client, ready: World) -> None:
    form = as_alice.get("/alice/base/finetune").context["form"]
    assert form["dataset"].value() == "alice/digits"
    assert form["benchmark"].value() == "alice/digits#digits"
    assert form["name"].value() == "base-digits"
    assert form.automatic["image_size"] == 96
    assert form.automatic["train_split"] == "train"


def test_a_taken_name_is_not_suggested(as_alice: Client, ready: World) -> None:
    Repo.objects.create(repo_type="model", namespace=ready.base.namespace, name="Base-Digits")
    assert as_alice.get("/alice/base/finetune").context["form"]["name"].value() == "base-digits-2"


def test_the_address_carries_choices_and_suggestions_follow(as_alice: Client, ready: World) -> None:
    form = as_alice.get("/alice/base/finetune?strategy=full&epochs=7&name=mine").context["form"]
    assert form["strategy"].value() == "full"
    assert form["epochs"].value() == "7"
    assert form["name"].value() == "mine"
    assert (
        form.automatic["epochs"] != as_alice.get("/alice/base/finetune").context["form"].automatic["epochs"]
    )


def test_the_button_alone_starts_a_run_with_everything_frozen(as_alice: Client, ready: World) -> None:
    response = as_alice.post("/alice/base/finetune", filled())
    run = Run.objects.get()
    assert response["Location"] == f"/runs/{run.uuid}"
    assert run.target_repo is not None
    assert run.target_repo.repo_id == "alice/tuned"
    assert run.recipe["strategy"]["kind"] == "head"
    assert run.recipe["dataset"]["image_size"] == 96
    assert run.recipe["benchmark"]["split"] == "test"
    assert run.recipe["base_model"]["revision"] == ready.base.head_oid
    assert run.recipe["dataset"]["revision"] == ready.data.head_oid


def test_every_field_reaches_the_recipe(as_alice: Client, ready: World) -> None:
    values = filled(
        strategy="last-stages",
        stages="2",
        lr_decay="0.5",
        lr="1e-4",
        epochs="4",
        optimizer="sgd",
        batch_size="8",
        schedule="constant",
        warmup_fraction="0",
        weight_decay="0.01",
        label_smoothing="0,1",
        augment="light",
        patience="2",
        seed="7",
        image_size="96",
        max_train_images="100",
        validation_fraction="0.2",
        benchmark="",
    )
    as_alice.post("/alice/base/finetune", values)
    recipe = Run.objects.get().recipe
    chosen = {"kind": "last-stages", "stages": 2, "lr_decay": 0.5}
    assert recipe["strategy"] == recipe["strategy"] | chosen
    optim = recipe["optim"]
    assert (optim["name"], optim["lr"], optim["epochs"], optim["batch_size"]) == ("sgd", 1e-4, 4, 8)
    assert (optim["schedule"], optim["warmup_fraction"], optim["label_smoothing"]) == ("constant", 0.0, 0.1)
    assert recipe["early_stopping"]["patience"] == 2
    assert recipe["dataset"]["augment"] == "light"
    assert recipe["dataset"]["max_train_images"] == 100
    assert recipe["benchmark"] is None
    assert recipe["seed"] == 7


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("lr", "-1", "Learning rate must be above 0, got -1."),
        ("lr", "fast", "Learning rate must be a number, got &#x27;fast&#x27;."),
        ("lr", "nan", "Learning rate must be a finite number"),
        ("epochs", "0", "Epochs must be at least 1, got 0."),
        ("epochs", "2.5", "Epochs must be a whole number, got 2.5."),
        ("batch_size", "9" * 39, "Batch size must be at most 4,096"),
        ("image_size", "3", "Image size must be at least 16, got 3."),
        ("seed", "-4", "Seed must be at least 0, got -4."),
        ("optimizer", "magic", "Select a valid choice."),
        ("dataset", "carol/none", "Select a valid choice."),
        ("strategy", "hope", "Select a valid choice."),
        ("namespace", "carol", "Select a valid choice."),
        ("name", "a/b", "is not a valid repo name"),
        ("name", "base", "already holds files"),
        ("init", "scratch", "must be full when init is scratch"),
        ("train_split", "test", "must not be a split the run learns from"),
        ("flavor", "quantum", "Select a valid choice."),
    ],
)
def test_each_problem_stands_beside_its_field_and_what_was_typed_stays(
    as_alice: Client, ready: World, field: str, value: str, words: str
) -> None:
    response = as_alice.post("/alice/base/finetune", filled(**{field: value, "label_smoothing": "0.25"}))
    assert response.status_code == 422
    form = response.context["form"]
    assert words in response.text
    assert form[field].value() == value
    assert form["label_smoothing"].value() == "0.25"
    assert Run.objects.count() == 0
    assert not Repo.objects.filter(name="tuned").exists()


def test_all_problems_are_told_at_once(as_alice: Client, ready: World) -> None:
    response = as_alice.post("/alice/base/finetune", filled(lr="-1", epochs="0", image_size="x", name="a/b"))
    assert {"lr", "epochs", "image_size", "name"} <= set(response.context["form"].errors)
    assert '<details class="fold" id="more-settings" open>' in response.text


def test_a_private_base_looks_missing(client: Client, ready: World, carol: User) -> None:
    Repo.objects.filter(pk=ready.base.pk).update(private=True)
    client.force_login(carol, backend=BACKEND)
    assert client.get("/alice/base/finetune").status_code == 404
    assert client.post("/alice/base/finetune", filled(namespace="carol")).status_code == 404


def test_a_private_dataset_of_somebody_else_is_not_offered(client: Client, ready: World, carol: User) -> None:
    Repo.objects.filter(pk=ready.data.pk).update(private=True)
    client.force_login(carol, backend=BACKEND)
    assert "alice/digits" not in client.get("/alice/base/finetune").text
    response = client.post("/alice/base/finetune", filled(namespace="carol", benchmark=""))
    assert response.status_code == 422
    assert Run.objects.count() == 0


def test_a_hub_without_datasets_or_workers_says_so(as_alice: Client, ready: World) -> None:
    ready.worker.delete()
    Benchmark.objects.all().delete()
    Repo.objects.filter(pk=ready.data.pk).update(disabled_at=timezone.now())
    text = as_alice.get("/alice/base/finetune").text
    assert "There is no dataset with images and classes" in text
    assert "No worker is connected" in text


# --- the run's page


def test_the_page_of_a_running_run_polls_and_shows_its_progress(client: Client, ready: World) -> None:
    run = running(ready)
    text = client.get(f"/runs/{run.uuid}").text
    assert f'hx-get="/runs/{run.uuid}/progress"' in text
    assert 'hx-trigger="every 2s, wake"' in text
    assert "step 5 of 10" in text
    assert "hello &lt;b&gt;worker&lt;/b&gt;" in text
    assert "left" in text


def test_an_idle_poll_is_a_304_and_news_is_not(
    client: Client, ready: World, django_assert_max_num_queries: Any
) -> None:
    run = running(ready)
    first = client.get(f"/runs/{run.uuid}/progress")
    assert first.status_code == 200
    with django_assert_max_num_queries(6):
        idle = client.get(f"/runs/{run.uuid}/progress", headers={"if-none-match": first["ETag"]})
    assert (idle.status_code, idle.content) == (304, b"")
    RunLog.objects.create(run=run, attempt=1, seq=1, at=timezone.now(), text="news")
    fresh = client.get(f"/runs/{run.uuid}/progress", headers={"if-none-match": first["ETag"]})
    assert fresh.status_code == 200
    assert "news" in fresh.text


@pytest.mark.parametrize(
    "change",
    [
        {"progress_step": 6},
        {"activity": "publishing"},
        {"stage": Stage.ERROR},
        {"cancel_requested_at": timezone.now()},
    ],
)
def test_whatever_the_fragment_shows_changes_its_tag(
    client: Client, ready: World, change: dict[str, Any]
) -> None:
    run = running(ready)
    before = client.get(f"/runs/{run.uuid}/progress")["ETag"]
    Run.objects.filter(pk=run.pk).update(**change)
    assert client.get(f"/runs/{run.uuid}/progress")["ETag"] != before


def test_words_of_a_worker_cannot_break_the_tag(client: Client, ready: World) -> None:
    run = running(ready, activity='tr"ai\nning, W/"x"')
    first = client.get(f"/runs/{run.uuid}/progress")
    assert first.status_code == 200
    assert (
        client.get(f"/runs/{run.uuid}/progress", headers={"if-none-match": first["ETag"]}).status_code == 304
    )


@pytest.mark.parametrize("stage", [Stage.COMPLETED, Stage.ERROR, Stage.CANCELED])
def test_polling_stops_at_the_end(client: Client, ready: World, stage: str) -> None:
    run = running(ready, stage=stage, finished_at=timezone.now())
    assert client.get(f"/runs/{run.uuid}/progress").status_code == 286
    assert "every 2s" not in client.get(f"/runs/{run.uuid}").text


def test_a_finished_run_leads_to_model_and_leaderboard(client: Client, ready: World) -> None:
    summary = {"evaluation": {"accuracy": 0.9512, "macro_f1": 0.95, "n": 1000}}
    run = running(ready, stage=Stage.COMPLETED, finished_at=timezone.now(), summary=summary)
    text = client.get(f"/runs/{run.uuid}").text
    assert "95.12 %" in text
    assert 'href="/alice/result"' in text
    assert 'href="/leaderboards/alice/digits?task=digits"' in text


def test_a_failed_run_says_why_and_what_to_do(as_alice: Client, ready: World) -> None:
    message = "The dataset has one class only."
    run = running(
        ready, stage=Stage.ERROR, message_id="data:one-class", message=message, finished_at=timezone.now()
    )
    text = as_alice.get(f"/runs/{run.uuid}").text
    assert message in text
    assert "data:one-class" in text
    assert "Try again" in text


def test_the_curves_come_as_json(client: Client, ready: World) -> None:
    run = running(ready)
    response = client.get(f"/runs/{run.uuid}/metrics.json")
    body = json.loads(response.content)
    assert body["series"]["train/loss"] == [[1, 2.0], [5, 1.0]]
    assert body["total_steps"] == 10
    again = client.get(f"/runs/{run.uuid}/metrics.json", headers={"if-none-match": response["ETag"]})
    assert again.status_code == 304


def test_long_curves_are_thinned_and_keep_their_last_point(client: Client, ready: World) -> None:
    run = running(ready)
    points = [RunMetric(run=run, step=step, name="lr", value=step / 7) for step in range(1, 5002)]
    RunMetric.objects.bulk_create(points)
    series = json.loads(client.get(f"/runs/{run.uuid}/metrics.json").content)["series"]["lr"]
    assert len(series) <= 1500
    assert series[-1][0] == 5001


def test_the_log_can_be_had_whole(client: Client, ready: World) -> None:
    response = client.get(f"/runs/{running(ready).uuid}/log.txt")
    assert response["Content-Type"].startswith("text/plain")
    assert b"hello <b>worker</b>" in b"".join(response.streaming_content)


def test_a_run_of_a_private_model_looks_missing(client: Client, ready: World, carol: User) -> None:
    run = running(ready)
    Repo.objects.filter(pk=run.target_repo_id).update(private=True)
    client.force_login(carol, backend=BACKEND)
    for path in ("", "/progress", "/metrics.json", "/log.txt"):
        assert client.get(f"/runs/{run.uuid}{path}").status_code == 404
    assert client.post(f"/runs/{run.uuid}/cancel").status_code == 404
    assert str(run.uuid) not in client.get("/runs").text


def test_only_writers_cancel(client: Client, ready: World, carol: User) -> None:
    run = running(ready)
    assert "Cancel" not in client.get(f"/runs/{run.uuid}").text
    assert client.post(f"/runs/{run.uuid}/cancel").status_code == 302  # to the sign-in page
    client.force_login(carol, backend=BACKEND)
    assert client.post(f"/runs/{run.uuid}/cancel").status_code == 403
    run.refresh_from_db()
    assert run.cancel_requested_at is None
    client.force_login(ready.alice, backend=BACKEND)
    assert client.get(f"/runs/{run.uuid}/cancel").status_code == 405
    assert client.post(f"/runs/{run.uuid}/cancel")["Location"] == f"/runs/{run.uuid}"
    run.refresh_from_db()
    assert run.cancel_requested_at is not None


def test_a_failed_run_can_be_tried_again_as_it_was(as_alice: Client, ready: World) -> None:
    run = running(ready, stage=Stage.ERROR, finished_at=timezone.now())
    response = as_alice.post(f"/runs/{run.uuid}/retry")
    again = Run.objects.exclude(pk=run.pk).get()
    assert response["Location"] == f"/runs/{again.uuid}"
    assert again.recipe == run.recipe


def test_a_completed_run_is_not_repeated(as_alice: Client, ready: World) -> None:
    run = running(ready, stage=Stage.COMPLETED, finished_at=timezone.now())
    assert as_alice.post(f"/runs/{run.uuid}/retry")["Location"] == f"/runs/{run.uuid}"
    assert Run.objects.count() == 1


def test_the_list_filters_by_stage_and_owner(
    as_alice: Client, ready: World, django_assert_max_num_queries: Any
) -> None:
    run = running(ready)
    with django_assert_max_num_queries(12):
        assert str(run.uuid) in as_alice.get("/runs").text
    assert str(run.uuid) in as_alice.get("/runs?mine=1&stage=RUNNING").text
    assert str(run.uuid) not in as_alice.get("/runs?stage=ERROR").text
    assert as_alice.get("/runs?stage=nonsense&page=x").status_code == 200


def test_runs_appear_on_the_start_page_and_on_the_models_own(client: Client, ready: World) -> None:
    run = running(ready)
    assert f"/runs/{run.uuid}" in client.get("/").text
    assert f"/runs/{run.uuid}" in client.get("/alice/result").text


def test_an_unknown_run_is_missing(client: Client, db: None) -> None:
    assert client.get("/runs/00000000-0000-4000-8000-000000000000").status_code == 404

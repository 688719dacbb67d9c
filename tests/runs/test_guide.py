"""The five stages: each leads on, back and nowhere else; what is missing is said; one press is one run."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from models_app.models import Repo, RepoCard
from runs.diagnoses import diagnosis_of
from runs.guide_verdicts import judge
from runs.models import Guide, Run, RunMetric, Stage
from tests.runs.conftest import World, make_repo

BACKEND = "accounts.backends.AccountBackend"


@pytest.fixture
def ready(world: World) -> World:
    """The data set looks to the index as a small one of pictures does."""
    preview = {
        "splits": [{"name": "train", "rows": 4000}, {"name": "test", "rows": 1000}],
        "classes": [
            {"label": "cat", "count": 4500, "splits": {"train": 3600, "test": 500}},
            {"label": "cow", "count": 900, "splits": {"train": 400, "test": 498}},
            {"label": "dog", "count": 12, "splits": {"train": 10, "test": 2}},
        ],
        "images": [],
        "problems": [],
    }
    RepoCard.objects.filter(repo=world.data).update(preview=preview, pipeline_tag="image-classification")
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="image-classification", license="mit")
    return world


@pytest.fixture
def as_alice(client: Client, ready: World) -> Client:
    client.force_login(ready.alice, backend=BACKEND)
    return client


def begun(client: Client, world: World, until: str = "tune") -> Guide:
    """A way with model and data chosen, and with `until="evaluate"` its run started."""
    client.post("/start")
    guide = Guide.objects.latest("pk")
    if until != "model":
        assert client.post(f"/start/{guide.uuid}/model", {"model": world.base.pk}).status_code == 302
    if until in ("tune", "evaluate"):
        chosen = {"task": "image-classification", "dataset": world.data.pk}
        assert client.post(f"/start/{guide.uuid}/data", chosen).status_code == 302
    if until == "evaluate":
        with world.capture(execute=True):
            answer = client.post(f"/start/{guide.uuid}/tune", filled(client, guide))
        assert answer.status_code == 302, answer.context["form"].errors
    guide.refresh_from_db()
    return guide


def filled(client: Client, guide: Guide, **changes: str) -> dict[str, str]:
    """The third stage's form as a browser sends it when only the button is pressed."""
    page = client.get(f"/start/{guide.uuid}/tune")
    form = page.context["form"]
    values = {name: form[name].value() for name in form.fields}
    sent = {name: str(value) for name, value in values.items() if value not in (None, False, "")}
    return sent | {"tries": str(page.context["tries"]), **changes}


def test_a_visitor_sees_what_it_is_and_is_asked_to_join(client: Client, ready: World) -> None:
    text = client.get("/start").text
    assert "Join to begin" in text
    assert client.post("/start")["Location"] == "/login?next=/start"
    assert Guide.objects.count() == 0


def test_all_five_stages(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "model")
    at = f"/start/{guide.uuid}"
    assert "alice/base" in as_alice.get(f"{at}/model").text
    assert as_alice.post(f"{at}/model", {"model": ready.base.pk})["Location"] == f"{at}/data"
    text = as_alice.get(f"{at}/data?dataset={ready.data.pk}").text
    assert "train: 4K examples" in text
    assert "The class “dog” has 12 examples only" in text
    assert "It is lopsided" in text
    assert "It has a leaderboard of its own" in text
    chosen = {"task": "image-classification", "dataset": ready.data.pk}
    assert as_alice.post(f"{at}/data", chosen)["Location"] == f"{at}/tune"
    text = as_alice.get(f"{at}/tune").text
    for words in ("Quick look", "Balanced", "Thorough", "What it will need", "every setting"):
        assert words in text
    assert as_alice.post(f"{at}/tune", filled(as_alice, guide))["Location"] == f"{at}/evaluate"
    run = Run.objects.get()
    assert run.recipe["strategy"]["kind"] == "last-stages"
    assert "The run waits for a worker" in as_alice.get(f"{at}/evaluate").text
    finished(ready, run)
    text = as_alice.get(f"{at}/evaluate").text
    assert "95.12 %" in text
    assert "Always naming the commonest class" in text
    assert "It beats guessing by more than chance explains." in text
    assert "still getting better" in text
    page = as_alice.get(f"{at}/publish")
    assert page.context["form"]["licence"].value() == "mit"
    assert "alice/base is under" in page.text
    sent = {name: page.context["form"][name].value() for name in page.context["form"].fields}
    sent |= {"name": "my-digits", "visibility": "private", "text": "# Mine\n\nTells cats from dogs."}
    assert as_alice.post(f"{at}/publish", sent)["Location"] == f"{at}/publish"
    model = Repo.objects.get(pk=run.target_repo_id)
    assert (model.name, model.private, model.card.license) == ("my-digits", True, "mit")
    assert "Tells cats from dogs." in model.card.html
    assert "Your model is published" in as_alice.get(f"{at}/publish").text
    guide.refresh_from_db()
    assert guide.finished_at is not None
    assert str(guide.uuid) not in as_alice.get("/start").text


def finished(world: World, run: Run, **fields: Any) -> None:
    for step, loss in ((1, 2.0), (2, 1.5), (3, 1.0)):
        for name in ("train/loss", "val/loss"):
            RunMetric.objects.create(run=run, step=step, name=name, value=loss, at=timezone.now())
    evaluation = {
        "metric": "accuracy",
        "value": 0.9512,
        "accuracy": 0.9512,
        "n": 1000,
        "lo": 0.936,
        "hi": 0.963,
    }
    world.publish(run)
    values = {"stage": Stage.COMPLETED, "finished_at": timezone.now(), "summary": {"evaluation": evaluation}}
    Run.objects.filter(pk=run.pk).update(**(values | fields))


@pytest.mark.parametrize(
    ("strength", "kind", "epochs", "patience"),
    [("quick", "head", 10, None), ("balanced", "last-stages", 5, None), ("thorough", "full", 4, 3)],
)
def test_each_strength_is_what_it_says(
    as_alice: Client, ready: World, strength: str, kind: str, epochs: int, patience: int | None
) -> None:
    guide = begun(as_alice, ready)
    # As a browser without script sends it: the fields still are those of the strength shown before.
    as_alice.post(f"/start/{guide.uuid}/tune", filled(as_alice, guide, strength=strength))
    recipe = Run.objects.get().recipe
    assert recipe["strategy"]["kind"] == kind
    assert recipe["optim"]["epochs"] == epochs
    assert recipe["early_stopping"]["patience"] == patience


def test_a_setting_behind_more_counts(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready)
    as_alice.post(f"/start/{guide.uuid}/tune", filled(as_alice, guide, epochs="7", lr="1e-4", seed="3"))
    recipe = Run.objects.get().recipe
    assert (recipe["optim"]["epochs"], recipe["optim"]["lr"], recipe["seed"]) == (7, 1e-4, 3)


def test_pressed_twice_it_is_one_run(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready)
    sent = filled(as_alice, guide)
    for _ in range(2):
        assert as_alice.post(f"/start/{guide.uuid}/tune", sent)["Location"].endswith("/evaluate")
    assert Run.objects.count() == 1
    # Another run is begun from a page that knows of the first.
    assert as_alice.post(f"/start/{guide.uuid}/tune", filled(as_alice, guide)).status_code == 302
    assert Run.objects.count() == 2


def test_two_presses_at_the_same_moment_are_one_run(as_alice: Client, ready: World) -> None:
    """Both read the guide before either has started its run."""
    from django.test import RequestFactory

    from runs import guides
    from runs.guide_tune import _submitted  # the step between the two looks

    guide = begun(as_alice, ready)
    sent = filled(as_alice, guide)
    as_alice.post(f"/start/{guide.uuid}/tune", sent)
    stale = Guide.objects.get(pk=guide.pk)
    stale.run = None
    request: Any = RequestFactory().post("/")
    request.actor = Actor(ready.alice)
    from runs.guide_forms import GuideForm

    form = GuideForm(request.actor, ready.base, "image-classification", ready.data, sent, is_sent=True)
    assert form.is_valid()
    assert _submitted(request, stale, form, 0) is None
    assert Run.objects.count() == 1
    assert guides.open_guides(ready.alice).count() == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("lr", "-1", "Learning rate must be above 0"),
        ("epochs", "0", "Epochs must be at least 1"),
        ("strength", "heroic", "Select a valid choice"),
        ("name", "a/b", "is not a valid repo name"),
        ("namespace", "carol", "Select a valid choice"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(
    as_alice: Client, ready: World, field: str, value: str, words: str
) -> None:
    guide = begun(as_alice, ready)
    response = as_alice.post(
        f"/start/{guide.uuid}/tune", filled(as_alice, guide, batch_size="7", **{field: value})
    )
    assert response.status_code == 422
    assert words in response.text
    assert response.context["form"]["batch_size"].value() == "7"
    assert Run.objects.count() == 0


def test_a_draft_is_there_on_another_device(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready)
    sent = filled(as_alice, guide, strength="quick", batch_size="9")
    as_alice.get(f"/start/{guide.uuid}/tune", sent, headers={"hx-request": "true"})
    other = Client()
    other.force_login(ready.alice, backend=BACKEND)
    assert other.get(f"/start/{guide.uuid}")["Location"].endswith("/tune")
    form = other.get(f"/start/{guide.uuid}/tune").context["form"]
    assert (form["strength"].value(), form["batch_size"].value()) == ("quick", "9")
    assert f"/start/{guide.uuid}" in other.get("/start").text


def test_a_later_stage_leads_back_to_what_comes_first(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "model")
    for stage in ("data", "tune", "evaluate", "publish", "upload", "estimate", "remedy"):
        assert as_alice.get(f"/start/{guide.uuid}/{stage}")["Location"] == f"/start/{guide.uuid}/model"


def test_another_model_says_what_it_undoes_and_keeps_the_run(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    other = make_repo(ready.alice, "model", "texts", {"config.json": b"{}", "model.safetensors": b"weights"})
    RepoCard.objects.filter(repo=other).update(pipeline_tag="fill-mask")
    text = as_alice.get(f"/start/{guide.uuid}/model").text
    assert "undoes these later stages" in text
    after = as_alice.post(f"/start/{guide.uuid}/model", {"model": other.pk}, follow=True)
    assert "The data did not fit any more" in after.text
    assert "stays among your runs" in after.text
    guide.refresh_from_db()
    assert (guide.run, guide.data["model"]["name"]) == (None, "alice/texts")
    assert Run.objects.count() == 1
    assert as_alice.get(f"/start/{guide.uuid}/tune")["Location"].endswith("/data")


def test_the_same_model_again_undoes_nothing(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    as_alice.post(f"/start/{guide.uuid}/model", {"model": ready.base.pk})
    guide.refresh_from_db()
    assert guide.run is not None


def test_what_was_deleted_meanwhile_leads_back_with_a_sentence(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready)
    Repo.objects.filter(pk=ready.data.pk).update(disabled_at=timezone.now())
    after = as_alice.get(f"/start/{guide.uuid}/tune", follow=True)
    assert after.redirect_chain[-1][0].endswith("/data")
    assert "alice/digits is gone" in after.text
    assert "No data set on this hub fits this task yet." in after.text


def test_a_run_outlives_what_it_began_with(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    Repo.objects.filter(pk=ready.base.pk).update(disabled_at=timezone.now())
    at = f"/start/{guide.uuid}"
    assert as_alice.get(f"{at}/evaluate").status_code == 200
    for stage in ("data", "tune", "upload", "estimate"):
        assert as_alice.get(f"{at}/{stage}")["Location"] == f"{at}/model"
    assert "alice/base is gone" in as_alice.get(f"{at}/tune", follow=True).text


def test_a_deleted_result_is_no_dead_end(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    run = Run.objects.get()
    finished(ready, run, target_repo=None)
    text = as_alice.get(f"/start/{guide.uuid}/publish").text
    assert "has been deleted" in text
    assert f"/start/{guide.uuid}/tune" in text


def test_a_hub_without_models_or_workers_says_what_to_do(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready)
    ready.worker.delete()
    text = as_alice.get(f"/start/{guide.uuid}/tune").text
    assert "No worker is connected" in text
    assert "Connect a machine of your own" in text
    Repo.objects.models().update(disabled_at=timezone.now())
    empty = begun(as_alice, ready, "model")
    text = as_alice.get(f"/start/{empty.uuid}/model").text
    assert "no model yet that can be fine-tuned" in text
    assert "/docs/publish" in text
    assert "No model here fits" in as_alice.get(f"/start/{empty.uuid}/model?q=zzz").text


def test_a_failed_run_is_mended_with_one_press(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    run = Run.objects.get()
    failure = {"message_id": "train:out-of-memory", "message": "It took more memory than there is."}
    Run.objects.filter(pk=run.pk).update(stage=Stage.ERROR, finished_at=timezone.now(), **failure)
    text = as_alice.get(f"/start/{guide.uuid}/evaluate").text
    assert "It took more memory than there is." in text
    assert "Run again with this change" in text
    for _ in range(2):  # the second press is of a run that is not this guide's any more
        as_alice.post(f"/start/{guide.uuid}/remedy", {"run": str(run.uuid)})
    second = Run.objects.exclude(pk=run.pk).get()
    guide.refresh_from_db()
    assert guide.run == second
    advice = diagnosis_of(Run.objects.get(pk=run.pk))
    assert advice is not None
    assert advice.action is not None
    assert advice.action.changes
    for name, value in advice.action.changes.items():
        section, _, leaf = name.partition(".")
        assert second.recipe[section][leaf] == value != run.recipe[section][leaf]
    assert second.target_repo_id == run.target_repo_id


def test_a_canceled_run_can_be_tried_again(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    as_alice.post(f"/start/{guide.uuid}/remedy", {"cancel": "1"})
    run = Run.objects.get()
    assert run.stage == Stage.CANCELED
    assert "Try again" in as_alice.get(f"/start/{guide.uuid}/evaluate").text
    as_alice.post(f"/start/{guide.uuid}/remedy", {"run": str(run.uuid)})
    assert Run.objects.count() == 2


def test_the_polled_part_is_cheap_while_nothing_changes(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    first = as_alice.get(f"/start/{guide.uuid}/progress")
    assert first.status_code == 200
    again = as_alice.get(f"/start/{guide.uuid}/progress", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    finished(ready, Run.objects.get())
    assert as_alice.get(f"/start/{guide.uuid}/progress").status_code == 286


def test_the_card_is_not_overwritten_when_somebody_else_changed_it(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready, "evaluate")
    run = Run.objects.get()
    finished(ready, run)
    page = as_alice.get(f"/start/{guide.uuid}/publish")
    sent = {name: page.context["form"][name].value() for name in page.context["form"].fields}
    run.refresh_from_db()
    ready.publish(run)
    assert run.target_repo is not None
    before = Repo.objects.get(pk=run.target_repo_id).head_oid
    response = as_alice.post(f"/start/{guide.uuid}/publish", sent | {"text": "My words"})
    assert response.status_code == 422
    assert "Somebody has changed the model meanwhile" in response.text
    assert "My words" in response.text
    assert Repo.objects.get(pk=run.target_repo_id).head_oid == before
    fresh = {name: response.context["form"][name].value() for name in response.context["form"].fields}
    assert as_alice.post(f"/start/{guide.uuid}/publish", fresh).status_code == 302


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "a b", "is not a valid repo name"),
        ("name", "base", "There is a model of this name already."),
        ("licence", "made-up", "Select a valid choice"),
        ("visibility", "secret", "Select a valid choice"),
        ("text", "nul \0 nul", "Null characters are not allowed"),
    ],
)
def test_what_is_wrong_at_the_end_is_said(
    as_alice: Client, ready: World, field: str, value: str, words: str
) -> None:
    guide = begun(as_alice, ready, "evaluate")
    finished(ready, Run.objects.get())
    page = as_alice.get(f"/start/{guide.uuid}/publish")
    sent = {name: page.context["form"][name].value() for name in page.context["form"].fields}
    response = as_alice.post(f"/start/{guide.uuid}/publish", sent | {field: value})
    assert response.status_code == 422
    assert words in response.text


def test_another_persons_way_looks_missing(as_alice: Client, ready: World, carol: User) -> None:
    guide = begun(as_alice, ready)
    other = Client()
    other.force_login(carol, backend=BACKEND)
    for stage in ("", "/model", "/tune", "/evaluate", "/progress"):
        assert other.get(f"/start/{guide.uuid}{stage}").status_code == 404
    assert other.post(f"/start/{guide.uuid}/discard").status_code == 404
    assert Guide.objects.filter(pk=guide.pk).exists()


def test_an_expired_session_comes_back_to_the_same_stage(client: Client, ready: World) -> None:
    client.force_login(ready.alice, backend=BACKEND)
    guide = begun(client, ready)
    sent = filled(client, guide)
    client.logout()
    answer = client.post(f"/start/{guide.uuid}/tune", sent)
    assert answer["Location"] == f"/login?next=/start/{guide.uuid}/tune"
    client.force_login(ready.alice, backend=BACKEND)
    assert client.get(f"/start/{guide.uuid}/tune").status_code == 200
    assert client.get(f"/start/{guide.uuid}/estimate")["Location"].endswith("/tune")


def test_ways_are_discarded_and_bounded(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready)
    assert as_alice.get(f"/start/{guide.uuid}/discard")["Location"] == "/start"
    as_alice.post(f"/start/{guide.uuid}/discard")
    assert Guide.objects.count() == 0
    for _ in range(3):  # a second press begins no second
        as_alice.post("/start")
    assert Guide.objects.count() == 1
    Guide.objects.bulk_create([Guide(user=ready.alice, data={"tries": n}) for n in range(1, 20)])
    Guide.objects.filter(data={}).update(data={"tries": 99})
    assert "finish or discard one" in as_alice.post("/start", follow=True).text


@pytest.mark.parametrize("pk", ["", "0", "abc", "9" * 30, "-1", "²"])
def test_what_is_no_choice_is_refused_in_words(as_alice: Client, ready: World, pk: str) -> None:
    guide = begun(as_alice, ready, "data")
    response = as_alice.post(f"/start/{guide.uuid}/model", {"model": pk})
    assert response.status_code == 422
    assert "Choose one of the models." in response.text
    response = as_alice.post(f"/start/{guide.uuid}/data", {"task": "nonsense", "dataset": pk})
    assert response.status_code == 422
    assert "Choose one of the data sets" in response.text


def test_a_private_repo_of_somebody_else_is_no_choice(client: Client, ready: World, carol: User) -> None:
    Repo.objects.filter(pk__in=(ready.base.pk, ready.data.pk)).update(private=True)
    client.force_login(carol, backend=BACKEND)
    client.post("/start")
    guide = Guide.objects.get()
    assert client.post(f"/start/{guide.uuid}/model", {"model": ready.base.pk}).status_code == 422
    assert "alice/base" not in client.get(f"/start/{guide.uuid}/model?model={ready.base.pk}").text


def test_the_estimate_panel_stays_in_the_wizard(as_alice: Client, ready: World) -> None:
    guide = begun(as_alice, ready)
    sent = filled(as_alice, guide)
    panel = as_alice.post(f"/start/{guide.uuid}/estimate", sent, headers={"hx-request": "true"})
    assert panel.status_code == 200
    assert f"/start/{guide.uuid}/estimate" in panel.text
    assert "/finetune/estimate" not in panel.text
    page = as_alice.post(f"/start/{guide.uuid}/estimate", sent | {"measure": ""})
    assert "How thoroughly shall it learn?" in page.text
    assert "One real step waits" in page.text
    measured = Run.objects.get(kind="preflight")
    text = as_alice.get(f"/preflights/{measured.uuid}/estimate?guide={guide.uuid}").text
    assert f"/start/{guide.uuid}/estimate" in text
    assert as_alice.get(f"/preflights/{measured.uuid}/estimate?guide=nonsense").status_code == 200


FALLING = [(1, 2.0), (2, 1.2), (3, 1.0), (4, 0.98)]


@pytest.mark.parametrize(
    ("train", "validation", "kind"),
    [
        (FALLING, [(1, 2.0)], "unknown"),
        ([], FALLING, "unknown"),
        (FALLING, [(1, 2.0), (2, 1.4), (3, 1.38), (4, 1.37)], "none"),
        (FALLING, [(1, 2.0), (2, 1.6), (3, 1.2), (4, 1.0)], "learning"),
        (FALLING, [(1, 2.0), (2, 1.2), (3, 1.5), (4, 1.9)], "overfitting"),
        # Both rise: that is no learning by heart.
        ([(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)], [(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)], "stuck"),
        # Losses of series and prices are large, of tables tiny, and may be below zero.
        ([(1, 2e5), (2, 1e5), (3, 5e4)], [(1, 2e5), (2, 1.1e5), (3, 1.6e5)], "overfitting"),
        ([(1, -1.0), (2, -2.0), (3, -3.0)], [(1, -1.0), (2, -2.0), (3, -3.0)], "learning"),
    ],
)
def test_overfitting_is_told_from_the_curves(train: list[Any], validation: list[Any], kind: str) -> None:
    found = judge(train, validation)
    assert found.kind == kind
    assert found.title
    assert found.words

"""The fine-tune form of every task: which ones a base offers, what each asks, and recipes as text."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone

from accounts.models import User
from models_app.fitting import tasks_for
from models_app.models import Benchmark, Repo, RepoCard, RepoTag
from runs.again import without_commits
from runs.fields import COMMON, WORDS, data_fields
from runs.forms import RECIPE_FIELDS, FinetuneForm
from runs.models import Run
from runs.plans import STRATEGY_NAMES, TASK_NAMES, plans_for
from tests.runs.conftest import World, make_repo
from training.recipe import TASK_DATA, parse_recipe

BACKEND = "accounts.backends.AccountBackend"
FORM = "/alice/base/finetune"


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    RepoTag.objects.create(repo=world.data, kind="task_categories", value="image-classification")
    client.force_login(world.alice, backend=BACKEND)
    return client


def is_a(world: World, tag: str = "", library: str = "") -> Repo:
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag=tag, library_name=library)
    world.base.refresh_from_db()
    return world.base


def filled(form: FinetuneForm, **changes: str) -> dict[str, str]:
    """The form as a browser sends it when only `changes` were made."""
    values = {field.name: field.value() for field in form}
    return {name: str(value) for name, value in values.items() if value not in (None, False)} | changes


def offered(world: World) -> list[str]:
    return tasks_for(world.base, world.base.card)


# --- which tasks


@pytest.mark.parametrize(
    ("tag", "library", "first", "beside"),
    [
        ("image-classification", "torchvision", "image-classification", "image-regression"),
        ("image-feature-extraction", "timm", "image-classification", "image-multilabel"),
        ("", "keras", "image-classification", "image-regression"),
        ("tabular-regression", "tuneyard", "tabular-regression", "tabular-classification"),
        ("fill-mask", "transformers", "text-classification", "token-classification"),
        ("token-classification", "transformers", "token-classification", "text-classification"),
        ("summarization", "transformers", "summarization", "translation"),
        ("text-generation", "transformers", "text-generation", "text-generation"),
        ("time-series-forecasting", "tuneyard", "time-series-forecasting", "time-series-forecasting"),
    ],
)
def test_the_card_tells_which_tasks_fit(
    world: World, tag: str, library: str, first: str, beside: str
) -> None:
    is_a(world, tag, library)
    assert offered(world)[0] == first
    assert beside in offered(world)


def test_images_and_tables_do_not_mix(world: World) -> None:
    is_a(world, "tabular-regression")
    assert not {task for task in offered(world) if task.startswith("image")}


@pytest.mark.parametrize(
    ("word", "task"), [("recommendation", "recommendation"), ("multimodal", "multimodal-classification")]
)
def test_a_plain_tag_stands_in_where_there_is_no_pipeline_tag(world: World, word: str, task: str) -> None:
    is_a(world, "other", "tuneyard")
    RepoTag.objects.create(repo=world.base, kind="tag", value=word)
    assert offered(world) == [task]


@pytest.mark.parametrize(
    ("config", "task"),
    [
        (b'{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}', "text-generation"),
        (b'{"model_type": "bert", "architectures": ["BertForMaskedLM"]}', "text-classification"),
        (b'{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}', "translation"),
    ],
)
def test_a_bare_model_is_known_by_its_config(world: World, config: bytes, task: str) -> None:
    repo = make_repo(world.alice, "model", "bare", {"config.json": config, "model.safetensors": b"w"})
    assert tasks_for(repo, repo.card)[0] == task


def test_the_button_stands_on_every_page_that_has_a_form(client: Client, world: World) -> None:
    button = 'href="/alice/base/finetune"'
    for tag in ("image-classification", "tabular-regression", "text-generation", "time-series-forecasting"):
        is_a(world, tag)
        assert button in client.get("/alice/base").text
    is_a(world, "reinforcement-learning")
    assert button not in client.get("/alice/base").text


def test_an_unknown_model_is_offered_every_task_with_a_word_of_warning(
    as_alice: Client, world: World
) -> None:
    response = as_alice.get(FORM)
    assert [value for value, _ in response.context["form"].fields["task"].choices] == list(TASK_DATA)
    assert "does not say what the model does" in response.text


# --- the fields of each task


@pytest.mark.parametrize("task", TASK_DATA)
def test_every_task_can_be_started_from_its_form(as_alice: Client, world: World, task: str) -> None:
    form = as_alice.get(f"{FORM}?task={task}").context["form"]
    assert form.current_task == task
    assert form["strategy"].value() in plans_for(task)
    needed = {field.name: "price" for field in data_fields(task) if field.is_required}
    if task == "multimodal-classification":
        Repo.objects.filter(pk=world.base.pk).delete()
        make_repo(world.alice, "model", "base", {"image/config.json": b"{}", "text/config.json": b"{}"})
    response = as_alice.post(FORM, filled(form, name="tuned", benchmark="", dataset="alice/digits", **needed))
    assert response.status_code == 302, response.context["form"].errors
    recipe = Run.objects.get().recipe
    assert recipe["task"] == task
    assert needed.items() <= recipe["dataset"].items()
    plan = plans_for(task)[form["strategy"].value()]
    assert (recipe["optim"]["epochs"], recipe["optim"]["lr"]) == (plan.epochs, plan.lr)


@pytest.mark.parametrize("task", TASK_DATA)
def test_every_strategy_and_every_data_field_is_offered_and_named(world: World, task: str) -> None:
    is_a(world)
    form = FinetuneForm(world_actor(world), world.base, wanted={"task": task})
    shown = {field.name for field in [*form.first(), *form.folded()]}
    assert {field.name for field in data_fields(task)} <= shown
    assert set(plans_for(task)) <= set(STRATEGY_NAMES)
    assert not {field.name for field in data_fields(task)} & {*RECIPE_FIELDS, *COMMON}
    assert all(str(words) for _, words in form.strategies)


def world_actor(world: World) -> Any:
    from accounts.actor import Actor

    return Actor(world.alice)


def test_tasks_and_their_fields_have_names_that_people_understand() -> None:
    assert set(TASK_DATA) <= set(TASK_NAMES)
    assert {field.name for task in TASK_DATA for field in data_fields(task)} <= set(WORDS)


def test_every_kind_of_value_reaches_the_recipe(as_alice: Client, world: World) -> None:
    is_a(world, "time-series-forecasting")
    form = as_alice.get(FORM).context["form"]
    changes = {
        "time_column": "hour",
        "target_columns": "no2, pm25",
        "known_columns": "holiday",
        "context": "336",
        "horizon": "48",
        "scaling": "standard",
        "quantiles": "0.1, 0.5, 0.9",
        "batch_size": "64",
    }
    as_alice.post(FORM, filled(form, dataset="alice/digits", benchmark="", name="tuned", **changes))
    data = Run.objects.get().recipe["dataset"]
    assert data["target_columns"] == ["no2", "pm25"]
    assert data["known_columns"] == ["holiday"]
    assert (data["time_column"], data["context"], data["horizon"]) == ("hour", 336, 48)
    assert (data["scaling"], data["quantiles"]) == ("standard", [0.1, 0.5, 0.9])
    assert data["season"] == 24


def test_a_column_named_like_a_number_stays_text(as_alice: Client, world: World) -> None:
    is_a(world, "tabular-regression")
    form = as_alice.get(FORM).context["form"]
    as_alice.post(
        FORM, filled(form, dataset="alice/digits", benchmark="", target_column="2020", columns="1, 2")
    )
    data = Run.objects.get().recipe["dataset"]
    assert (data["target_column"], data["columns"]) == ("2020", ["1", "2"])


@pytest.mark.parametrize(
    ("task", "field", "value", "words"),
    [
        ("tabular-regression", "target_column", "", "This field is required."),
        ("tabular-regression", "max_train_rows", "1", "Use at most must be at least 2, got 1."),
        (
            "tabular-regression",
            "columns",
            "a, a",
            "Columns to predict from must be a list without repetitions",
        ),
        (
            "tabular-classification",
            "categorical",
            "x" * 101,
            "Read as categories must be at most 100 characters",
        ),
        (
            "time-series-forecasting",
            "horizon",
            "soon",
            "Horizon must be a whole number, got &#x27;soon&#x27;.",
        ),
        ("time-series-forecasting", "quantiles", "0.5, x", "Quantiles must be a number, got a list."),
        ("text-classification", "max_tokens", "9999", "Longest input must be at most 8,192, got 9999."),
        ("text-generation", "strategy", "head", "Select a valid choice."),
        ("recommendation", "objective", "luck", "Select a valid choice."),
        ("image-classification", "task", "juggling", "Select a valid choice."),
    ],
)
def test_each_problem_stands_beside_its_field_and_nothing_is_lost(
    as_alice: Client, world: World, task: str, field: str, value: str, words: str
) -> None:
    form = as_alice.get(f"{FORM}?task={task}").context["form"]
    needed = {one.name: "price" for one in data_fields(task) if one.is_required}
    changes = {**needed, "dataset": "alice/digits", "epochs": "7", field: value}
    response = as_alice.post(FORM, filled(form, **changes))
    assert response.status_code == 422
    form = response.context["form"]
    assert field in form.errors
    assert words in response.text
    assert form[field].value() == value
    assert form["epochs"].value() == "7"
    assert Run.objects.count() == 0


def test_the_fields_can_be_redrawn_without_script(as_alice: Client, world: World) -> None:
    is_a(world, "tabular-regression")
    form = as_alice.get(FORM).context["form"]
    values = filled(form, target_column="price", epochs="7", task="tabular-classification", redraw="1")
    response = as_alice.post(FORM, values)
    assert response.status_code == 200
    again = response.context["form"]
    assert (again.current_task, again["target_column"].value()) == ("tabular-classification", "price")
    assert again["epochs"].value() == "7"
    assert Run.objects.count() == 0
    assert "<noscript><button" in response.text


def test_numbers_have_no_labels_to_smooth(as_alice: Client, world: World) -> None:
    is_a(world, "tabular-regression")
    assert 'name="label_smoothing"' not in as_alice.get(FORM).text
    assert 'name="label_smoothing"' in as_alice.get(f"{FORM}?task=tabular-classification").text


def parquet(**columns: list[Any]) -> bytes:
    import pyarrow
    from pyarrow import parquet as files

    out = io.BytesIO()
    files.write_table(pyarrow.table(columns), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("train.csv", b"rooms,price\n1,2\n"),
        ("data/train.tsv", b"rooms\tprice\n1\t2\n"),
        ("train.jsonl", b'{"rooms": 1, "price": 2}\n'),
        ("data/train-00000-of-00001.parquet", parquet(rooms=[1], price=[2])),
    ],
)
def test_columns_are_suggested(as_alice: Client, world: World, path: str, content: bytes) -> None:
    is_a(world, "tabular-regression")
    make_repo(world.alice, "dataset", "houses", {"test.csv": b"nothing\n1\n", path: content})
    response = as_alice.get(f"{FORM}?dataset=alice/houses")
    assert response.context["form"].column_names == ["rooms", "price"]
    assert '<option value="price">' in response.text
    assert "Its columns: rooms, price" in response.text


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("train.parquet", b"PAR1 this is none PAR1"),
        ("train.jsonl", b"[1]\n"),
        ("train.jsonl", b"{" * 300_000),
        ("train.csv", b""),
        ("train.csv", b'"' + b"x" * 300_000),
    ],
)
def test_files_that_cannot_be_read_suggest_nothing_worse(
    as_alice: Client, world: World, path: str, content: bytes
) -> None:
    is_a(world, "tabular-regression")
    make_repo(world.alice, "dataset", "houses", {path: content})
    response = as_alice.get(f"{FORM}?dataset=alice/houses")
    assert response.status_code == 200
    assert all(len(name) <= 100 for name in response.context["form"].column_names)


def test_a_gate_keeps_the_columns_in(client: Client, world: World, carol: User) -> None:
    repo = make_repo(world.alice, "dataset", "houses", {"train.csv": b"rooms,price\n1,2\n"})
    Repo.objects.filter(pk=repo.pk).update(gated="auto")
    is_a(world, "tabular-regression")
    client.force_login(carol, backend=BACKEND)
    assert "Its columns" not in client.get(f"{FORM}?dataset=alice/houses").text


def test_tables_are_not_offered_as_images(as_alice: Client, world: World) -> None:
    rows = b"rooms,label\n1,a\n2,b\n"
    table = make_repo(world.alice, "dataset", "table", {"train.csv": rows})
    RepoCard.objects.filter(repo=table).update(preview={"classes": [], "splits": [], "images": []})
    texts = make_repo(world.alice, "dataset", "texts", {"train.csv": rows})
    RepoCard.objects.filter(repo=texts).update(preview={"classes": [{"label": "a", "count": 1}]})
    RepoTag.objects.create(repo=texts, kind="task_categories", value="text-classification")
    is_a(world, "image-classification")
    assert list(as_alice.get(FORM).context["form"].datasets) == ["alice/digits"]
    is_a(world, "text-classification", "transformers")
    assert next(iter(as_alice.get(FORM).context["form"].datasets)) == "alice/texts"


def test_only_boards_that_can_measure_the_task_are_offered(as_alice: Client, world: World) -> None:
    boards = [
        {"id": "hits", "split": "test", "metric": "accuracy"},
        {"id": "miss", "split": "test", "metric": "rmse"},
        {"id": "other", "split": "test", "metric": "r2", "pipeline_tag": "image-regression"},
    ]
    Benchmark.objects.update(tasks=boards)
    is_a(world, "tabular-regression")
    shown = as_alice.get(FORM).context["form"].fields["benchmark"].choices
    assert [key for key, _ in shown] == ["alice/digits#miss", ""]
    classes = as_alice.get(f"{FORM}?task=tabular-classification").context["form"].fields["benchmark"].choices
    # The board that was chosen for another task is none of this one's: the data set's own stands there.
    carried = as_alice.get(f"{FORM}?task=tabular-classification&benchmark=alice/other%23prices")
    assert carried.context["form"].initial["benchmark"] != "alice/other#prices"
    assert [key for key, _ in classes] == ["alice/digits#hits", ""]


# --- as text


def test_the_form_turns_into_a_recipe_that_starts_the_same_run(as_alice: Client, world: World) -> None:
    is_a(world, "tabular-regression")
    form = as_alice.get(FORM).context["form"]
    values = filled(form, target_column="price", name="by-text", epochs="7", benchmark="")
    response = as_alice.post(FORM, {**values, "as": "yaml"})
    assert response.status_code == 200
    text = response.context["form"]["text"].value()
    recipe = parse_recipe(text)
    assert (recipe.task, recipe.optim.epochs, recipe.base_model.repo) == (
        "tabular-regression",
        7,
        "alice/base",
    )
    by_text = {"text": text, "namespace": "alice", "name": "by-text", "flavor": "cpu-basic"}
    assert as_alice.post(FORM, by_text).status_code == 302
    as_alice.post(FORM, {**values, "name": "by-form"})
    one, other = Run.objects.order_by("pk")
    assert one.recipe == other.recipe
    assert one.target_repo.repo_id == "alice/by-text"


def test_what_has_no_field_can_be_written_as_text(as_alice: Client, world: World) -> None:
    text = yaml.safe_dump(world.recipe(loss={"kind": "focal"}, sampling="balanced"))
    values = {"text": text, "namespace": "alice", "name": "focal", "flavor": "cpu-basic"}
    assert as_alice.post(FORM, values).status_code == 302
    assert Run.objects.get().recipe["loss"]["kind"] == "focal"


@pytest.mark.parametrize(
    "text",
    [
        "optim: {lr: -1}\nbase_model: {repo: alice/base}\ndataset: {repo: alice/digits}\n",
        "a: [",
        "- 1\n",
        "base_model: {repo: alice/base}\ndataset: {repo: alice/digits}\nepochs: 3\n",
        "base_model: {repo: alice/nothing}\ndataset: {repo: alice/digits}\n",
    ],
)
def test_a_wrong_recipe_gets_the_sentences_of_the_api_and_stays(
    as_alice: Client, world: World, text: str
) -> None:
    values = {"text": text, "namespace": "alice", "name": "wrong", "flavor": "cpu-basic"}
    response = as_alice.post(FORM, values)
    assert response.status_code == 422
    form = response.context["form"]
    assert form["text"].value() == text
    assert list(form.errors) == ["text"]
    with pytest.raises(Exception, match=re.escape(form.errors["text"][0][:60])):
        world.submit(actor=world_actor(world), recipe=parse_recipe(text).as_dict())
    assert Run.objects.count() == 0
    assert "Back to the form" in response.text


def test_a_wrong_name_stands_beside_the_name(as_alice: Client, world: World) -> None:
    values = {
        "text": yaml.safe_dump(world.recipe()),
        "namespace": "alice",
        "name": "base",
        "flavor": "cpu-basic",
    }
    form = as_alice.post(FORM, values).context["form"]
    assert "already holds files" in form.errors["name"][0]


def test_an_endless_recipe_is_refused(as_alice: Client, world: World) -> None:
    values = {"text": "a" * 70_000, "namespace": "alice", "name": "x", "flavor": "cpu-basic"}
    response = as_alice.post(FORM, values)
    assert response.status_code == 422
    assert "text" in response.context["form"].errors


# --- again


def ended(run: Run) -> Run:
    Run.objects.filter(pk=run.pk).update(stage="COMPLETED", finished_at=timezone.now())
    run.refresh_from_db()
    return run


def test_a_run_with_changes_begins_as_the_run_was(as_alice: Client, world: World) -> None:
    is_a(world, "tabular-regression")
    form = as_alice.get(FORM).context["form"]
    changes = {"target_column": "price", "columns": "a, b", "epochs": "7", "lr": "0.00025", "patience": "2"}
    as_alice.post(FORM, filled(form, dataset="alice/digits", benchmark="", name="first", **changes))
    first = ended(Run.objects.get())
    assert f"{FORM}?run={first.uuid}" in as_alice.get(f"/runs/{first.uuid}").text
    again = as_alice.get(f"{FORM}?run={first.uuid}").context["form"]
    assert {name: again[name].value() for name in changes} == changes
    address = f"{FORM}?run={first.uuid}&dataset=alice/digits&strategy=head&epochs=9"
    redrawn = as_alice.get(address).context["form"]
    assert (redrawn["strategy"].value(), redrawn["epochs"].value()) == ("head", "9")
    as_alice.post(FORM, filled(again, name="second"))
    second = Run.objects.exclude(pk=first.pk).get()
    assert second.recipe == first.recipe


def test_a_run_that_the_form_cannot_say_comes_as_text(as_alice: Client, world: World) -> None:
    is_a(world, "image-classification")
    run = ended(world.submit(recipe={"strategy": {"kind": "full", "l2_sp": 0.01}}))
    text = as_alice.get(f"{FORM}?run={run.uuid}").context["form"]["text"].value()
    # As with the form's own fields: of the newest commits, which is where what was wrong is mended.
    assert parse_recipe(text).as_dict() == without_commits(run.recipe)


def test_a_run_of_somebody_elses_private_model_fills_nothing_in(
    client: Client, world: World, carol: User
) -> None:
    run = ended(world.submit())
    Repo.objects.filter(pk=run.target_repo_id).update(private=True)
    client.force_login(carol, backend=BACKEND)
    assert client.get(f"{FORM}?run={run.uuid}").status_code == 404
    assert client.get(f"{FORM}?run=nonsense").status_code == 404


# --- the right board


def test_a_board_whose_metric_the_task_never_measures_is_refused_at_once(world: World) -> None:
    Benchmark.objects.update(tasks=[{"id": "digits", "split": "test", "metric": "rmse"}])
    with pytest.raises(
        Exception, match="is ranked by rmse, but a run of image-classification is measured by"
    ):
        world.submit()
    assert Run.objects.count() == 0
    assert not Repo.objects.filter(name="result").exists()


def test_the_board_says_which_tasks_fit(client: Client, world: World) -> None:
    Benchmark.objects.update(tasks=[{"id": "digits", "split": "test", "metric": "mase"}])
    assert "time-series-forecasting" in client.get("/leaderboards/alice/digits").text
    Benchmark.objects.update(tasks=[{"id": "digits", "split": "test", "metric": "elo"}])
    assert "No task of this hub is measured by elo" in client.get("/leaderboards/alice/digits").text

"""A run again with changes, from the doctor's button to the new run; and what was made of what."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.commits import commit
from models_app.models import Repo, RepoCard
from models_app.storage.operations import AddFile
from runs import reports
from runs.diagnoses import diagnosis_of, form_address
from runs.models import Run
from runs.patient import Action
from tests.runs.conftest import World, make_repo
from tests.runs.test_again import BACKEND, failed


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    client.force_login(world.alice, backend=BACKEND)
    return client


@pytest.fixture
def ready(world: World) -> World:
    """The index knows what the data and the base are for."""
    preview = {"splits": [{"name": "train", "rows": 40}, {"name": "test", "rows": 10}], "problems": []}
    preview |= {"classes": [{"label": "0", "count": 5}, {"label": "1", "count": 5}], "images": []}
    RepoCard.objects.filter(repo=world.data).update(preview=preview, pipeline_tag="image-classification")
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="image-classification")
    return world


def by_form(client: Client, **changes: str) -> Run:
    """A run as the form starts it."""
    form = client.get("/alice/base/finetune").context["form"]
    posted = {name: form[name].value() or "" for name in form.fields} | changes
    if not posted["is_private"]:
        del posted["is_private"]
    answer = client.post("/alice/base/finetune", posted)
    return Run.objects.get(uuid=answer["Location"].rpartition("/")[2])


def fail(world: World, run: Run) -> Run:
    run = world.claim(run).run
    reports.finish(run, outcome="error", message_id="train:diverged", message="The loss became NaN.")
    return Run.objects.for_pages().get(pk=run.pk)


def test_the_doctors_change_stands_in_the_form(as_alice: Client, ready: World) -> None:
    run = fail(ready, by_form(as_alice, is_private="on"))
    Run.objects.filter(pk=run.pk).update(message_id="worker:out-of-memory", message="It needed 3 GB.")
    run = Run.objects.for_pages().get(pk=run.pk)
    found = diagnosis_of(run)
    assert found is not None
    address = form_address(run, found.action)
    assert address.replace("&", "&amp;") in as_alice.get(f"/runs/{run.uuid}").text
    words = parse_qsl(urlsplit(address).query)
    assert ("change", "optim.batch_size=16") in words
    form = as_alice.get(address).context["form"]
    values = {name: form[name].value() for name in form.fields}
    assert (values["batch_size"], values["grad_accum_steps"]) == ("16", "2")
    assert values["parent"] == str(run.uuid)
    assert values["is_private"]
    posted = {name: "" if value is None else value for name, value in values.items()} | {"is_private": "on"}
    answer = as_alice.post("/alice/base/finetune", posted)
    again = Run.objects.exclude(pk=run.pk).get()
    assert answer["Location"] == f"/runs/{again.uuid}"
    assert again.parent == run
    assert (again.recipe["optim"]["batch_size"], again.recipe["optim"]["grad_accum_steps"]) == (16, 2)
    assert again.target_repo.private


def test_a_recipe_the_form_has_no_fields_for_is_changed_as_text(as_alice: Client, ready: World) -> None:
    run = failed(ready, recipe={"optim": {"ema": 0.9, "lr": 0.01}})
    page = as_alice.get(f"/alice/base/finetune?run={run.uuid}&change=optim.lr=0.001")
    assert "lr: 0.001" in page.context["form"]["text"].value()
    assert page.context["form"]["parent"].value() == str(run.uuid)


@pytest.mark.parametrize(
    "change",
    [
        "optim.lr",
        "optim=3",
        "nothing.at.all=1",
        "optim.lr=NaN",
        "=",
        "optim.lr=" + "[" * 5000,
        "dataset.repo.x=1",
    ],
)
def test_a_change_that_is_none_changes_nothing(as_alice: Client, ready: World, change: str) -> None:
    run = fail(ready, by_form(as_alice))
    response = as_alice.get("/alice/base/finetune", {"run": str(run.uuid), "change": change})
    assert response.status_code == 200
    assert (
        response.context["form"]["lr"].value()
        == as_alice.get("/alice/base/finetune", {"run": str(run.uuid)}).context["form"]["lr"].value()
    )


@pytest.mark.parametrize("parent", ["", "nonsense", "00000000-0000-4000-8000-000000000000"])
def test_a_parent_nobody_knows_is_no_parent(as_alice: Client, ready: World, parent: str) -> None:
    assert by_form(as_alice, parent=parent).parent is None


def test_somebody_elses_hidden_run_is_no_parent(client: Client, ready: World, carol: User) -> None:
    hidden = failed(ready, private=True)
    client.force_login(carol, backend=BACKEND)
    assert client.get(f"/alice/base/finetune?run={hidden.uuid}").status_code == 404
    assert by_form(client, parent=str(hidden.uuid)).parent is None


def test_a_run_without_a_base_leads_to_no_form(world: World) -> None:
    run = failed(world)
    Run.objects.filter(pk=run.pk).update(base_repo=None)
    assert form_address(Run.objects.for_pages().get(pk=run.pk), Action("change", {"optim.lr": 1})) == ""


# --- what was made of what


def test_base_and_data_list_what_was_made_with_its_run_and_score(client: Client, world: World) -> None:
    run = world.claim(world.submit()).run
    card = "---\nbase_model: alice/base\nbase_model_relation: finetune\ndatasets:\n- alice/digits\n---\n# R\n"
    oid = commit(
        Actor(world.alice),
        repo=run.target_repo,
        branch="main",
        operations=[AddFile("README.md", card.encode()), AddFile("run.json", b"{}")],
        summary="Fine-tune",
        description=f"Run {run.uuid}",
    ).oid
    summary = {"evaluation": {"accuracy": 0.9512, "n": 1000}, "ranked_by": "accuracy"}
    reports.finish(run, outcome="completed", result_oid=oid, summary=summary)
    for page in ("/alice/base", "/datasets/alice/digits"):
        text = client.get(page).text
        assert 'href="/alice/result"' in text
        assert f'href="/runs/{run.uuid}"' in text
        assert "95.12 %" in text
    make_repo(world.alice, "model", "byhand", {"README.md": card.encode()})
    assert "byhand" in client.get("/alice/base").text
    Repo.objects.filter(name="result").update(private=True)
    assert str(run.uuid) not in client.get("/alice/base").text

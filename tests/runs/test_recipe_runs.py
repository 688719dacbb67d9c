"""“Run this with my data”: by the page, by HTTP, by the command line; the run remembers what it followed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import mint_token
from models_app.models import Repo, RepoCard
from runs.models import Run
from tests.runs.conftest import World, make_repo
from training import submit
from training.errors import UserError

BACKEND = "accounts.backends.AccountBackend"
TEXT = b"""base_model: {repo: elsewhere/net}
dataset: {repo: elsewhere/pictures, label_column: kind, augment: light}
strategy: {kind: full}
optim: {lr: 1e-4, epochs: 2}
seed: 5
"""


@pytest.fixture
def ready(world: World) -> World:
    """The index knows what the data and the base are for."""
    preview = {"splits": [{"name": "train", "rows": 40}, {"name": "test", "rows": 10}], "problems": []}
    preview |= {"classes": [{"label": "0", "count": 5}, {"label": "1", "count": 5}], "images": []}
    RepoCard.objects.filter(repo=world.data).update(preview=preview, pipeline_tag="image-classification")
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="image-classification")
    return world


@pytest.fixture
def shared(ready: World) -> Repo:
    return make_repo(ready.alice, "recipe", "gently", {"recipe.yaml": TEXT})


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    client.force_login(world.alice, backend=BACKEND)
    return client


def started(client: Client, address: str, **changes: str) -> Any:
    """The run that the form at an address starts when only the button is pressed."""
    form = client.get(address).context["form"]
    posted = {name: form[name].value() for name in form.fields}
    posted = {name: "" if value is None else value for name, value in posted.items()} | changes
    if not posted.get("is_private"):
        posted.pop("is_private", None)
    return client.post(urlsplit(address).path, posted)


def test_from_the_page_to_the_run(as_alice: Client, ready: World, shared: Repo) -> None:
    page = as_alice.get("/recipes/alice/gently/run")
    assert "Its own base, elsewhere/net, is not on this hub" in page.text
    assert list(page.context["bases"]) == ["alice/base"]
    answer = as_alice.get("/recipes/alice/gently/run?dataset=alice/digits&base=alice/base")
    address = answer["Location"]
    assert urlsplit(address).path == "/alice/base/finetune"
    assert parse_qs(urlsplit(address).query) == {"recipe": ["alice/gently"], "dataset": ["alice/digits"]}
    form = as_alice.get(address).context["form"]
    values = {name: form[name].value() for name in form.fields}
    assert (values["strategy"], values["epochs"], values["seed"]) == ("full", "2", "5")
    assert (values["augment"], values["dataset"]) == ("light", "alice/digits")
    assert values["benchmark"] == "alice/digits#digits"
    assert values["follows"] == f"alice/gently@{shared.head_oid}"
    assert started(as_alice, address)["Location"].startswith("/runs/")
    run = Run.objects.get()
    assert (run.recipe_repo, run.recipe_oid) == (shared, shared.head_oid)
    assert run.recipe["optim"]["lr"] == 1e-4
    assert run.recipe_fingerprint == shared.recipe.fingerprint
    assert as_alice.get("/recipes/alice/gently").context["results"].total == 1
    assert "It follows the recipe" in as_alice.get(run.get_absolute_url()).text


def test_a_run_with_changes_says_so(as_alice: Client, ready: World, shared: Repo) -> None:
    started(as_alice, "/alice/base/finetune?recipe=alice/gently&dataset=alice/digits", epochs="7")
    run = Run.objects.get()
    assert run.recipe_repo == shared
    results = as_alice.get("/recipes/alice/gently").context["results"]
    assert (len(results.exact), len(results.changed)) == (0, 1)
    assert "with changes" in as_alice.get(run.get_absolute_url()).text


def test_what_the_form_has_no_field_for_is_run_as_text(as_alice: Client, ready: World) -> None:
    text = TEXT.replace(b"epochs: 2", b"epochs: 2, ema: 0.9")
    repo = make_repo(ready.alice, "recipe", "averaged", {"recipe.yaml": text})
    address = "/alice/base/finetune?recipe=alice/averaged&dataset=alice/digits"
    page = as_alice.get(address)
    assert "ema: 0.9" in page.context["form"]["text"].value()
    assert "repo: alice/digits" in page.context["form"]["text"].value()
    started(as_alice, address)
    run = Run.objects.get()
    assert (run.recipe["optim"]["ema"], run.recipe_repo) == (0.9, repo)
    assert run.recipe_fingerprint == repo.recipe.fingerprint


def test_a_shipped_recipe_is_run_too(as_alice: Client, ready: World) -> None:
    address = "/alice/base/finetune?recipe=tuneyard/classic-resnet50-adam&dataset=alice/digits"
    started(as_alice, address)
    run = Run.objects.get()
    assert run.recipe_repo is None
    page = as_alice.get("/recipes/tuneyard/classic-resnet50-adam")
    assert page.context["results"].total == 1


def test_private_recipes_and_data_are_not_told(client: Client, ready: World, carol: User) -> None:
    make_repo(ready.alice, "recipe", "secret-way", {"recipe.yaml": TEXT}, private=True)
    make_repo(ready.alice, "recipe", "gently", {"recipe.yaml": TEXT})
    make_repo(ready.alice, "dataset", "secret-data", {"README.md": b"# x\n"}, private=True)
    client.force_login(carol, backend=BACKEND)
    assert client.get("/alice/base/finetune?recipe=alice/secret-way&dataset=alice/digits").status_code == 404
    assert client.get("/alice/base/finetune?recipe=alice/gently&dataset=alice/secret-data").status_code == 404
    assert client.get("/alice/base/finetune?recipe=alice/gently&dataset=alice/none").status_code == 404
    page = client.get("/recipes/alice/gently/run")
    assert "secret-data" not in page.text
    answer = client.get("/recipes/alice/gently/run?dataset=alice/secret-data&base=alice/base")
    assert answer.status_code == 422
    # a hidden field that names what one may not see is passed over
    started(
        client, "/alice/base/finetune?recipe=alice/gently&dataset=alice/digits", follows="alice/secret-way@x"
    )
    assert Run.objects.get().recipe_repo is None


@pytest.mark.parametrize(
    "query", ["recipe=x", "recipe=%00/%00", "recipe=a/b&dataset=c", "recipe=tuneyard/no"]
)
def test_strange_recipes_in_the_address(as_alice: Client, ready: World, query: str) -> None:
    assert as_alice.get(f"/alice/base/finetune?{query}").status_code == 404


def test_a_recipe_that_is_not_valid_cannot_be_run(as_alice: Client, ready: World) -> None:
    make_repo(ready.alice, "recipe", "odd", {"recipe.yaml": b"optim: {lr: fast}\n"})
    page = as_alice.get("/recipes/alice/odd/run")
    assert page.status_code == 422
    assert "This recipe is not valid" in page.text
    assert as_alice.get("/alice/base/finetune?recipe=alice/odd&dataset=alice/digits").status_code == 404


def test_where_nothing_fits_the_page_says_what_to_do(client: Client, carol: User) -> None:
    client.force_login(carol, backend=BACKEND)
    assert "There is no dataset for this task" in client.get("/recipes/tuneyard/text-usaddress/run").text


def test_a_model_links_to_its_recipe_and_shares_it(as_alice: Client, ready: World) -> None:
    made = make_repo(ready.alice, "model", "tuned", {"recipe.yaml": TEXT})
    assert "/recipes/new?model=alice/tuned" in as_alice.get("/alice/tuned").text
    draft = as_alice.get("/recipes/new?model=alice/tuned").context["draft"]
    assert draft.values["optim.lr"] == "0.0001"
    repo = make_repo(ready.alice, "recipe", "gently", {"recipe.yaml": TEXT})
    page = as_alice.get("/alice/tuned").text
    assert 'href="/recipes/alice/gently"' in page
    assert "the same method" in page
    Repo.objects.filter(pk=repo.pk).update(private=True)
    as_alice.logout()
    assert "/recipes/alice/gently" not in as_alice.get("/alice/tuned").text
    assert made.recipe.fingerprint == repo.recipe.fingerprint


# --- by HTTP


def post(client: Client, user: User, **body: Any) -> Any:
    token = mint_token(user, name="test", role="write")[1]
    headers = {"Authorization": f"Bearer {token}"}
    return client.post("/api/runs", json.dumps(body), "application/json", headers=headers)


def test_a_shared_recipe_is_run_by_its_name(client: Client, ready: World, shared: Repo, carol: User) -> None:
    body = {"recipe_repo": "alice/gently", "base": "alice/base", "dataset": "alice/digits", "target": "mine"}
    answer = post(client, carol, **body)
    assert answer.status_code == 201, answer.content
    run = Run.objects.get()
    assert (run.recipe_repo, run.recipe_oid) == (shared, shared.head_oid)
    assert run.recipe["optim"]["lr"] == 1e-4
    token = mint_token(carol, name="look", role="read")[1]
    detail = client.get(f"/api/runs/{run.uuid}", headers={"Authorization": f"Bearer {token}"}).json()
    assert detail["recipeRepo"] == {"repo": "alice/gently", "oid": shared.head_oid}


def test_a_recipe_of_ones_own_may_say_what_it_follows(client: Client, ready: World, shared: Repo) -> None:
    answer = post(client, ready.alice, recipe=ready.recipe(), recipe_repo="alice/gently")
    assert answer.status_code == 201
    assert Run.objects.get().recipe_repo == shared


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"recipe_repo": "alice/secret-way"}, 422, "there is no recipe alice/secret-way"),
        ({"recipe_repo": "alice/none"}, 422, "there is no recipe alice/none"),
        ({"recipe_repo": "x" * 300}, 400, "recipe_repo must be text"),
        ({"recipe_repo": 3}, 400, "recipe_repo must be text"),
        ({"recipe_repo": "alice/gently", "dataset": "alice/none"}, 422, "there is no model elsewhere/net"),
        (
            {"recipe_repo": "alice/gently", "base": "alice/base"},
            422,
            "there is no dataset elsewhere/pictures",
        ),
        ({"recipe_repo": "tuneyard/tabular-ames"}, 422, "base is missing"),
        ({"dataset": "alice/digits"}, 400, "dataset goes with recipe_repo"),
    ],
)
def test_what_cannot_be_is_told_by_name(
    client: Client, ready: World, shared: Repo, carol: User, body: dict[str, Any], status: int, words: str
) -> None:
    make_repo(ready.alice, "recipe", "secret-way", {"recipe.yaml": TEXT}, private=True)
    answer = post(client, carol, **body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert not Run.objects.exists()


# --- by the command line


def test_the_command_names_a_recipe_of_the_hub() -> None:
    options = submit._parser().parse_args(
        ["--hub", "http://h", "--recipe-repo", "alice/gently", "--dataset", "bob/data"]
    )
    kind, body = submit._request(options)
    assert kind == "runs"
    assert {name: body[name] for name in ("recipe_repo", "dataset")} == {
        "recipe_repo": "alice/gently",
        "dataset": "bob/data",
    }
    assert "recipe" not in body


@pytest.mark.parametrize(
    "words",
    [[], ["--dataset", "a/b"], ["--recipe-repo", "a/b", "--axis", "seed=1,2"], ["x.yaml", "--base", "a/b"]],
)
def test_the_command_says_what_does_not_go_together(words: list[str]) -> None:
    with pytest.raises(UserError):
        submit._request(submit._parser().parse_args(["--hub", "http://h", *words]))

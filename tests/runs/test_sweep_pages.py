"""The pages of sweeps: the form counts before it queues, the table ranks, the fragment is cheap when idle."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from models_app.models import Repo
from runs.models import Run, Sweep
from tests.runs.conftest import World
from tests.runs.test_sweeps import complete, start


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def form_of(world: World, **changes: str) -> dict[str, str]:
    recipe = f"base_model: {{repo: {world.base.repo_id}}}\ndataset: {{repo: {world.data.repo_id}}}\n"
    given = {"axes": "optim.lr: 0.1, 0.01\nseed: 0, 1", "text": recipe, "mode": "grid", "samples": ""}
    return {**given, "namespace": "alice", "name": "probe", "flavor": "cpu-basic", **changes}


def test_the_form_begins_with_the_recipe_of_the_one_before(world: World, browser: Client) -> None:
    page = browser.get("/alice/base/sweep").content.decode()
    assert "base_model:" in page
    assert "optim.lr: 0.001, 0.003" in page
    asked = browser.post("/alice/base/sweep", {"dataset": "alice/digits", "lr": "0.5", "name": "mine"})
    assert asked.status_code == 200
    assert "lr: 0.5" in asked.content.decode()
    text = browser.post("/alice/base/sweep", {"text": "task: x\n", "name": "mine"}).content.decode()
    assert "task: x" in text
    assert not Sweep.objects.exists()


def test_it_counts_before_it_queues(world: World, browser: Client) -> None:
    asked = browser.post("/alice/base/sweep", form_of(world), headers={"HX-Request": "true"})
    page = asked.content.decode()
    assert "<b>4 runs</b>" in page
    assert "<html" not in page
    wrong = browser.post(
        "/alice/base/sweep", form_of(world, axes="optim.lr: 50"), headers={"HX-Request": "true"}
    )
    assert "optim.lr must be at most 10, got 50" in wrong.content.decode()
    counted = browser.post("/alice/base/sweep", form_of(world, preview="1"))
    assert (counted.status_code, "<b>4 runs</b>" in counted.content.decode()) == (200, True)
    assert not Run.objects.exists()


def test_it_queues_and_leads_to_the_sweep(world: World, browser: Client) -> None:
    answer = browser.post("/alice/base/sweep", form_of(world, is_private="on"))
    sweep = Sweep.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/sweeps/{sweep.uuid}")
    assert Repo.objects.filter(name__startswith="probe-", private=True).count() == 4
    drawn = form_of(world, axes="optim.lr: 1e-4 .. 1e-1 log", mode="random", samples="3", name="drawn")
    browser.post("/alice/base/sweep", drawn)
    assert Sweep.objects.get(name="drawn").runs.count() == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axes": ""}, "This field is required"),
        ({"axes": "nonsense"}, "is no axis"),
        ({"axes": "optim.rate: 1"}, "does not name a field"),
        ({"axes": "optim.lr: 50"}, "got 50"),
        ({"text": "optim: {lr: 1}"}, "dataset is missing"),
        ({"text": "base_model: {repo: alice/none}\ndataset: {repo: alice/digits}\n"}, "no model alice/none"),
        ({"name": "a b"}, "is not a valid repo name"),
        ({"name": "x" * 91}, "at most 90"),
        ({"mode": "random"}, "samples must be"),
        ({"axes": "init: pretrained, scratch"}, "With init &#x27;scratch&#x27;"),
    ],
)
def test_what_is_wrong_is_told_and_kept(
    world: World, browser: Client, changes: dict[str, str], words: str
) -> None:
    answer = browser.post("/alice/base/sweep", form_of(world, **changes))
    page = answer.content.decode()
    assert (answer.status_code, words in page) == (422, True), page
    assert not Sweep.objects.exists()


def test_a_taken_name_is_told_beside_it(world: World, browser: Client) -> None:
    browser.post("/alice/base/sweep", form_of(world))
    answer = browser.post("/alice/base/sweep", form_of(world))
    assert answer.status_code == 422
    assert "Another run is already going to publish to alice/probe-1" in answer.content.decode()
    assert Sweep.objects.count() == 1


def test_the_page_ranks_and_marks_the_best(world: World, browser: Client) -> None:
    sweep = start(world, {"optim.lr": [0.1, 0.01], "seed": [0, 1]})
    for run, value in zip(sweep.runs.order_by("sweep_index"), (0.5, 0.6, 0.7), strict=False):
        complete(world, run, value)
    page = browser.get(f"/sweeps/{sweep.uuid}").content.decode()
    rows = page.partition("<h2>Runs</h2>")[2].partition("</table>")[0]
    assert rows.index("70.00 %") < rows.index("60.00 %") < rows.index("50.00 %")
    assert rows.count("is-best") == 2
    assert "3 of 4 runs have ended" in page
    assert "±" in page
    assert "Cancel all" in page
    assert "Cancel all" not in Client().get(f"/sweeps/{sweep.uuid}").content.decode()
    assert str(sweep.uuid) in browser.get("/sweeps").content.decode()


def test_the_fragment_is_cheap_when_idle_and_ends(world: World, browser: Client) -> None:
    sweep = start(world, {"optim.lr": [0.1]})
    path = f"/sweeps/{sweep.uuid}/board"
    first = browser.get(path)
    assert first.status_code == 200
    assert browser.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 304
    complete(world, sweep.runs.get(), 0.5)
    last = browser.get(path, headers={"If-None-Match": first["ETag"]})
    assert last.status_code == 286
    assert "Cancel all" not in last.content.decode()


def test_the_charts_read_what_the_api_tells(world: World, browser: Client) -> None:
    sweep = start(world, {"optim.lr": [0.1, 0.01]})
    complete(world, sweep.runs.get(sweep_index=0), 0.5)
    told = browser.get(f"/sweeps/{sweep.uuid}/rows.json")
    assert [row["score"] for row in told.json()["rows"]] == [0.5, None]
    again = browser.get(f"/sweeps/{sweep.uuid}/rows.json", headers={"If-None-Match": told["ETag"]})
    assert again.status_code == 304


def test_more_is_queued_and_all_is_stopped_from_the_page(world: World, browser: Client, carol: User) -> None:
    sweep = start(world, {"optim.lr": [0.1]})
    path = f"/sweeps/{sweep.uuid}"
    added = browser.post(f"{path}/extend", {"axes": "optim.lr: 0.01, 0.03"}, follow=True)
    assert "2 runs were added." in added.content.decode()
    wrong = browser.post(f"{path}/extend", {"axes": "optim.lr: 50"}, follow=True)
    assert "got 50" in wrong.content.decode()
    assert (
        "in the sweep already" in browser.post(f"{path}/extend", {"axes": ""}, follow=True).content.decode()
    )
    stranger = Client()
    stranger.force_login(carol)
    assert stranger.post(f"{path}/cancel").status_code == 403
    assert stranger.post(f"{path}/extend", {"axes": "seed: 1"}).status_code == 403
    stopped = browser.post(f"{path}/cancel", follow=True)
    assert "3 runs are stopped." in stopped.content.decode()
    assert "ended already" in browser.post(f"{path}/cancel", follow=True).content.decode()


def test_a_page_of_many_runs_takes_few_queries(
    world: World, browser: Client, django_assert_max_num_queries: Any
) -> None:
    sweep = start(world, {"seed": list(range(20))})
    with django_assert_max_num_queries(16):
        assert browser.get(f"/sweeps/{sweep.uuid}").status_code == 200


def test_private_sweeps_look_missing(world: World, carol: User) -> None:
    from runs.sweeps import Wish

    sweep = start(world, wish=Wish(private=True))
    stranger = Client()
    stranger.force_login(carol)
    for path in ("", "/board", "/rows.json"):
        assert stranger.get(f"/sweeps/{sweep.uuid}{path}").status_code == 404
        assert Client().get(f"/sweeps/{sweep.uuid}{path}").status_code == 404
    assert str(sweep.uuid) not in stranger.get("/sweeps").content.decode()

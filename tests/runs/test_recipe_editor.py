"""Form and YAML of a recipe: always in step, comments kept, nothing typed is lost, saving is a commit."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.commits import commit
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.operations import AddFile
from runs.recipe_draft import FIRST
from runs.recipe_editing import draft_in, draft_of
from runs.recipe_help import is_named
from runs.recipe_items import items_for, sections
from runs.recipe_lines import lines_of
from runs.recipe_patch import REMOVED, patched
from runs.recipe_shipped import shipped
from runs.recipe_source import text_at
from runs.recipe_starting import starting_text
from runs.recipe_table import GROUPS, group_of
from runs.recipe_words import STRATEGIES, TASKS, line_of, words_of
from tests.house.recipe_page import data_rows, field_rows
from tests.runs.conftest import World, make_repo
from training.recipe import TASK_DATA, RecipeError, StrategySpec, parse_recipe
from training.recipe_reading import load_yaml

BACKEND = "accounts.backends.AccountBackend"
TEXT = """# Gently. 温柔 🌱
task: image-classification  # what else
base_model:
  repo: alice/base

dataset: {repo: alice/digits, augment: light}  # no mirrors
# the rate was found by trying
optim:
  lr: 1e-4   # not higher
  epochs: 2
seed: 3
"""


def sent(draft: Any, **changes: str) -> dict[str, str]:
    """What a browser sends: text, the last readable text, every field; `changes` by dotted name, __ a dot."""
    fields = {f"f.{path}": value for path, value in draft.values.items()}
    posted = {"text": draft.text.replace("\n", "\r\n"), "shown": draft.shown.replace("\n", "\r\n"), **fields}
    named = {f"f.{name.replace('__', '.')}": value for name, value in changes.items() if name != "text"}
    return posted | named | ({"text": changes["text"]} if "text" in changes else {})


# --- the fields


def test_every_field_of_the_contract_is_on_the_form_with_its_words() -> None:
    known = {item.path for task in TASK_DATA for item in items_for(task)}
    told = {name for name, takes, _default in field_rows() if takes != "section or null"}
    told |= {name for _tasks, rows in data_rows() for name, _takes, _default in rows}
    assert known == told
    assert {path for path in known if not is_named(path)} == set()
    for task in TASK_DATA:
        for item in items_for(task):
            assert str(item.label), item.path
            assert str(item.help) or item.path == "dataset.packing", item.path
            assert item.choices or item.takes or item.kind in ("text", "mapping"), item.path


def test_every_field_has_a_group_and_the_open_ones_are_fields() -> None:
    known = {item.path for task in TASK_DATA for item in items_for(task)}
    assert known >= FIRST
    sorted_in = {section for _name, _title, names in GROUPS for section in names}
    assert {path.partition(".")[0] for path in known} == sorted_in
    assert all(group_of(path) for path in known)
    assert sections() >= {"strategy.lora", "study.search", "optim"}


def test_every_task_and_strategy_has_a_sentence() -> None:
    assert set(TASKS) == set(TASK_DATA)
    kinds = next(spec.metadata["choices"] for spec in dataclasses.fields(StrategySpec) if spec.name == "kind")
    assert set(STRATEGIES) == set(kinds) - {"last-stages"}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_recipe_is_told_in_words_and_opens_in_the_form(name: str) -> None:
    one = shipped()[name]
    words = words_of(one.facts.spec)
    assert line_of(one.facts.spec).startswith("Teaches a ")
    assert one.facts.dataset in words[1]
    assert all(sentence.endswith(".") and "%(" not in sentence for sentence in words)
    draft = draft_of(one.text)
    assert draft.problems == []
    # sent back as it is, nothing changes
    assert draft_in(sent(draft)).text == one.text


@pytest.mark.parametrize("task", sorted(TASK_DATA))
def test_a_new_recipe_lacks_only_what_has_to_be_filled_in(task: str) -> None:
    fields = {problem.field for problem in draft_of(starting_text(task)).problems}
    assert fields <= {"base_model.repo", "dataset.repo", "dataset.target_column"}


# --- in step


def test_a_field_changes_its_place_in_the_text_and_nothing_else() -> None:
    draft = draft_in(sent(draft_of(TEXT), optim__lr="3e-4", optim__ema="0.9", dataset__mix="mixup"))
    assert draft.text == TEXT.replace("1e-4 ", "0.0003 ").replace(
        "  epochs: 2\n", "  epochs: 2\n  ema: 0.9\n"
    ).replace("augment: light}", "augment: light, mix: mixup}")
    assert not draft.lost_comments
    assert draft.values["optim.ema"] == "0.9"


def test_the_text_changes_the_fields() -> None:
    draft = draft_in(sent(draft_of(TEXT), text=TEXT.replace("epochs: 2", "epochs: 9")))
    assert draft.values["optim.epochs"] == "9"


def test_both_may_be_changed_between_two_round_trips() -> None:
    changed = TEXT.replace("epochs: 2", "epochs: 9").replace("# the rate", "# the RATE")
    draft = draft_in(sent(draft_of(TEXT), text=changed, optim__lr="0.5"))
    assert draft.text == changed.replace("1e-4 ", "0.5 ")
    assert (draft.values["optim.lr"], draft.values["optim.epochs"]) == ("0.5", "9")


def test_a_field_that_is_emptied_is_left_out_with_an_empty_section() -> None:
    draft = draft_in(sent(draft_of(TEXT), optim__lr="", optim__epochs="", seed=""))
    assert load_yaml(draft.text) == {
        "task": "image-classification",
        "base_model": {"repo": "alice/base"},
        "dataset": {"repo": "alice/digits", "augment": "light"},
    }


def test_another_task_takes_out_what_its_data_do_not_have() -> None:
    draft = draft_in(sent(draft_of(TEXT), task="text-classification"))
    assert load_yaml(draft.text)["dataset"] == {"repo": "alice/digits"}
    assert "dataset.max_tokens" in draft.values
    assert draft.problems == []


def test_text_that_cannot_be_read_is_kept_with_the_fields_as_they_were() -> None:
    broken = TEXT.replace("epochs: 2", "epochs: [2")
    first = draft_in(sent(draft_of(TEXT), text=broken, optim__lr="0.5"))
    assert first.text == broken
    assert not first.is_readable
    assert first.values["optim.lr"] == "0.5"
    assert first.problems[0].line > 0
    # mended, the field that was changed meanwhile finds its place
    mended = draft_in(sent(first, text=TEXT))
    assert mended.text == TEXT.replace("1e-4 ", "0.5 ")


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [("optim__lr", "fast", 9), ("optim__epochs", "0", 10), ("seed", "-1", 11), ("dataset__mix", "cut", 6)],
)
def test_a_problem_stands_at_its_field_and_at_its_line(field: str, value: str, line: int) -> None:
    draft = draft_in(sent(draft_of(TEXT), **{field: value}))
    (problem,) = draft.problems
    assert problem.line == line
    cells = [cell for group in draft.groups for cell in (*group.first, *group.more) if cell.problems]
    assert [cell.item.path for cell in cells] == [field.replace("__", ".")]
    assert cells[0].value == value
    assert (line, True) in draft.gutter


def test_unknown_fields_stay_and_are_told() -> None:
    text = TEXT + "optimizer: adam\n"
    draft = draft_in(sent(draft_of(text), seed="4"))
    assert draft.text == text.replace("seed: 3", "seed: 4")
    assert draft.problems[0].field == "optimizer"
    assert draft.problems[0].line == 12


PATCHES: list[tuple[str, dict[str, Any]]] = [
    ("", {"optim.lr": 0.1}),
    ("# only a comment", {"seed": 1}),
    ("optim:\nseed: 1\n", {"optim.lr": 0.1}),
    ("optim: {}\n", {"optim.lr": 0.1, "optim.ema": 0.5}),
    ("optim: 3\n", {"optim.lr": 0.1}),
    ("{seed: 1, optim: {lr: 1}}", {"optim.lr": REMOVED, "precision": "bf16"}),
    ("a: &x {lr: 1}\noptim: *x\n", {"optim.lr": 2}),
    ("dataset:\n  columns:\n  - a\n  - b # c\n# d\nseed: 1\n", {"dataset.columns": ["x, y", "#z", "no"]}),
    ("dataset:\n  columns:\n    - a\n\n# d\nseed: 1\n", {"dataset.columns": REMOVED}),
    ("dataset: {\"repo\": \"a b\", prefix: 'it''s: '}\n", {"dataset.prefix": "summarize: "}),
    ("dataset:\n  prefix: |\n    long\n    text\n  repo: a/b\nseed: 1", {"dataset.prefix": "x", "seed": 2}),
    ("seed: 1\n---\nseed: 2\n", {}),
    ("optim: {lr: 1,\n  # c\n  epochs: 3}\n", {"optim.epochs": REMOVED}),
    ("? seed\n: 1\n", {"seed": 2}),
]


@pytest.mark.parametrize("number", [place for place, (text, _) in enumerate(PATCHES) if "---" not in text])
def test_a_patched_text_says_what_was_wanted(number: int) -> None:
    text, changes = PATCHES[number]
    found, _kept = patched(text, changes)
    plain = load_yaml(found)
    for path, value in changes.items():
        place = plain
        for part in path.split("."):
            place = place.get(part, REMOVED) if isinstance(place, dict) else REMOVED
        assert place == value, found


@pytest.mark.parametrize("name", sorted(shipped()))
def test_fields_of_shipped_recipes_are_patched_with_the_comments_kept(name: str) -> None:
    text = shipped()[name].text
    for item in items_for(shipped()[name].facts.task)[len(name) % 3 :: 3]:
        value: Any = {"number": 1, "numbers": [0.5], "texts": ["a, b"], "flag": True}.get(item.kind, "é#: x")
        found, kept = patched(text, {item.path: {"optim.lr": [0.1]} if item.kind == "mapping" else value})
        assert kept, item.path
        back, kept = patched(found, {item.path: REMOVED})
        assert kept, item.path
        assert typing.cast(dict[str, int], lines_of(found))[item.path] > 0
        assert item.path not in lines_of(back)


def test_a_large_text_is_patched_in_good_time() -> None:
    text = TEXT + "".join(f"# line {number} of a long comment\n" for number in range(1500))
    found, kept = patched(text, {item.path: REMOVED for item in items_for("image-classification")})
    assert kept or "# Gently" in found


# --- pages


@pytest.fixture
def shared(world: World) -> Repo:
    return make_repo(world.alice, "recipe", "gently", {"recipe.yaml": TEXT.encode()})


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    client.force_login(world.alice, backend=BACKEND)
    return client


def test_the_round_trip_gives_back_what_changed(as_alice: Client, shared: Repo) -> None:
    given = sent(draft_of(TEXT), optim__lr="0.5")
    page = as_alice.post("/recipes/sync", given)
    assert 'id="recipe-yaml"' in page.text
    assert "lr: 0.5" in page.text
    # the text that somebody is writing in is not drawn again
    page = as_alice.post("/recipes/sync", sent(draft_of(TEXT), text=TEXT + "precision: bf16\n"))
    assert 'id="recipe-yaml"' not in page.text
    assert "<option selected>bf16</option>" in page.text


def test_saving_is_a_commit(as_alice: Client, shared: Repo) -> None:
    page = as_alice.get("/recipes/alice/gently/edit")
    given = sent(page.context["draft"], optim__lr="0.5")
    given |= {"parent": page.context["parent"], "summary": "Much\nfaster", "action": "save"}
    assert as_alice.post("/recipes/alice/gently/edit", given)["Location"] == "/recipes/alice/gently"
    shared.refresh_from_db()
    assert text_at(shared, "main")[0] == TEXT.replace("1e-4 ", "0.5 ")
    assert git_store(shared).commit(shared.head_oid).title == "Much faster"
    # sent twice, it is one commit
    again = as_alice.post("/recipes/alice/gently/edit", given)
    assert again["Location"] == "/recipes/alice/gently"
    shared.refresh_from_db()
    assert git_store(shared).count_commits(shared.head_oid) == 3


def test_a_stale_form_loses_nothing_and_overwrites_nothing(as_alice: Client, shared: Repo) -> None:
    page = as_alice.get("/recipes/alice/gently/edit")
    given = sent(page.context["draft"], optim__lr="0.5")
    given |= {"parent": page.context["parent"], "action": "save"}
    theirs = TEXT.replace("seed: 3", "seed: 8").encode()
    actor = Actor(User.objects.get(username="alice"))
    commit(actor, repo=shared, branch="main", operations=[AddFile("recipe.yaml", theirs)], summary="Other")
    page = as_alice.post("/recipes/alice/gently/edit", given)
    assert page.status_code == 409
    assert "Somebody changed this recipe" in page.text
    assert ("del", "-seed: 8") in page.context["stale"]
    assert "lr: 0.5" in page.context["draft"].text
    assert text_at(shared, "main")[0] == theirs.decode()
    given["parent"] = page.context["parent"]
    assert as_alice.post("/recipes/alice/gently/edit", given).status_code == 302
    assert "lr: 0.5" in (text_at(shared, "main")[0] or "")


@pytest.mark.parametrize("parent", ["", "main", "0000000", "x' OR 1=1"])
def test_a_form_without_a_good_parent_is_stale(as_alice: Client, shared: Repo, parent: str) -> None:
    given = sent(draft_of(TEXT), optim__lr="0.5") | {"parent": parent, "action": "save"}
    assert as_alice.post("/recipes/alice/gently/edit", given).status_code == 409


@pytest.mark.parametrize(
    "text", ["optim: [", "- a", "optim: {lr: -1}", "x" * 70_000, "", "a: \x07", "# " + "y" * 2**20]
)
def test_what_cannot_be_saved_comes_back_as_it_was(as_alice: Client, shared: Repo, text: str) -> None:
    given = sent(draft_of(TEXT), text=text) | {"parent": shared.head_oid, "action": "save"}
    page = as_alice.post("/recipes/alice/gently/edit", given)
    assert page.status_code == 422
    assert page.context["draft"].text == text
    assert page.context["draft"].problems
    assert text_at(shared, "main")[0] == TEXT


def test_without_script_a_button_brings_them_into_step(as_alice: Client, shared: Repo) -> None:
    given = sent(draft_of(TEXT), optim__lr="0.5") | {"parent": shared.head_oid, "action": "update"}
    page = as_alice.post("/recipes/alice/gently/edit", given)
    assert page.status_code == 200
    assert "lr: 0.5" in page.context["draft"].text
    assert page.context["parent"] == shared.head_oid
    assert text_at(shared, "main")[0] == TEXT


def test_only_those_who_may_write_edit(client: Client, shared: Repo, carol: User) -> None:
    assert client.get("/recipes/alice/gently/edit")["Location"].startswith("/login")
    client.force_login(carol, backend=BACKEND)
    assert client.get("/recipes/alice/gently/edit").status_code == 403
    assert client.post("/recipes/alice/gently/edit", {"text": TEXT}).status_code == 403


def test_a_new_recipe_is_a_repo_with_both_files(as_alice: Client) -> None:
    draft = as_alice.get("/recipes/new?task=translation").context["draft"]
    given = sent(draft, base_model__repo="alice/t5", dataset__repo="alice/pairs")
    given |= {"namespace": "alice", "name": "german", "title": "To German", "about": "*Short* texts."}
    assert as_alice.post("/recipes/new", given | {"action": "update"}).status_code == 200
    assert not Repo.objects.filter(repo_type="recipe").exists()
    assert as_alice.post("/recipes/new", given | {"action": "save"})["Location"] == "/recipes/alice/german"
    assert as_alice.post("/recipes/new", given | {"action": "save"})["Location"] == "/recipes/alice/german"
    repo = Repo.objects.get(repo_type="recipe")
    assert repo.recipe.title == "To German"
    assert "<em>Short</em>" in as_alice.get("/recipes/alice/german").text


def test_a_name_taken_a_second_ago_is_told_and_nothing_is_lost(as_alice: Client, shared: Repo) -> None:
    draft = draft_of(TEXT.replace("1e-4", "1e-2"))
    given = sent(draft) | {"namespace": "alice", "name": "gently", "title": "Mine", "about": "Long words."}
    page = as_alice.post("/recipes/new", given | {"action": "save"})
    assert page.status_code == 422
    assert "You have a recipe of this name already" in page.text
    assert "Long words." in page.text
    assert page.context["draft"].text == draft.text


def test_a_new_one_may_begin_with_another_that_one_may_read(
    client: Client, world: World, shared: Repo, carol: User
) -> None:
    make_repo(world.alice, "recipe", "secret-way", {"recipe.yaml": b"seed: 4711\n"}, private=True)
    client.force_login(carol, backend=BACKEND)
    assert client.get("/recipes/new?from=alice/gently").context["draft"].text == TEXT
    assert "4711" not in client.get("/recipes/new?from=alice/secret-way").text
    assert client.get("/recipes/new?from=%00&task=%00").status_code == 200


def test_the_sentences_of_the_contract_are_the_pages(as_alice: Client, shared: Repo) -> None:
    with pytest.raises(RecipeError):
        parse_recipe(TEXT.replace("epochs: 2", "epochs: 2000"))
    page = as_alice.post("/recipes/sync", sent(draft_of(TEXT), optim__epochs="2000"))
    assert page.text.count("optim.epochs must be at most 1,000, got 2000.") == 2


def test_a_task_that_is_none_is_told_once_and_shortly(client: Client, world: World) -> None:
    text = TEXT.replace("task: image-classification", "task: image-guessing")
    page = client.post("/recipes/sync", sent(draft_of(TEXT)) | {"text": text}).text
    assert page.count("There is no task “image-guessing”: choose one.") == 1
    assert "must be one of" not in page
    # The line beside the text leads to it all the same.
    assert 'data-line="2"' in page
    assert '<li class="is-bad">2</li>' in page
    # What other fields may hold is still said where one reads.
    assert (
        "precision must be one of"
        in client.post("/recipes/sync", sent(draft_of(TEXT)) | {"text": f"{TEXT}precision: fp64\n"}).text
    )

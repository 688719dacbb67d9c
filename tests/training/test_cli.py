"""The command line as a user runs it: in a process of its own, one in which Django cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.__main__ import main
from training.recipe import dump_recipe, parse_recipe

# Runs `python -m training` with an import system that refuses the web's packages.
WITHOUT_DJANGO = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("django", "rest_framework", "hub", "accounts", "models_app", "runs"):
            raise AssertionError(f"training imported {name}")
sys.meta_path.insert(0, Refuse())
sys.argv[0] = "training"
runpy.run_module("training", run_name="__main__", alter_sys=True)
"""


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_DJANGO, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        env=env,
        check=False,
    )


def write_recipe(folder: Path, base: Path, images: Path) -> Path:
    recipe = parse_recipe(
        {
            "base_model": {"repo": str(base)[:200]},
            "dataset": {"repo": "./pictures"},
            "strategy": {"kind": "full"},
            "optim": {"lr": 1e-2, "epochs": 2, "batch_size": 8},
            "benchmark": {"repo": "./pictures", "split": "test"},
        }
    )
    (folder / "pictures").symlink_to(images)
    path = folder / "recipe.yaml"
    path.write_text(dump_recipe(recipe))
    return path


def test_finetune_evaluate_predict(
    base: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    done = command("finetune", write_recipe(tmp_path, base, images), "--out", out)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["benchmark"]["accuracy"] > 0.9
    assert json.loads((out / "result.json").read_text())["history"]
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if "stage" in line] == ["data", "train", "save", "evaluate"]

    model = out / "model"
    card, manifest = (model / "README.md").read_text(), json.loads((model / "run.json").read_text())
    assert "pipeline_tag: image-classification" in card
    assert "base_model:" not in card  # a directory has no page to point to
    assert "python -m training finetune" in card
    assert manifest["evaluation"]["value"] == summary["benchmark"]["accuracy"]
    assert manifest["resources"]["peak_memory_bytes"] > 10**7
    assert manifest["resources"]["energy"]["watt_hours"] > 0
    assert manifest["recipe"]["dataset"]["repo"] == "./pictures"
    done = command("evaluate", "--model", model, "--dataset", images, "--json")
    assert json.loads(done.stdout)["accuracy"] == summary["benchmark"]["accuracy"]
    # In this process: loading torch anew is what takes the time.
    assert main(["evaluate", "--model", str(model), "--dataset", str(images), "--split", "test"]) == 0
    assert main(["predict", "--model", str(model), str(images / "test" / "cat" / "000.png")]) == 0
    measured, first, second = capsys.readouterr().out.splitlines()
    assert measured.startswith(f"accuracy {summary['benchmark']['accuracy']:.4f} (95 % interval ")
    assert (first.split()[1], second.split()[1]) == ("cat", "dog")
    assert main(["predict", "--model", str(model), "none.png"]) == 2
    assert capsys.readouterr().err == "The image none.png does not exist.\n"
    assert {path.name for path in (out / "plots").iterdir()} == {
        "loss.svg",
        "confusion.svg",
        "calibration.svg",
    }
    assert main(["compare", "--models", str(model), str(model), "--dataset", str(images)]) == 0
    assert "do equally well" in capsys.readouterr().out


def test_validate_prints_the_whole_recipe(base: Path, images: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path, base, images)
    done = command("validate", path)
    assert done.returncode == 0
    assert parse_recipe(done.stdout) == parse_recipe(path.read_text())


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "optim: {lr: -1}",
            ["base_model is missing.", "dataset is missing.", "optim.lr must be above 0, got -1."],
        ),
        (
            "a: [",
            ["The recipe is not valid YAML in line 1: expected the node content, but found '<stream end>'."],
        ),
        ("\xff", None),
    ],
)
def test_a_bad_recipe_is_two_and_sentences(tmp_path: Path, text: str, sentences: list[str] | None) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode("latin-1"))
    done = command("validate", path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines() == (sentences or [f"The recipe {path} is not text in UTF-8."])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("validate", "none.yaml"), "The recipe none.yaml cannot be read."),
        (("evaluate", "--model", "./none", "--dataset", "./none"), "There is no directory ./none."),
        (("predict", "--model", "a//b c", "x.png"), "There is no directory a//b c."),
        (("predict", "--model", "a b", "x.png"), "'a b' is neither a directory nor the name of a repo"),
    ],
)
def test_what_is_not_there_is_told(arguments: tuple[str, ...], sentence: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(sentence)
    assert "Traceback" not in done.stderr

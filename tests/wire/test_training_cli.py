"""The engine's command line against a hub: recipes and models by repo id, refusals in the user's terms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import LiveHub
from tests.training.world import write_base, write_images
from training.recipe import dump_recipe, parse_recipe

pytestmark = pytest.mark.wire


def command(hub: LiveHub, user: str, home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.tokens[user], "HF_HOME": str(home)}
    line = [sys.executable, "-m", "training", *map(str, arguments)]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=200, check=False, env={**env, "OMP_NUM_THREADS": "1"}
    )


def test_a_recipe_of_repos_runs_and_a_published_result_measures_the_same(
    hub: LiveHub, unique: str, client_home: Path, tmp_path: Path
) -> None:
    api = hub.api("alice")
    base, data, result = f"alice/{unique}-base", f"alice/{unique}-data", f"alice/{unique}-result"
    for repo, kind, folder in (
        (base, "model", write_base(tmp_path / "base")),
        (data, "dataset", write_images(tmp_path / "data", train=16)),
    ):
        api.create_repo(repo, repo_type=kind, private=True)
        api.upload_folder(repo_id=repo, repo_type=kind, folder_path=folder)
    oid = api.model_info(base).sha
    recipe = parse_recipe(
        {
            "base_model": {"repo": base, "revision": oid},
            "dataset": {"repo": data},
            "strategy": {"kind": "full"},
            "optim": {"lr": 1e-2, "epochs": 2, "batch_size": 8},
            "benchmark": {"repo": data, "split": "test"},
        }
    )
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    out = tmp_path / "out"
    words = ("finetune", tmp_path / "recipe.yaml", "--out", out, "--publish", result)
    done = command(hub, "alice", client_home, *words)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)["benchmark"]["accuracy"]

    published = api.model_info(result)
    assert (published.card_data.base_model, published.card_data.datasets) == (base, [data])
    assert published.pipeline_tag == "image-classification"
    manifest = json.loads(Path(api.hf_hub_download(result, "run.json", local_dir=tmp_path)).read_text())
    assert manifest["base"] == {"repo": base, "oid": oid}
    named = f"{result}@{published.sha}"
    done = command(
        hub, "bob", client_home, "evaluate", "--model", named, "--dataset", tmp_path / "data", "--json"
    )
    assert json.loads(done.stdout)["accuracy"] == measured


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            "alice/nothing-here",
            "There is no model alice/nothing-here on the hub, or your token may not see it.",
        ),
        ("PRIVATE", "There is no model {model} on the hub, or your token may not see it."),
        ("PUBLIC@no-such-branch", "There is no model {model} at no-such-branch."),
    ],
)
def test_what_cannot_be_fetched_is_told(
    hub: LiveHub, unique: str, client_home: Path, model: str, sentence: str
) -> None:
    repo, _, revision = model.partition("@")
    if repo.isupper():
        repo_id = f"alice/{unique}"
        hub.api("alice").create_repo(repo_id, private=repo == "PRIVATE")
        sentence = sentence.format(model=repo_id)
        model = f"{repo_id}@{revision}" if revision else repo_id
    done = command(hub, "bob", client_home, "predict", "--model", model, "x.png")
    assert (done.returncode, done.stderr.strip()) == (2, sentence)


def test_a_result_is_published_by_those_only_who_may_write_there(
    hub: LiveHub, unique: str, client_home: Path, tmp_path: Path
) -> None:
    plain = {
        "base_model": {"repo": str(write_base(tmp_path / "base"))},
        "dataset": {"repo": str(write_images(tmp_path / "data", train=4, test=1))},
        "optim": {"epochs": 1, "batch_size": 4},
    }
    (tmp_path / "recipe.yaml").write_text(dump_recipe(parse_recipe(plain)))
    words = ("finetune", tmp_path / "recipe.yaml", "--out", tmp_path / "out", "--publish")
    done = command(hub, "bob", client_home, *words, f"alice/{unique}")
    assert done.returncode == 2
    assert "The hub did not take the model:" in done.stderr.splitlines()[-1]
    assert not hub.api("alice").repo_exists(f"alice/{unique}")
    done = command(hub, "bob", client_home, *words, "a name with spaces")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("--publish must be namespace/name")
    assert not (tmp_path / "out" / "model").exists()  # told before the first step

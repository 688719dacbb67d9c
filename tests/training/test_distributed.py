"""Several processes learn what one learns: `torchrun`, two processes and three, tiny nets, gloo."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.language.test_text_generation import recipe as talk_recipe
from tests.training.language.world import write_base as write_llama
from tests.training.language.world import write_chats
from tests.training.test_finetune import run
from tests.training.together import ROOT, job, launch, started, torchrun
from tests.training.world import Listener, recipe, write_base, write_images
from training.checkpoint import load_checkpoint
from training.errors import Interrupted
from training.finetune import CHECKPOINT
from training.recipe import Recipe, dump_recipe

# Several processes, each of which loads torch: on busy cores minutes, once for most tests here.
pytestmark = pytest.mark.timeout(600)
Seen = dict[str, list[dict[str, Any]]]
# Sums of floats in another order; small losses are differences of large logits.
NEAR: dict[str, Any] = {"rel": 2e-3, "abs": 2e-5}

EVERYTHING = recipe(strategy={"l2_sp": 0.01}, optim={"grad_clip": 0.5, "ema": 0.8, "weight_decay": 0.01})
GRADUAL = recipe(strategy={"kind": "gradual"})
LP_FT = recipe(strategy={"kind": "lp-ft", "probe_epochs": 2})
HEAD = recipe(strategy={"kind": "head"})
STOPPING = recipe(optim={"epochs": 30}, early_stopping={"patience": 1})
DIVERGING = recipe(optim={"name": "sgd", "lr": 10.0, "epochs": 30})
# Batch-norm, dropout, augmentation and blending: all that draws, or looks at a batch.
WHOLE = recipe(
    dataset={"augment": "strong", "mix": "mixup"},
    optim={"batch_size": 4, "grad_accum_steps": 2, "epochs": 1},
    precision="fp32",
)
TALK = talk_recipe(strategy={"kind": "full"}, optim={"batch_size": 3})


class Places:
    """What the runs of this module read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.vit = write_base(root / "vit", "test_vit")
        self.mobile = write_base(root / "mobile", "mobilenet_v3_small", "torchvision")
        self.images = write_images(root / "images")
        self.llama = write_llama(root / "llama")
        self.talk = write_chats(root / "talk")
        write_chats(self.talk, split="test")

    def job(self, name: str, given: Recipe, **more: Any) -> dict[str, Any]:
        return job(name, given, self.vit, self.images, self.root / "two" / name, **more)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("places"))


@pytest.fixture(scope="module")
def seen(places: Places) -> Seen:
    """Everything that two processes run here, in one go: starting them is what takes time."""
    two = places.root / "two"
    with pytest.raises(Interrupted):
        run(EVERYTHING, places.vit, places.images, two / "goes-on", Listener(5, Interrupted()))
    jobs = [
        places.job("everything", EVERYTHING),
        places.job("gradual", GRADUAL),
        places.job("lp-ft", LP_FT),
        places.job("head", HEAD),
        places.job("stopping", STOPPING),
        places.job("diverging", DIVERGING),
        places.job("short", EVERYTHING, short_at=3),
        places.job("cut", EVERYTHING, stop_at=11, ending="interrupted"),
        places.job("goes-on", EVERYTHING),
        places.job("canceled", EVERYTHING, stop_at=2, ending="canceled"),
        job("whole", WHOLE, places.mobile, places.images, two / "whole"),
        job("talk", TALK, places.llama, places.talk, two / "talk"),
    ]
    return launch(jobs, places.root / "seen")


def values(losses: list[Any]) -> list[float]:
    return [loss for _, loss in losses]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("everything", EVERYTHING),
        ("gradual", GRADUAL),
        ("lp-ft", LP_FT),
        ("head", HEAD),
        ("stopping", STOPPING),
    ],
)
def test_two_processes_see_the_losses_of_one(
    places: Places, seen: Seen, tmp_path: Path, name: str, given: Recipe
) -> None:
    listener = Listener()
    expected = run(given, places.vit, places.images, tmp_path, listener)
    first, second = seen[name]
    assert first["error"] is None
    assert values(first["losses"]) == pytest.approx(values(listener.losses()), **NEAR)
    assert first["metrics"] == pytest.approx(expected.metrics, **NEAR)
    # What the first process measured is what the others know, to the last bit.
    assert (second["losses"], second["metrics"]) == (first["losses"], first["metrics"])
    assert "2 processes learn as one." in first["logs"]
    assert (places.root / "two" / name / "model" / "model.safetensors").is_file()


def test_means_are_over_the_words_of_all_processes(places: Places, seen: Seen, tmp_path: Path) -> None:
    listener = Listener()
    expected = run(TALK, places.llama, places.talk, tmp_path, listener)
    first, second = seen["talk"]
    assert values(first["losses"]) == pytest.approx(values(listener.losses()), rel=1e-5)
    assert first["metrics"] == second["metrics"] == pytest.approx(expected.metrics, rel=1e-4)


def test_whole_micro_batches_draw_what_one_process_draws(places: Places, seen: Seen, tmp_path: Path) -> None:
    listener = Listener()
    run(WHOLE, places.mobile, places.images, tmp_path, listener)
    found = values(seen["whole"][0]["losses"])
    assert found == pytest.approx(values(listener.losses()), rel=1e-3)
    # Running statistics are kept by each and averaged: both know the same.
    assert seen["whole"][0]["metrics"] == seen["whole"][1]["metrics"]


def test_out_of_memory_in_one_process_is_answered_by_all(seen: Seen) -> None:
    plain, short = seen["everything"], seen["short"]
    for place in (0, 1):
        assert values(short[place]["losses"]) == pytest.approx(values(plain[0]["losses"]), **NEAR)
        assert sum(line.startswith("Out of memory with 8 rows") for line in short[place]["logs"]) == 1


def test_a_run_of_two_processes_goes_on_in_one(places: Places, seen: Seen, tmp_path: Path) -> None:
    assert [item["error"][0] for item in seen["cut"]] == ["Interrupted", "Interrupted"]
    whole, rest = Listener(), Listener()
    expected = run(EVERYTHING, places.vit, places.images, tmp_path, whole)
    result = run(EVERYTHING, places.vit, places.images, places.root / "two" / "cut", rest)
    assert "Resuming after step 11 of 16." in rest.logs
    joined = values(seen["cut"][0]["losses"]) + values(rest.losses())
    assert joined == pytest.approx(values(whole.losses()), **NEAR)
    assert result.metrics == pytest.approx(expected.metrics, **NEAR)


def test_a_run_of_one_process_goes_on_in_two(seen: Seen) -> None:
    whole, rest = seen["everything"][0], seen["goes-on"]
    for item in rest:
        assert "Resuming after step 5 of 16." in item["logs"]
        assert values(item["losses"]) == pytest.approx(values(whole["losses"])[5:], **NEAR)


def test_what_one_process_hears_all_obey(places: Places, seen: Seen) -> None:
    assert [item["error"][0] for item in seen["canceled"]] == ["Canceled", "Canceled"]
    assert not (places.root / "two" / "canceled" / "model").exists()


def test_all_processes_see_that_the_loss_is_no_number(seen: Seen) -> None:
    first, second = seen["diverging"]
    assert first["error"] == second["error"]
    assert first["error"][0] == "UserError"
    assert "choose a smaller optim.lr" in first["error"][1]


def test_only_the_first_process_writes(places: Places, seen: Seen) -> None:
    folder = places.root / "two" / "everything"
    assert {path.name for path in folder.iterdir()} <= {"model", "scratch"}
    assert [path for path in folder.rglob("*") if path.is_file() and "model" not in path.parts] == []
    assert (places.root / "two" / "cut" / CHECKPOINT).is_file()


def test_rows_that_do_not_go_round(places: Places, tmp_path: Path) -> None:
    """The last step of an epoch has two rows for three processes; one of batch-norm's is not cut at all."""
    listener = Listener()
    expected = run(EVERYTHING, places.vit, places.images, tmp_path / "one", listener)
    small = recipe(optim={"batch_size": 2, "epochs": 1}, dataset={"max_train_images": 11})
    jobs = [
        job("uneven", EVERYTHING, places.vit, places.images, tmp_path / "uneven"),
        job("norms", small, places.mobile, places.images, tmp_path / "norms"),
    ]
    seen = launch(jobs, tmp_path / "seen", processes=3)
    for item in seen["uneven"]:
        assert values(item["losses"]) == pytest.approx(values(listener.losses()), **NEAR)
        assert item["metrics"] == pytest.approx(expected.metrics, **NEAR)
    assert len({json.dumps(item["losses"]) for item in seen["norms"]}) == 1


def write_recipe(places: Places, folder: Path, given: Recipe) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "recipe.yaml"
    text = dump_recipe(given).replace("repo: base", f"repo: {places.vit}")
    path.write_text(text.replace("repo: data", f"repo: {places.images}"), encoding="utf-8")
    return path


def test_the_command_under_torchrun(places: Places, tmp_path: Path) -> None:
    path = write_recipe(places, tmp_path, EVERYTHING)
    done = torchrun(["-m", "training", "finetune", str(path), "--out", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["val/accuracy"] > 0.5
    assert done.stderr.count("== train") == 1
    assert (tmp_path / "out" / "model" / "README.md").is_file()
    manifest = json.loads((tmp_path / "out" / "model" / "run.json").read_text())
    assert manifest["resources"]["processes"] == 2
    assert manifest["resources"]["energy"]["method"].endswith("the first of 2 processes alone")
    listener = Listener()
    result = run(EVERYTHING, places.vit, places.images, tmp_path / "again", listener)
    assert json.loads(done.stdout)["metrics"] == pytest.approx(result.metrics, **NEAR)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["finetune", "RECIPE", "--out", "OUT"], "optim.batch_size must be at least"),
        (
            ["finetune", "RECIPE", "--out", "OUT", "--parallel", "fsdp"],
            "--parallel fsdp does not work with task: image-classification",
        ),
        (["study", "RECIPE", "--out", "OUT"], "torchrun is for finetune"),
    ],
)
def test_a_mistake_is_told_once(places: Places, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    path = write_recipe(places, tmp_path, EVERYTHING)
    if "optim" in sentence:
        path.write_text(path.read_text().replace("batch_size: 8", "batch_size: 0"))
    given = [{"RECIPE": str(path), "OUT": str(tmp_path / "out")}.get(item, item) for item in arguments]
    done = torchrun(["-m", "training", *given])
    assert done.returncode != 0
    assert done.stderr.count(sentence) == 1, done.stderr
    # torchrun adds a traceback of its own; there is none of ours.
    assert "training/__main__.py" not in done.stderr


def test_who_does_not_tell_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """torchrun ends all at the first status that is not 0: the one that tells may not have spoken yet."""
    from training.__main__ import main

    for rank, status, told in (("1", 0, ""), ("0", 2, "torchrun is for finetune")):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert main(["study", "recipe.yaml", "--out", "out"]) == status
        assert capsys.readouterr().err.startswith(told)


LEAVING = """
import atexit, os, sys
from training.launch import leave
os.environ.update(RANK="1", WORLD_SIZE=sys.argv[1])
atexit.register(print, "farewell")
print("told")
leave(2)
"""


@pytest.mark.parametrize(("processes", "said"), [("2", "told\n"), ("1", "told\nfarewell\n")])
def test_one_of_several_meets_no_interpreter_that_leaves(processes: str, said: str) -> None:
    """A thread of gloo that does aborts the process now and then, after its work is done."""
    command = [sys.executable, "-c", LEAVING, processes]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert (done.returncode, done.stdout) == (2, said), done.stderr


def test_a_process_that_dies_ends_the_run(places: Places, tmp_path: Path) -> None:
    """The others wait for its gradients: they must neither hang nor tell of closed connections."""
    (tmp_path / "jobs.json").write_text(json.dumps([places.job("dies", EVERYTHING, dies_at=3)]))
    done = torchrun(["-m", "tests.training.together", str(tmp_path / "jobs.json"), "auto"])
    assert done.returncode != 0
    assert done.stderr.count("ZeroDivisionError: a fault of ours") == 1
    assert "Connection closed" not in done.stderr


def test_a_flag_for_several_processes_needs_them(
    places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.__main__ import main

    path = write_recipe(places, tmp_path, EVERYTHING)
    assert main(["finetune", str(path), "--out", str(tmp_path / "out"), "--parallel", "fsdp"]) == 2
    assert "start them with torchrun" in capsys.readouterr().err


def test_ctrl_c_ends_all_and_leaves_a_checkpoint(places: Places, tmp_path: Path) -> None:
    path = write_recipe(places, tmp_path, recipe(optim={"epochs": 1000}))
    out = tmp_path / "out"
    with started(["-m", "training", "finetune", str(path), "--out", str(out)]) as running:
        while not (out / CHECKPOINT).exists():
            assert running.poll() is None
            time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, error = running.communicate(timeout=200)
    assert running.returncode != 0
    assert error.count("Stopped; the same command goes on from the last checkpoint.") == 1
    assert load_checkpoint(out / CHECKPOINT) is not None

"""A small assistant taught the answers of a chat, against itself untaught and against looking the answer up.

    python -m bench.tasks.language            three seeds; writes bench/results/language.json and .md
    python -m bench.tasks.language --quick    one seed on few conversations, to see that it runs
    python -m bench.tasks.language --page     the page anew from the numbers that were kept

SmolLM2-135M-Instruct with recipes/language/service-chat.yaml on ChatterBot's English corpus, without two of
its files: programs, and facts that no other question tells. All answers to one prompt are in one split.
Answers are greedy, each measured against all that the corpus gives to its prompt.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import report

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "language" / "service-chat.yaml"
LEFT_OUT = ("coding", "trivia")
SPLITS = ("train", "validation", "test")
NUMBERS = ("token_f1", "chrf", "exact_match", "perplexity")
SHOWN = 6


def write_data(source: Path, folder: Path, limit: int | None) -> dict[str, int]:
    """The corpus without the files left out; rows by split."""
    counts = {}
    for split in SPLITS:
        lines = (source / "data" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if json.loads(line)["category"] not in LEFT_OUT][:limit]
        (folder / f"{split}.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")
        counts[split] = len(kept)
    return counts


def the_recipe(base: Path, data: Path, seed: int, epochs: int | None = None) -> Any:
    import yaml

    from training.recipe import parse_recipe

    plain = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    plain["base_model"]["repo"], plain["dataset"]["repo"], plain["seed"] = str(base), str(data), seed
    recipe = parse_recipe(plain)
    return (
        dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, epochs=epochs))
        if epochs
        else recipe
    )


def retrieval(data: Path) -> tuple[dict[str, float], list[str]]:
    """For every test prompt the training answer whose question is nearest by TF-IDF cosine."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from training.language.measuring import by_prompt
    from training.language.reading import read_chats
    from training.measures.text import chrf, exact_match, token_f1

    known, asked = by_prompt(read_chats(data, "train")), by_prompt(read_chats(data, "test"))
    ours, theirs = ({" ".join(m[-1]["content"].lower().split()) for m, _ in part} for part in (known, asked))
    assert not ours & theirs, "a test prompt is a training prompt"
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    table = vectors.fit_transform([messages[-1]["content"] for messages, _ in known])
    near = (
        (vectors.transform([messages[-1]["content"] for messages, _ in asked]) @ table.T).toarray().argmax(1)
    )
    said, wanted = [known[place][1][0] for place in near], [answers for _, answers in asked]
    numbers = {
        "token_f1": token_f1(said, wanted),
        "chrf": chrf(said, wanted),
        "exact_match": exact_match(said, wanted),
    }
    return numbers, said


def measured(model_dir: Path, data: Path, recipe: Any) -> dict[str, float]:
    from training.language.measuring import evaluate_answers
    from training.reporting import SilentReporter

    found = evaluate_answers(model_dir, data, "test", recipe=recipe, reporter=SilentReporter())
    return {
        **{name: found.metrics[name] for name in NUMBERS},
        "lo": found.lo,
        "hi": found.hi,
        "prompts": found.n,
    }


def samples(model_dir: Path, data: Path, limit: int) -> list[tuple[str, str]]:
    """The first test prompts and what the model says."""
    from training.language.answers import answers
    from training.language.measuring import by_prompt
    from training.language.published import load_published
    from training.language.reading import read_chats

    net, scribe = load_published(model_dir)
    asked = [messages for messages, _ in by_prompt(read_chats(data, "test"))][:SHOWN]
    said = answers(net, scribe, asked, max_new_tokens=limit, max_prompt_tokens=128)
    return [(messages[-1]["content"], text) for messages, text in zip(asked, said, strict=True)]


def one_run(
    base: Path, data: Path, folder: Path, seed: int, epochs: int | None
) -> tuple[dict[str, Any], Path]:
    from training.finetune import finetune
    from training.reporting import ConsoleReporter

    recipe, work = the_recipe(base, data, seed, epochs), folder / f"seed{seed}"
    load = os.getloadavg()[0]
    result = finetune(
        recipe,
        base_dir=base,
        data_dir=data,
        work_dir=work,
        reporter=ConsoleReporter(),
        report_seconds=30,
        checkpoint_seconds=1e9,
    )
    (work / "checkpoint.safetensors").unlink(missing_ok=True)
    numbers = measured(result.model_dir, data, recipe)
    kept = {"val": result.metrics, "seconds": round(result.seconds, 1), "load": round(load, 2)}
    return {"seed": seed, **numbers, **kept}, result.model_dir


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from bench.assets import fetch

    base, data = fetch("smollm2-135m-instruct"), folder / "data"
    data.mkdir()
    rows = write_data(fetch("chatterbot-english"), data, args.limit)
    recipe = the_recipe(base, data, 0, args.epochs)
    looked_up, said = retrieval(data)
    print(f"  looked up: {looked_up}", flush=True)
    before = measured(base, data, recipe)
    print(f"  untaught: {before}", flush=True)
    runs = []
    for seed in args.seeds:
        found, model_dir = one_run(base, data, folder, seed, args.epochs)
        runs.append(found)
        print(f"  seed {seed}: {found}", flush=True)
    limit = recipe.dataset.max_new_tokens
    asked = samples(base, data, limit), samples(model_dir, data, limit)
    shown = [
        {"prompt": prompt, "untaught": old, "taught": new, "looked up": near}
        for (prompt, old), (_, new), near in zip(*asked, said, strict=False)
    ]
    plain = recipe.as_dict()
    plain["base_model"]["repo"], plain["dataset"]["repo"] = "smollm2-135m-instruct", "chatterbot-english"
    return {
        "recipe": plain,
        "rows": rows,
        "untaught": before,
        "looked_up": looked_up,
        "runs": runs,
        "shown": shown,
    }


def markdown(found: dict[str, Any], where: dict[str, Any]) -> str:
    runs, before, looked_up = found["runs"], found["untaught"], found["looked_up"]
    seeds = ", ".join(str(run["seed"]) for run in runs)
    rows = [
        ["nearest question's answer (TF-IDF)", *(_cell(name, [looked_up.get(name)]) for name in NUMBERS)],
        ["SmolLM2-135M-Instruct as it is", *(_cell(name, [before[name]]) for name in NUMBERS)],
        [f"taught by LoRA, seeds {seeds}", *(_cell(name, [run[name] for run in runs]) for name in NUMBERS)],
    ]
    head = ["", "token F1", "chrF", "exact match", "perplexity of the answers"]
    said = [
        [_line(row[name]) for name in ("prompt", "looked up", "untaught", "taught")] for row in found["shown"]
    ]
    recipe, counts = found["recipe"], found["rows"]
    optim, lora = recipe["optim"], recipe["strategy"]["lora"]
    seconds = statistics.mean(run["seconds"] for run in runs)
    return f"""SmolLM2-135M-Instruct (out of a package that holds its weights in 4 bits) on {counts["train"]}
exchanges of ChatterBot's English corpus; rank {lora["rank"]}, {optim["epochs"]} epoch(s), {optim["name"]} at
{optim["lr"]:g}, the base held in {lora["base_precision"]} while learning. Measured in fp32 on
{before["prompts"]} prompts ({counts["test"]} answers) that no run saw, none of them a training prompt. Mean ±
standard deviation over the seeds; the other two rows have no seed. No setting was tuned.

{report.table(head, rows)}

{_best(found)} Exact match and F1 are SQuAD's, chrF is sacreBLEU's.
A run took {seconds:.0f} s on one thread of a shared machine.

{report.table(["asked", "looked up", "untaught", f"taught (seed {runs[-1]['seed']})"], said)}

Made by `python -m bench.tasks.language` on {where["when"]}: {where["processor"]},
{where["cores"]} cores, torch {where["torch"]}.
"""


def _best(found: dict[str, Any]) -> str:
    """Who is ahead, by the numbers: nothing here is written beforehand."""
    said = []
    for name, title in zip(NUMBERS, ("token F1", "chrF", "exact match", "perplexity"), strict=True):
        rows = {
            "looking the answer up": found["looked_up"].get(name),
            "the untaught model": found["untaught"][name],
            "the taught model": statistics.mean(run[name] for run in found["runs"]),
        }
        known = {row: value for row, value in rows.items() if value is not None}
        best = (min if name == "perplexity" else max)(known.values())
        said.append(f"{title}: {' and '.join(row for row, value in known.items() if value == best)}")
    return f"Best by {'; '.join(said)}."


def _cell(name: str, values: list[Any]) -> str:
    if values[0] is None:
        return "–"
    scale, digits = (1.0, 2) if name in ("chrf", "perplexity") else (100.0, 1)
    unit = "" if scale == 1.0 else " %"
    shown = f"{scale * statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        shown = f"**{shown}** ± {scale * statistics.stdev(values):.{digits}f}"
    return shown + unit


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:120]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, 24 rows of each split")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--page", action="store_true", help="write the page anew from the numbers kept")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.page:
        kept = json.loads((report.RESULTS / "language.json").read_text(encoding="utf-8"))
        report.write("language", kept, markdown(kept, kept["machine"]))
        return 0
    import torch

    torch.set_num_threads(args.threads)
    args.limit = args.epochs = None
    if args.quick:
        args.seeds, args.limit, args.epochs = args.seeds[:1], 24, 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args, Path(folder))
    found["minutes"] = round((time.monotonic() - began) / 60, 1)
    where = report.machine()
    name = "language_quick" if args.quick else "language"
    report.write(name, {"machine": where, **found}, markdown(found, where))
    better = statistics.mean(run["perplexity"] for run in found["runs"]) < found["untaught"]["perplexity"]
    return 0 if better else 1


if __name__ == "__main__":
    sys.exit(main())

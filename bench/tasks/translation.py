"""English to German: emoji names from scratch, Django's texts after them, against memory and dictionary.

    python -m bench.tasks.translation            three seeds; writes bench/results/translation.json and .md
    python -m bench.tasks.translation --quick    one seed, one epoch, few rows
    python -m bench.tasks.translation --only smollm2    this arm; the others stay as they were measured
    python -m bench.tasks.translation --page     the page anew from the numbers that were kept

The recipes are recipes/language/emoji-german.yaml and django-german.yaml, whole. No pretrained weights of an
encoder-decoder come inside a package, so what is pretrained here is our own: the emoji names come before
Django's texts, of the same seed. A causal language model taught by LoRA stands beside them on Django's texts.
All answers are greedy. Test rows are used once, at the end; rates and epochs were chosen on validation rows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import report
from bench.tasks import translationbaselines as baselines
from bench.tasks.translation_page import NUMBERS, markdown

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "language"
DATA = {"emoji": "emoji-names", "django": "django-translations"}
ASK = "Translate into German: "
SHOWN = 6
Rows = list[dict[str, str]]


def read(asset: str, split: str, limit: int | None) -> Rows:
    import pyarrow.parquet as pq

    from bench.assets import fetch

    (file,) = (fetch(asset) / "data").glob(f"{split}-*.parquet")
    found: Rows = pq.read_table(file, columns=["en", "de"]).to_pylist()
    return found[:limit]


def write_pairs(asset: str, folder: Path, limit: int | None) -> Path:
    """The splits of an asset with its two languages, and as one exchange a pair for causal models."""
    folder.mkdir()
    for split in ("train", "validation", "test"):
        rows = [{**row, "asked": ASK + row["en"]} for row in read(asset, split, limit)]
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def the_recipe(name: str, seed: int, epochs: int | None, *, scratch: bool = False) -> Any:
    import yaml

    from training.recipe import parse_recipe

    plain = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    plain["seed"] = seed
    plain["optim"] |= {"epochs": epochs} if epochs else {}
    return parse_recipe(plain | {"init": "scratch"} if scratch else plain)


def judged(said: list[str], wanted: list[str]) -> dict[str, float]:
    from training.measures.text import summary

    found = summary(said, [[text] for text in wanted])
    return {name: found[name] for name in NUMBERS}


def learned(recipe: Any, base: Path, data: Path, work: Path) -> tuple[dict[str, Any], Path]:
    """Processor and wall seconds of a run, and its model's directory."""
    from training.finetune import finetune
    from training.reporting import SilentReporter

    began, busy = time.perf_counter(), time.process_time()
    result = finetune(
        recipe,
        base_dir=base,
        data_dir=data,
        work_dir=work,
        reporter=SilentReporter(),
        checkpoint_seconds=1e9,
    )
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - busy}
    return {name: round(value, 1) for name, value in seconds.items()}, result.model_dir


def written(model_dir: Path, recipe: Any, asked: list[str]) -> list[str]:
    from training.language.translating import load_translator, write

    net, tokenizer = load_translator(model_dir)
    return write(net, tokenizer, asked, recipe.dataset)


def plain_methods(train: Rows, test: Rows) -> dict[str, list[str]]:
    known = [row["en"] for row in train], [row["de"] for row in train]
    asked = [row["en"] for row in test]
    return {
        "the source, copied": baselines.copied(asked),
        "translation memory: the nearest source's target": baselines.remembered(*known, asked),
        "word by word, a dictionary learned from the pairs": baselines.looked_up(*known, asked),
    }


def nets(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Both data sets, after every seed: scores by method, and what each says of the first test rows."""
    from bench.assets import fetch

    found: dict[str, Any] = {name: {"methods": {}, "rows": {}, "shown": {}} for name in DATA}
    places = {name: write_pairs(asset, folder / name, args.limit) for name, asset in DATA.items()}
    tests = {}
    for name, asset in DATA.items():
        train, tests[name] = (read(asset, split, args.limit) for split in ("train", "test"))
        found[name]["rows"] = {"train": len(train), "test": len(tests[name])}
        for method, said in plain_methods(train, tests[name]).items():
            _note(found[name], method, said, tests[name], {})
    for seed in args.seeds:
        base, work = fetch("t5-tiny"), folder / f"seed{seed}"
        first = the_recipe("emoji-german", seed, args.epochs)
        cost, names = learned(first, base, places["emoji"], work / "emoji")
        said = written(names, first, [row["en"] for row in tests["emoji"]])
        _note(found["emoji"], "small T5 from scratch", said, tests["emoji"], {"seed": seed, **cost})
        for method, start in (("small T5 from scratch", base), ("small T5, emoji names first", names)):
            given = the_recipe("django-german", seed, args.epochs, scratch=start == base)
            cost, model = learned(given, start, places["django"], work / method.replace(" ", "-"))
            said = written(model, given, [row["en"] for row in tests["django"]])
            _note(found["django"], method, said, tests["django"], {"seed": seed, **cost})
        yield found


def _note(found: dict[str, Any], method: str, said: list[str], test: Rows, about: dict[str, Any]) -> None:
    scores = {**about, **judged(said, [row["de"] for row in test])}
    found["methods"].setdefault(method, []).append(scores)
    found["shown"][method] = said[:SHOWN]
    found["asked"] = [[row["en"], row["de"]] for row in test[:SHOWN]]
    print(f"  {method}: {scores}", flush=True)


def smollm2(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """SmolLM2-135M-Instruct on Django's texts, as it is and taught by service-chat.yaml's LoRA."""
    import yaml

    from bench.assets import fetch
    from training.recipe import parse_recipe

    data = write_pairs("django-translations", folder / "asked", args.limit)
    test, base = read("django-translations", "test", args.limit), fetch("smollm2-135m-instruct")
    found: dict[str, Any] = {"methods": {}, "shown": {}}
    _note(found, "SmolLM2-135M-Instruct as it is", _answered(base, test), test, {})
    for seed in args.smollm_seeds:
        plain = yaml.safe_load((RECIPES / "service-chat.yaml").read_text(encoding="utf-8"))
        del plain["dataset"]["messages_column"]
        plain["dataset"] |= {"prompt_column": "asked", "answer_column": "de"}
        recipe = parse_recipe({**plain, "seed": seed})
        cost, model = learned(recipe, base, data, folder / f"smollm{seed}")
        about = {"seed": seed, **cost}
        _note(found, "SmolLM2-135M-Instruct, taught by LoRA", _answered(model, test), test, about)
        yield found


def _answered(model_dir: Path, test: Rows) -> list[str]:
    from training.language.answers import answers
    from training.language.published import load_published

    net, scribe = load_published(model_dir)
    asked = [[{"role": "user", "content": ASK + row["en"]}] for row in test]
    return answers(net, scribe, asked, max_new_tokens=64, max_prompt_tokens=128)


def measure(args: argparse.Namespace, page: str, folder: Path) -> None:
    """The parts asked for, each with when and where it was measured; the others stay as they were.

    The page is written after every seed: whoever stops it keeps what was measured.
    """
    parts = {"nets": nets, "smollm2": smollm2}
    for name in args.only:
        began, busy = time.perf_counter(), time.process_time()
        for found in parts[name](args, folder):
            cost = {
                "minutes": round((time.perf_counter() - began) / 60, 1),
                "cpu_minutes": round((time.process_time() - busy) / 60, 1),
            }
            whole = {**kept(page), name: {**found, "machine": report.machine(), **cost}}
            report.write(page, whole, markdown(whole))


def kept(page: str) -> dict[str, Any]:
    """What was measured before, by part."""
    path = report.RESULTS / f"{page}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, 24 rows of each split")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--smollm-seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=["nets", "smollm2"], nargs="+", default=["nets", "smollm2"])
    parser.add_argument("--page", action="store_true", help="write the page anew from the numbers kept")
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(1)
    args.limit = args.epochs = None
    if args.quick:
        args.seeds, args.smollm_seeds = args.seeds[:1], args.smollm_seeds[:1]
        args.limit, args.epochs = 24, 1
    page = "translation_quick" if args.quick else "translation"
    if args.page:
        report.write(page, kept(page), markdown(kept(page)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        measure(args, page, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())

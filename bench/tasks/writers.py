"""What writes texts in the benchmarks of language: an encoder-decoder, or SmolLM2 taught by LoRA."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "language"
SMOLLM = "smollm2-135m-instruct"
UNTAUGHT, TAUGHT = "SmolLM2-135M-Instruct as it is", "SmolLM2-135M-Instruct, taught by LoRA"
# Of the validation rows a chat run sees few, for they choose nothing and cost as much as the others.
VALIDATED = 16
# A column of what the user says, and one of what is to be answered.
ASKED, DUE = "asked", "due"


def plain_recipe(name: str) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def the_recipe(name: str, seed: int, epochs: int | None, *, scratch: bool = False) -> Any:
    from training.recipe import parse_recipe

    plain = plain_recipe(name)
    plain["seed"] = seed
    plain["optim"] |= {"epochs": epochs} if epochs else {}
    return parse_recipe(plain | {"init": "scratch"} if scratch else plain)


def chat_recipe(seed: int, **data: int | None) -> Any:
    """service-chat.yaml on exchanges of two columns; `data`: other fields of its `dataset`."""
    from training.recipe import parse_recipe

    plain = plain_recipe("service-chat")
    del plain["dataset"]["messages_column"]
    plain["dataset"] |= {"prompt_column": ASKED, "answer_column": DUE}
    plain["dataset"] |= {field: value for field, value in data.items() if value is not None}
    return parse_recipe({**plain, "seed": seed})


def write_rows(folder: Path, splits: Mapping[str, Sequence[Mapping[str, str]]]) -> Path:
    """`SPLIT.jsonl` for every split."""
    folder.mkdir()
    for split, rows in splits.items():
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


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


def written(model_dir: Path, recipe: Any, asked: Sequence[str]) -> list[str]:
    """What an encoder-decoder makes of each text."""
    from training.language.translating import load_translator, write

    net, tokenizer = load_translator(model_dir)
    return write(net, tokenizer, asked, recipe.dataset)


def answered(model_dir: Path, recipe: Any, asked: Sequence[str]) -> list[str]:
    """What a language model answers to each text, in the precision its base was held in while learning; of
    texts that are too long the end counts.
    """
    import torch

    from training.language.answers import answers
    from training.language.published import load_published

    net, scribe = load_published(model_dir)
    net.to(torch.bfloat16)
    lengths = recipe.dataset
    return answers(
        net,
        scribe,
        [[{"role": "user", "content": text}] for text in asked],
        max_new_tokens=lengths.max_new_tokens,
        max_prompt_tokens=lengths.max_tokens,
    )

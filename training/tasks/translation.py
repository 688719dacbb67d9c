"""One text becomes another: encoder-decoders learn to translate and to summarise, whole or by LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from training.errors import UserError
from training.language.adapting import adapt, held
from training.language.causal import SEQ2SEQ
from training.language.pairs import PairRows, Pairs, encode_pairs, held_out_pairs, read_pairs, with_prefix
from training.language.scribe import load_tokenizer
from training.language.translating import ScoredPairs, evaluate_pairs, load_translator, write
from training.recipe import PairData, Recipe, parse_recipe
from training.reporting import Reporter
from training.tasks.base import Measured, Plan, Prepared
from training.tasks.text_generation import EVAL_ROWS, AnswerTask

MAX_GIVEN_CHARS = 100_000


class Translation:
    """The kind: what `task_kind` answers."""

    pipeline_tag = "translation"
    library = "transformers"
    example = '"Where do I find my bill?"'
    metric = "chrf"

    def prepare(self, plan: Plan) -> Prepared:
        tokenizer = load_tokenizer(plan.base())
        train, val = _rows(plan, tokenizer)
        adapted = adapt(plan, held(plan, SEQ2SEQ), tokenizer, SEQ2SEQ)
        net = adapted.parts.net
        return Prepared(
            network=adapted.parts,
            learner=ScoredPairs(net, plan.recipe.optim.label_smoothing),
            stages=adapted.stages,
            task=AnswerTask(),
            train=train,
            val=val,
            device=plan.device,
            save=adapted.save,
            eval_batch=EVAL_ROWS,
        )

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        return evaluate_pairs(model_dir, data_dir, split, self.metric, recipe=recipe, reporter=reporter)

    def predict(self, model_dir: Path, given: str) -> dict[str, str]:
        """The text that becomes of `given`, greedily; prefix and lengths are those of the model's recipe."""
        if not given.strip() or len(given) > MAX_GIVEN_CHARS:
            raise UserError("predict:empty", f"Give a text of 1 to {MAX_GIVEN_CHARS:,} letters.")
        net, tokenizer = load_translator(model_dir)
        data = _data_of(model_dir, self.pipeline_tag)
        return {"text": write(net, tokenizer, [with_prefix(data, given)], data)[0]}

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        kind, library = "AutoModelForSeq2SeqLM", "transformers"
        if "peft_type" in config:
            kind, library = "AutoPeftModelForSeq2SeqLM", "peft"
        return f"""from transformers import AutoTokenizer
from {library} import {kind}

model = {kind}.from_pretrained("{repo}")
tokenizer = AutoTokenizer.from_pretrained("{repo}")
inputs = tokenizer({self.example}, return_tensors="pt")
print(tokenizer.batch_decode(model.generate(**inputs, max_new_tokens=100), skip_special_tokens=True)[0])"""


class Summarization(Translation):
    """Shorter texts of the same meaning: measured by ROUGE-L."""

    pipeline_tag = "summarization"
    metric = "rougeL"


def _rows(plan: Plan, tokenizer: Any) -> tuple[PairRows, PairRows | None]:
    data, seed, check = plan.recipe.dataset, plan.recipe.seed, plan.reporter.check
    assert isinstance(data, PairData)  # the recipe's task decides its class
    pairs = read_pairs(plan.data_dir, data.train_split, data, check=check)
    if data.validation_split:
        rest = read_pairs(plan.data_dir, data.validation_split, data, check=check)
    else:
        pairs, rest = held_out_pairs(pairs, data.validation_fraction, seed)
    if data.max_train_rows and len(pairs) > data.max_train_rows:
        drawn = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
        pairs = pairs.chosen(sorted(drawn[: data.max_train_rows].tolist()))
    train = _encoded(plan, tokenizer, pairs, data, "to learn from")
    return train, _encoded(plan, tokenizer, rest, data, "to validate") if len(rest) else None


def _encoded(plan: Plan, tokenizer: Any, pairs: Pairs, data: PairData, purpose: str) -> PairRows:
    def load(some: list[int]) -> PairRows:
        return _rows_of(plan, tokenizer, pairs.chosen(some), data, purpose)

    return plan.load(list(range(len(pairs))), load)


def _rows_of(plan: Plan, tokenizer: Any, pairs: Pairs, data: PairData, purpose: str) -> PairRows:
    rows, cut = encode_pairs(tokenizer, pairs, data)
    words = sum(map(len, rows.sources)), sum(map(len, rows.targets))
    plan.reporter.log(f"{len(pairs)} pairs {purpose}, {words[0]} tokens into {words[1]}")
    if cut:
        lengths = f"dataset.max_tokens {data.max_tokens}, dataset.max_target_tokens {data.max_target_tokens}"
        plan.reporter.log(f"{cut} of them were longer ({lengths}) and lost their end")
    return rows


def _data_of(model_dir: Path, task: str) -> PairData:
    path = model_dir / "recipe.yaml"
    plain: Any = {"task": task, "base_model": {"repo": "x"}, "dataset": {"repo": "x"}}
    plain["strategy"] = {"kind": "full"}
    recipe = parse_recipe(path.read_text(encoding="utf-8") if path.is_file() else plain)
    assert isinstance(recipe.dataset, PairData)
    return recipe.dataset

"""Answers in conversations: a causal language model learns the assistant's words, whole or by LoRA."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.device import pick_device
from training.errors import UserError
from training.language.answers import answers
from training.language.measuring import evaluate_answers, likelihood
from training.language.published import load_published
from training.language.reading import Message, checked_messages
from training.language.runs import prepare_run
from training.language.scoring import Scored
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks.base import Measured, Plan, Prepared, StepResult

EVAL_ROWS = 16
ANSWER_TOKENS = 256
PROMPT_TOKENS = 2048
MAX_GIVEN_BYTES = 1024 * 1024


class TextGeneration:
    """The kind: what `task_kind` answers."""

    pipeline_tag = "text-generation"
    library = "peft"
    example = '"Where do I find my bill?"'

    def prepare(self, plan: Plan) -> Prepared:
        run = prepare_run(plan)
        return Prepared(
            network=run.adapted.parts,
            learner=Scored(run.adapted.parts.net, plan.recipe.optim.label_smoothing),
            stages=run.adapted.stages,
            task=AnswerTask(),
            train=run.train,
            val=run.val,
            device=plan.device,
            save=run.adapted.save,
            eval_batch=EVAL_ROWS,
        )

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        return evaluate_answers(model_dir, data_dir, split, recipe=recipe, reporter=reporter)

    def predict(self, model_dir: Path, given: str) -> dict[str, str]:
        """`given` is what the user says, a JSON list of messages, or the path of a file with either.

        Greedy, at most 256 new tokens. Returns the assistant's message. Raises `UserError`.
        """
        messages = _messages(given)
        net, scribe = load_published(model_dir)
        net.to(pick_device())
        said = answers(net, scribe, [messages], max_new_tokens=ANSWER_TOKENS, max_prompt_tokens=PROMPT_TOKENS)
        return {"role": "assistant", "content": said[0]}

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        kind = "AutoPeftModelForCausalLM" if "peft_type" in config else "AutoModelForCausalLM"
        library = "peft" if "peft_type" in config else "transformers"
        imports = f"from {library} import {kind}\nfrom transformers import AutoTokenizer"
        if library == "transformers":
            imports = f"from transformers import {kind}, AutoTokenizer"
        return f"""{imports}

model = {kind}.from_pretrained("{repo}")
tokenizer = AutoTokenizer.from_pretrained("{repo}")
messages = [{{"role": "user", "content": {self.example}}}]
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
answer = model.generate(**inputs, max_new_tokens=100, do_sample=False)
print(tokenizer.decode(answer[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))"""


class AnswerTask:
    """The loss of an optimizer step is the mean over all its answers' tokens, however they were cut into
    micro-batches: means of means would weigh the words of short answers more."""

    labels: list[str]
    metric, higher_is_better = "loss", False
    counts_hits, is_softmax = True, False

    def __init__(self) -> None:
        self.labels = []

    def step(self, learner: nn.Module, inputs: dict[str, Tensor], targets: Tensor) -> StepResult:
        sums = learner(inputs)
        words = sums["words"].sum()
        return StepResult(sums["nll"].sum() / words.clamp(min=1), sums, sums["hits"].sum(), words)

    def measure(self, pairs: Iterable[tuple[dict[str, Tensor], Tensor]]) -> dict[str, float]:
        """loss in nats a token, perplexity, token_accuracy."""
        rows = [torch.stack([sums["nll"], sums["hits"], sums["words"]], 1) for sums, _ in pairs]
        return likelihood(torch.cat(rows))


def _messages(given: str) -> list[Message]:
    path = Path(given) if len(given) < 1000 and "\n" not in given else None
    if path is not None and path.is_file():
        if path.stat().st_size > MAX_GIVEN_BYTES:
            raise UserError("predict:too-large", f"{path.name} is larger than 1 MiB.")
        given = path.read_text(encoding="utf-8", errors="replace")
    if not given.strip():
        raise UserError("predict:empty", "There is nothing to answer.")
    if not given.lstrip().startswith("["):
        return [{"role": "user", "content": given}]
    try:
        raw = json.loads(given)
    except (ValueError, RecursionError):
        return [{"role": "user", "content": given}]
    messages = list(checked_messages(raw, "you sent"))
    if messages[-1]["role"] != "user":
        raise UserError("predict:no-question", "The last message must be the user's: it is to be answered.")
    return messages

"""From a recipe and two directories to what the loop runs on: an adapted model and rows of tokens."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training import learning
from training.errors import UserError
from training.language.batches import TokenRows, packed_rows, plain_rows
from training.language.causal import load_causal, new_causal, quiet, save_whole, stages
from training.language.encoding import Scribe, load_scribe
from training.language.lora import Adapter, add_lora, merged, save_adapter
from training.language.published import base_name, remember_base
from training.language.quantized import quantize
from training.language.reading import Chat, Columns, read_chats
from training.recipe import ChatData, LoraSpec, Recipe
from training.tasks.base import Plan

MIB = 2**20


@dataclass
class LanguageParts(learning.Network):
    """Adapters sit inside frozen layers: dropout and recomputed activations need all of them in train mode,
    and no layer of these nets keeps statistics that could move."""

    def set_learning_mode(self) -> None:
        self.net.train()


@dataclass
class LanguageRun:
    """A plan over conversations, everything read: what `prepare` hands on."""

    parts: LanguageParts
    stages: list[list[str]]
    scribe: Scribe
    train: TokenRows
    val: TokenRows | None
    save: Callable[[Path], None]


def chat_data(recipe: Recipe) -> ChatData:
    """The recipe's data set as this task has it."""
    assert isinstance(recipe.dataset, ChatData)  # the recipe's task decides its class
    return recipe.dataset


def columns_of(data: ChatData) -> Columns:
    return Columns(data.messages_column, data.prompt_column, data.answer_column, data.text_column)


def prepare_run(plan: Plan) -> LanguageRun:
    """Read tokenizer, data and base, check that they fit. Raises `UserError` before any step."""
    scribe = load_scribe(plan.base())
    if scribe.is_plain:
        plan.reporter.log("The base model has no chat template; a plain one is used and published with it.")
    train, val = _rows(plan, scribe)
    net = _network(plan)
    _check_fit(net, scribe, chat_data(plan.recipe).max_tokens)
    learning_stages, save = _adapt(plan, net, scribe)
    return LanguageRun(learning_stages[0], learning_stages[1], scribe, train, val, save)


def held_out(chats: list[Chat], fraction: float, seed: int) -> tuple[list[Chat], list[Chat]]:
    """(kept, held out): conversations that begin alike stay together: no question is on both sides."""
    groups: dict[str, list[int]] = {}
    for index, chat in enumerate(chats):
        groups.setdefault(opening(chat), []).append(index)
    names = sorted(groups)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    out: set[int] = set()
    wanted = round(fraction * len(chats))
    for place in order[: len(names) - 1]:
        if len(out) >= wanted:
            break
        out |= set(groups[names[place]])
    kept = [chat for index, chat in enumerate(chats) if index not in out]
    return kept, [chat for index, chat in enumerate(chats) if index in out]


def opening(chat: Chat) -> str:
    """What a conversation begins with, letters and space made alike."""
    text = next((item["content"] for item in chat.messages if item["role"] == "user"), chat.text)
    return " ".join(text.lower().split())


def _rows(plan: Plan, scribe: Scribe) -> tuple[TokenRows, TokenRows | None]:
    data, seed, check = chat_data(plan.recipe), plan.recipe.seed, plan.reporter.check
    chats = read_chats(plan.data_dir, data.train_split, columns_of(data), check=check)
    if data.validation_split:
        held = read_chats(plan.data_dir, data.validation_split, columns_of(data), check=check)
    else:
        chats, held = held_out(chats, data.validation_fraction, seed)
    if data.max_train_rows and len(chats) > data.max_train_rows:
        drawn = torch.randperm(len(chats), generator=torch.Generator().manual_seed(seed))
        chats = [chats[place] for place in sorted(drawn[: data.max_train_rows].tolist())]
    train = _encoded(plan, scribe, chats, "to learn from", data.packing)
    # Packed, validation would be the same numbers in another order; unpacked it is plain to see.
    return train, _encoded(plan, scribe, held, "to validate", False) if held else None


def _encoded(plan: Plan, scribe: Scribe, chats: list[Chat], purpose: str, packing: bool) -> TokenRows:
    limit = chat_data(plan.recipe).max_tokens
    tokens, cut = scribe.encode(chats, limit, plan.reporter.check)
    rows = packed_rows(tokens, scribe.pad, limit) if packing else plain_rows(tokens, scribe.pad)
    shape = f" in {len(rows)} rows" if packing else ""
    plan.reporter.log(
        f"{len(chats)} conversations {purpose}{shape}, {len(tokens.ids)} tokens, "
        f"{int(tokens.learn.sum())} of them answers"
    )
    if cut.shortened:
        plan.reporter.log(
            f"{cut.shortened} were longer than {limit} tokens (dataset.max_tokens) and lost their end; "
            f"{cut.dropped} of these had no word of an answer left and were left out"
        )
    return rows


def _network(plan: Plan) -> Any:
    """The base, held as the recipe says."""
    recipe = plan.recipe
    if recipe.init == "scratch":
        return new_causal(plan.base(), recipe.seed)
    held = (recipe.strategy.lora or LoraSpec()).base_precision if recipe.strategy.kind == "lora" else "fp32"
    net = load_causal(plan.base(), torch.bfloat16 if held == "bf16" else torch.float32)
    if held in ("int8", "nf4"):
        before, after = quantize(net, held)
        if after == before:
            text = f"No layer of this base model can be held in {held} (strategy.lora.base_precision)."
            raise UserError("recipe:base-precision", text)
        plan.reporter.log(f"the base is held in {held}: {after / MIB:.0f} MiB instead of {before / MIB:.0f}")
    return net


def _adapt(
    plan: Plan, net: Any, scribe: Scribe
) -> tuple[tuple[LanguageParts, list[list[str]]], Callable[[Path], None]]:
    """What of the model learns, by stage, and how it is saved."""
    strategy = plan.recipe.strategy
    if strategy.checkpoint_activations:
        with quiet():  # newer versions call it otherwise, older ones know this name only
            net.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    save: Callable[[nn.Module, Path], None] = save_whole
    if strategy.kind == "lora":
        net = _with_adapter(plan, net)
        save = _adapter_saver(plan)
        grown = {name for name, item in net.named_parameters() if item.requires_grad}
        chosen = [kept for stage in stages(net) if (kept := [name for name in stage if name in grown])]
        parts = LanguageParts(net, "", chosen)
    else:
        parts = LanguageParts(net, "", stages(net))
        chosen = [stage for stage in learning.freeze(parts, strategy) if stage]
    net.to(plan.device)
    few = sum(item.numel() for item in net.parameters() if item.requires_grad)
    plan.reporter.log(f"{few:,} parameters learn")

    def save_with_tokenizer(model_dir: Path) -> None:
        save(net, model_dir)
        scribe.tokenizer.save_pretrained(model_dir)

    return (parts, chosen), save_with_tokenizer


def _with_adapter(plan: Plan, net: Any) -> Any:
    spec, base = plan.recipe.strategy.lora or LoraSpec(), plan.recipe.base_model
    assert base is not None  # the recipe's own rules see to it
    name = base_name(base.repo, plan.base())
    remember_base(name, base.revision, plan.base())
    adapter = Adapter(spec.rank, spec.alpha, spec.dropout, spec.targets, spec.rslora, spec.dora)
    return add_lora(net, adapter, base_repo=name, revision=base.revision, seed=plan.recipe.seed)


def _adapter_saver(plan: Plan) -> Callable[[nn.Module, Path], None]:
    spec = plan.recipe.strategy.lora or LoraSpec()
    if not spec.merge:
        return save_adapter

    def save(net: nn.Module, model_dir: Path) -> None:
        # Merged into the base's own precision, not into the one it was held in while adapters learnt.
        folder = Path(tempfile.mkdtemp(dir=plan.work_dir))
        try:
            save_adapter(net, folder)
            save_whole(merged(folder, plan.base()), model_dir)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return save


def _check_fit(net: Any, scribe: Scribe, max_tokens: int) -> None:
    known = getattr(net.config, "max_position_embeddings", None)
    if isinstance(known, int) and max_tokens > known:
        text = f"dataset.max_tokens is {max_tokens:,}, but the base model knows {known:,} positions only."
        raise UserError("recipe:max-tokens", text)
    words, rows = len(scribe.tokenizer), net.get_input_embeddings().weight.shape[0]
    if words > rows:
        text = f"The base model's tokenizer has {words:,} tokens, its embeddings only {rows:,}."
        raise UserError("model:tokenizer", text)

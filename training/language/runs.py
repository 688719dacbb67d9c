"""From a recipe and two directories to what the loop runs on: an adapted model and rows of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from training.errors import UserError
from training.language.adapting import Adapted, adapt, held
from training.language.batches import TokenRows, packed_rows, plain_rows
from training.language.encoding import encode
from training.language.reading import Chat, Columns, read_chats
from training.language.scribe import Scribe, load_scribe
from training.recipe import ChatData, Recipe
from training.tasks.base import Plan


@dataclass
class LanguageRun:
    """A plan over conversations, everything read: what `prepare` hands on."""

    adapted: Adapted
    scribe: Scribe
    train: TokenRows
    val: TokenRows | None


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
    net = held(plan)
    _check_fit(net, scribe, chat_data(plan.recipe).max_tokens)
    return LanguageRun(adapt(plan, net, scribe.tokenizer), scribe, train, val)


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
        rest = read_chats(plan.data_dir, data.validation_split, columns_of(data), check=check)
    else:
        chats, rest = held_out(chats, data.validation_fraction, seed)
    if data.max_train_rows and len(chats) > data.max_train_rows:
        drawn = torch.randperm(len(chats), generator=torch.Generator().manual_seed(seed))
        chats = [chats[place] for place in sorted(drawn[: data.max_train_rows].tolist())]
    train = _encoded(plan, scribe, chats, "to learn from", data.packing)
    # Packed, validation would be the same numbers in another order; unpacked it is plain to see.
    return train, _encoded(plan, scribe, rest, "to validate", False) if rest else None


def _encoded(plan: Plan, scribe: Scribe, chats: list[Chat], purpose: str, packing: bool) -> TokenRows:
    def load(some: list[int]) -> TokenRows:
        return _rows_of(plan, scribe, [chats[place] for place in some], purpose, packing)

    return plan.load(list(range(len(chats))), load)


def _rows_of(plan: Plan, scribe: Scribe, chats: list[Chat], purpose: str, packing: bool) -> TokenRows:
    limit = chat_data(plan.recipe).max_tokens
    tokens, cut = encode(scribe, chats, limit, plan.reporter.check)
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


def _check_fit(net: Any, scribe: Scribe, max_tokens: int) -> None:
    known = getattr(net.config, "max_position_embeddings", None)
    if isinstance(known, int) and max_tokens > known:
        text = f"dataset.max_tokens is {max_tokens:,}, but the base model knows {known:,} positions only."
        raise UserError("recipe:max-tokens", text)
    words, rows = len(scribe.tokenizer), net.get_input_embeddings().weight.shape[0]
    if words > rows:
        text = f"The base model's tokenizer has {words:,} tokens, its embeddings only {rows:,}."
        raise UserError("model:tokenizer", text)

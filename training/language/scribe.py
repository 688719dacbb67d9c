"""A tokenizer and its chat template, both out of a model's own files.

The template is text from strangers: its size is bounded, and it runs in a process of its own (`sandbox`), in
jinja's immutable sandbox, with plain data only.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.language.files import read_json
from training.language.reading import Chat, Message
from training.language.sandbox import TemplateSandbox

MAX_TEMPLATE_CHARS = 256 * 1024
MAX_TOKENIZER_BYTES = 256 * 1024 * 1024
# For bases that learnt no conversation: the words alone, no token that they never saw.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '### Assistant:\n' + message['content'] + eos_token + '\n' }}"
    "{% else %}{{ '### ' + message['role'].capitalize() + ':\n' + message['content'] + '\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Assistant:\n' }}{% endif %}"
)
# Templates that ask for today's date would make two encodings of one data set differ.
DATE = "26 Jul 2024"


class Scribe:
    """A tokenizer and how it writes conversations down. `stops`: ids that end answers; `pad`: the filler."""

    def __init__(self, tokenizer: Any, stops: Sequence[int] = ()) -> None:
        self.tokenizer = tokenizer
        own = tokenizer.eos_token_id
        if own is None:
            raise UserError("model:tokenizer", "The base model's tokenizer has no end token (eos_token).")
        self.stops = tuple(sorted({own, *stops}))
        self.pad = own if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        template = tokenizer.chat_template
        self.is_plain = template is None
        if self.is_plain:
            tokenizer.chat_template = PLAIN_TEMPLATE
        elif not isinstance(template, str) or len(template) > MAX_TEMPLATE_CHARS:
            text = "The base model's chat template must be one text of at most 256 KiB."
            raise UserError("model:chat-template", text)
        self.sandbox = TemplateSandbox(tokenizer.chat_template)

    def prompt(self, messages: Sequence[Message]) -> str:
        """The text that the assistant is to continue."""
        return self._render(messages, True)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        return list(self.tokenizer(self.prompt(messages), add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """The words of an answer, up to the first token that ends it."""
        words = list(itertools.takewhile(lambda token: token not in self.stops, ids))
        return str(self.tokenizer.decode(words, skip_special_tokens=True)).strip()

    def written(self, chat: Chat) -> list[tuple[str, list[tuple[int, int]]]]:
        """(text, spans of the answers in it) of one row; a span is from letter to letter, the end excluded.

        Most templates write a longer conversation as the shorter one and more. Where one does not (some leave
        out earlier thoughts), every answer is an example of its own, after the prompt it will have in use.
        """
        if not chat.messages:
            return [(chat.text, [(0, len(chat.text))])]
        turns = [place for place, item in enumerate(chat.messages) if item["role"] == "assistant"]
        pairs = [
            (self.prompt(chat.messages[:turn]), self._render(chat.messages[: turn + 1])) for turn in turns
        ]
        for prompt, whole in pairs:
            if not whole.startswith(prompt) or len(whole) == len(prompt):
                text = (
                    "The base model's chat template does not write an answer after its own prompt "
                    f"(at the conversation {chat.where}), so nobody can tell which words are the assistant's."
                )
                raise UserError("model:chat-template", text)
        last = pairs[-1][1]
        spans = [(len(prompt), len(whole)) for prompt, whole in pairs]
        if all(last.startswith(whole) for _, whole in pairs):
            return [(last, spans)]
        return [(whole, [span]) for (_, whole), span in zip(pairs, spans, strict=True)]

    def _render(self, messages: Sequence[Message], prompt: bool = False) -> str:
        known = {
            name: token for name, token in self.tokenizer.special_tokens_map.items() if token is not None
        }
        given = {"messages": list(messages), "add_generation_prompt": prompt, "date_string": DATE}
        return self.sandbox.render({"tools": None, "documents": None, **known, **given})


def load_scribe(model_dir: Path, base_dir: Path | None = None) -> Scribe:
    """The tokenizer of a directory, from its own files. Raises `UserError` `model:tokenizer` without one.

    What ends an answer is told by generation_config.json there, or in `base_dir`.
    """
    return Scribe(load_tokenizer(model_dir), _stops(base_dir or model_dir))


def load_tokenizer(model_dir: Path) -> Any:
    """A fast tokenizer from local files, without code. Raises `UserError` `model:tokenizer`."""
    from transformers import AutoTokenizer

    path = model_dir / "tokenizer.json"
    if not path.is_file() or path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise UserError("model:tokenizer", "The base model has no tokenizer.json (of at most 256 MiB).")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the Rust library raises bare Exceptions
        reason = " ".join(str(error).split())[:200]
        raise UserError("model:tokenizer", f"The base model's tokenizer cannot be read: {reason}.") from None
    if not tokenizer.is_fast:
        raise UserError("model:tokenizer", "The base model's tokenizer must be one with a tokenizer.json.")
    tokenizer.padding_side = "right"
    return tokenizer


def _stops(model_dir: Path) -> tuple[int, ...]:
    """The ids that end an answer by the model's generation_config.json."""
    found = read_json(model_dir / "generation_config.json").get("eos_token_id")
    found = found if isinstance(found, list) else [found]
    return tuple(token for token in found if type(token) is int and token >= 0)

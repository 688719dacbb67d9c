"""Conversations of a split from JSON lines, CSV or Parquet, bounded; refusals name the file and the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import tables
from training.errors import UserError
from training.splits import check_name, parquet_files, table_file

MAX_CHATS = 2_000_000
MAX_MESSAGES = 1_000
MAX_MESSAGE_CHARS = 1_000_000
MAX_SPLIT_CHARS = 2_000_000_000
ROLES = ("system", "user", "assistant")
# The other way of writing conversations that is in use: {"from": "human", "value": "…"}.
ALIASES = {"human": "user", "gpt": "assistant"}
NAMED_ROWS = 5

Message = dict[str, str]


@dataclass(frozen=True)
class Columns:
    """Where the words are: in `messages`, unless `prompt` and `answer` are named, or `text`."""

    messages: str = "messages"
    prompt: str | None = None
    answer: str | None = None
    text: str | None = None

    def wanted(self) -> tuple[str, ...]:
        """The columns that every row must have."""
        if self.prompt and self.answer:
            return (self.prompt, self.answer)
        return (self.text or self.messages,)


@dataclass(frozen=True)
class Chat:
    """One row. `messages`: role and content, user and assistant in turns, after at most one system message.

    Where the row is plain text to be continued, `messages` is empty and `text` is not. `where`: for people.
    """

    messages: tuple[Message, ...]
    text: str
    where: str


def read_chats(
    data_dir: Path,
    split: str,
    columns: Columns | None = None,
    *,
    limit: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[Chat]:
    """The rows of `split` in file order, at most `limit` of them.

    Raises `UserError`: no such split or columns, a role that is not one or out of turn, empty answers (all of
    them are looked for, the first rows named), anything beyond the bounds.
    """
    columns = columns or Columns()
    chats: list[Chat] = []
    empty: list[str] = []
    size = 0
    for where, row in _rows(data_dir, split, columns):
        if limit is not None and len(chats) + len(empty) >= limit:
            break
        if len(chats) >= MAX_CHATS:
            raise UserError("data:too-large", f"The split {split!r} has more than {MAX_CHATS:,} rows.")
        chat = _chat(row, columns, where)
        size += sum(len(message["content"]) for message in chat.messages) + len(chat.text)
        if size > MAX_SPLIT_CHARS:
            raise UserError(
                "data:too-large", f"The split {split!r} has more than {MAX_SPLIT_CHARS:,} letters."
            )
        if _says_nothing(chat):
            empty.append(where)
        else:
            chats.append(chat)
        if len(chats) % 1000 == 0:
            check()
    if empty:
        raise UserError("data:empty-answer", f"There is nothing to learn from {_listed(empty)}: no answer.")
    if not chats:
        raise UserError("data:empty", f"The split {split!r} holds no conversations.")
    return chats


def checked_messages(raw: Any, where: str) -> tuple[Message, ...]:
    """Messages as the chat template wants them: known roles, in turns. Raises `UserError`."""
    if not isinstance(raw, list) or not raw:
        text = f"The messages {where} must be a list of role and content, got {type(raw).__name__}."
        raise UserError("data:bad-messages", text)
    if len(raw) > MAX_MESSAGES:
        raise UserError("data:too-large", f"The conversation {where} has more than {MAX_MESSAGES} messages.")
    messages = tuple(_message(item, number, where) for number, item in enumerate(raw, start=1))
    wanted = "user"
    for number, message in enumerate(messages, start=1):
        role = message["role"]
        if role == "system" and number == 1:
            continue
        if role != wanted:
            text = f"Message {number} {where} is by {role!r}, but {wanted!r} has the word: they take turns."
            raise UserError("data:bad-messages", text)
        wanted = "assistant" if role == "user" else "user"
    return messages


def _message(item: Any, number: int, where: str) -> Message:
    here = f"Message {number} {where}"
    if not isinstance(item, Mapping):
        raise UserError("data:bad-messages", f"{here} must have a role and a content.")
    role, content = item.get("role", item.get("from")), item.get("content", item.get("value"))
    role = ALIASES.get(role, role) if isinstance(role, str) else role
    if role not in ROLES:
        text = f"{here} has the role {str(role)[:40]!r}; known roles are {', '.join(ROLES)}."
        raise UserError("data:bad-messages", text)
    return {"role": str(role), "content": _words(content, f"{here}: its content")}


def _chat(row: Mapping[str, Any], columns: Columns, where: str) -> Chat:
    for column in columns.wanted():
        if column not in row:
            have = ", ".join(sorted(map(str, row))[:20])
            text = f"There is no column {column!r} {where}; its columns are: {have}."
            raise UserError("data:missing-column", text)
    if columns.prompt and columns.answer:
        prompt = _words(row[columns.prompt], f"{columns.prompt!r} {where}")
        answer = _words(row[columns.answer], f"{columns.answer!r} {where}")
        turns = ({"role": "user", "content": prompt}, {"role": "assistant", "content": answer})
        return Chat(turns, "", where)
    if columns.text:
        return Chat((), _words(row[columns.text], f"{columns.text!r} {where}"), where)
    return Chat(checked_messages(row[columns.messages], where), "", where)


def _words(value: Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError("data:not-text", f"{what} must be text, got {type(value).__name__}.")
    if len(value) > MAX_MESSAGE_CHARS:
        raise UserError("data:too-large", f"{what} is longer than {MAX_MESSAGE_CHARS:,} letters.")
    return value


def _says_nothing(chat: Chat) -> bool:
    """True without an answer, or with an empty one among them, or without text."""
    if not chat.messages:
        return not chat.text.strip()
    answers = [message["content"] for message in chat.messages if message["role"] == "assistant"]
    return not answers or not all(answer.strip() for answer in answers)


def _listed(rows: list[str]) -> str:
    more = f" and {len(rows) - NAMED_ROWS} more" if len(rows) > NAMED_ROWS else ""
    return "; ".join(rows[:NAMED_ROWS]) + more


def _rows(root: Path, split: str, columns: Columns) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where, row) of every row in file order."""
    check_name(split)
    shards = parquet_files(root, split)
    if shards:
        yield from _parquet_rows(shards, root, columns)
        return
    table = table_file(root, split, ("jsonl", "csv"))
    if table is None:
        raise UserError("data:no-split", f"The data set has no split {split!r}.")
    name = table.relative_to(root).as_posix()
    if table.stat().st_size > tables.MAX_TABLE_BYTES:
        raise UserError("data:too-large", f"The table {name} is larger than 1 GiB.")
    read = tables.csv_rows if table.suffix == ".csv" else tables.jsonl_rows
    for number, row in enumerate(read(table, name), start=1):
        yield f"in {name}, row {number}", row


def _parquet_rows(files: list[Path], root: Path, columns: Columns) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow.parquet as pq

    wanted = columns.wanted()
    for file in files:
        name = file.relative_to(root).as_posix()
        with tables.parquet_errors(file, root):
            table = pq.ParquetFile(file)
            tables.check_parquet(table, file, root, wanted, 0)
            number = 0
            for batch in table.iter_batches(tables.BATCH_ROWS, columns=list(wanted)):
                for row in batch.to_pylist():
                    number += 1
                    yield f"in {name}, row {number}", row

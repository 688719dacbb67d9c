from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.language.world import chats, turns, write_chats
from training.errors import UserError
from training.language import reading
from training.language.reading import Columns, read_chats

PAIR = ("Hello", "Good day.")


def refusal(folder: Path, rows: list[Any], columns: Columns | None = None) -> UserError:
    write_chats(folder, rows)
    with pytest.raises(UserError) as caught:
        read_chats(folder, "train", columns)
    return caught.value


def test_messages_come_from_json_lines_and_parquet_alike(tmp_path: Path) -> None:
    lines = read_chats(write_chats(tmp_path / "lines"), "train")
    (tmp_path / "data").mkdir()
    table = pa.table({"messages": chats(), "other": list(range(len(chats())))})
    pq.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    columns = read_chats(tmp_path, "train")
    assert [chat.messages for chat in lines] == [chat.messages for chat in columns]
    assert [list(chat.messages) for chat in lines] == chats()
    assert lines[1].where == "in train.jsonl, row 2"
    assert columns[1].where == "in data/train-00000-of-00001.parquet, row 2"


def test_prompts_with_answers_and_plain_text(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text('ask,say\nHello,Good day.\n"Who, me?",You.\n', encoding="utf-8")
    found = read_chats(tmp_path, "train", Columns(prompt="ask", answer="say"))
    assert [list(chat.messages) for chat in found] == [turns(PAIR), turns(("Who, me?", "You."))]
    plain = read_chats(tmp_path, "train", Columns(text="say"))
    assert [(chat.messages, chat.text) for chat in plain] == [((), "Good day."), ((), "You.")]


def test_the_other_spelling_of_conversations(tmp_path: Path) -> None:
    row = {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Good day."}]}
    write_chats(tmp_path, [row])
    assert list(read_chats(tmp_path, "train", Columns("conversations"))[0].messages) == turns(PAIR)


@pytest.mark.parametrize(
    ("messages", "message_id", "words"),
    [
        ("Hello", "data:bad-messages", "must be a list of role and content, got str"),
        ([], "data:bad-messages", "must be a list"),
        (["Hello"], "data:bad-messages", "Message 1 in train.jsonl, row 2 must have a role"),
        ([{"role": "robot", "content": "x"}], "data:bad-messages", "'robot'; known roles are system, user"),
        (turns(PAIR)[::-1], "data:bad-messages", "Message 1 in train.jsonl, row 2 is by 'assistant'"),
        ([*turns(PAIR), {"role": "system", "content": "x"}], "data:bad-messages", "Message 3"),
        ([turns(PAIR)[0], {"role": "assistant", "content": 7}], "data:not-text", "must be text, got int"),
        ([{"role": ["user"], "content": "x"}], "data:bad-messages", "known roles"),
    ],
)
def test_messages_that_are_none(tmp_path: Path, messages: Any, message_id: str, words: str) -> None:
    error = refusal(tmp_path, [{"messages": turns(PAIR)}, {"messages": messages}])
    assert error.message_id == message_id
    assert words in error.message
    assert "row 2" in error.message


def test_every_empty_answer_is_looked_for_and_named(tmp_path: Path) -> None:
    good, bad = {"messages": turns(PAIR)}, {"messages": turns(("Hello", "  "))}
    error = refusal(tmp_path, [good, bad, good, *[bad] * 6])
    assert error.message_id == "data:empty-answer"
    assert "row 2; in train.jsonl, row 4" in error.message
    assert error.message.endswith("and 2 more: no answer.")
    asked_only = {"messages": turns(PAIR)[:1]}
    assert refusal(tmp_path, [asked_only]).message_id == "data:empty-answer"
    assert refusal(tmp_path, [{"text": " "}], Columns(text="text")).message_id == "data:empty-answer"


def test_what_is_missing_is_told_with_what_is_there(tmp_path: Path) -> None:
    error = refusal(tmp_path, [{"question": "x", "reply": "y"}])
    assert error.message_id == "data:missing-column"
    assert "'messages'" in error.message
    assert "question, reply" in error.message
    with pytest.raises(UserError, match="no split 'test'"):
        read_chats(tmp_path, "test")
    pq.write_table(pa.table({"question": ["x"]}), tmp_path / "dev.parquet")
    with pytest.raises(UserError, match="no column 'messages'"):
        read_chats(tmp_path, "dev")


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_CHATS", 2)
    rows = [{"messages": turns(PAIR)}] * 3
    assert refusal(tmp_path, rows).message_id == "data:too-large"
    assert len(read_chats(tmp_path, "train", limit=2)) == 2
    monkeypatch.setattr(reading, "MAX_MESSAGE_CHARS", 8)
    assert "longer than 8" in refusal(tmp_path, rows).message
    monkeypatch.setattr(reading, "MAX_MESSAGES", 1)
    assert "more than 1 messages" in refusal(tmp_path, rows).message
    monkeypatch.setattr(reading, "MAX_MESSAGES", 2)
    monkeypatch.setattr(reading, "MAX_MESSAGE_CHARS", 100)
    monkeypatch.setattr(reading, "MAX_SPLIT_CHARS", 10)
    assert "more than 10 letters" in refusal(tmp_path, rows).message


def test_a_line_that_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps({"messages": turns(PAIR)}) + "\n[1]\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2"):
        read_chats(tmp_path, "train")

from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest
import torch

from tests.training.language.world import CHATML, QUESTIONS, turns, write_tokenizer
from training.errors import UserError
from training.language.encoding import Tokens, encode
from training.language.reading import Chat
from training.language.scribe import PLAIN_TEMPLATE, Scribe, load_scribe

LATER = "{% if loop.last or message.role != 'assistant' %}{{ message.content }}{% else %}(cut){% endif %}"


def chat(*pairs: tuple[str, str], text: str = "") -> Chat:
    return Chat(tuple(turns(*pairs)), text, "in train.jsonl, row 1")


def learnt(scribe: Scribe, tokens: Tokens) -> list[str]:
    """What each example has to foretell, as text."""
    parts = zip(tokens.starts.tolist(), tokens.starts[1:].tolist(), strict=False)
    return [scribe.tokenizer.decode(tokens.ids[a:b][tokens.learn[a:b]].tolist()) for a, b in parts]


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    write_tokenizer(tmp_path)
    return load_scribe(tmp_path)


def test_only_the_assistants_words_and_their_end_are_learnt(scribe: Scribe) -> None:
    tokens, cut = encode(scribe, [chat(QUESTIONS[0]), chat(*QUESTIONS[:2])], 128)
    first, second = (f"{answer}<|im_end|>" for _, answer in QUESTIONS[:2])
    assert learnt(scribe, tokens) == [first, first + second]
    assert (cut.shortened, cut.dropped) == (0, 0)
    whole = scribe.tokenizer.decode(tokens.ids[: tokens.starts[1]].tolist())
    assert whole == scribe.tokenizer.apply_chat_template(turns(QUESTIONS[0]), tokenize=False)


def test_the_prompt_in_use_is_the_prompt_that_was_learnt_from(scribe: Scribe) -> None:
    tokens, _ = encode(scribe, [chat(QUESTIONS[0])], 128)
    first = int(tokens.learn.nonzero()[0])
    assert scribe.prompt_ids(turns(QUESTIONS[0])[:1]) == tokens.ids[:first].tolist()
    answer = tokens.ids[first:].tolist()
    assert scribe.decode([*answer, 5, 6, 7]) == QUESTIONS[0][1]


def test_a_template_that_rewrites_earlier_turns_gives_an_example_an_answer(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, f"{{% for message in messages %}}|{LATER}{{% endfor %}}"
                              "{% if add_generation_prompt %}|{% endif %}")  # fmt: skip
    scribe = load_scribe(tmp_path)
    tokens, _ = encode(scribe, [chat(*QUESTIONS[:2])], 128)
    ends = [f"{answer}<|im_end|>" for _, answer in QUESTIONS[:2]]
    assert learnt(scribe, tokens) == ends
    assert "(cut)" in scribe.tokenizer.decode(tokens.ids[tokens.starts[1] :].tolist())


def test_a_template_that_hides_where_answers_begin_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "{% for message in messages %}{{ message.content }}{% endfor %}"
                              "{% if add_generation_prompt %}>>>{% endif %}")  # fmt: skip
    with pytest.raises(UserError, match="nobody can tell which words") as caught:
        encode(load_scribe(tmp_path), [chat(QUESTIONS[0])], 128)
    assert caught.value.message_id == "model:chat-template"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ raise_exception('not for you') }}",
        "{% for %}",
        "{{ messages[99].content }}",
    ],
)
def test_templates_run_in_a_sandbox_and_fail_in_words(tmp_path: Path, template: str) -> None:
    write_tokenizer(tmp_path, CHATML)
    (tmp_path / "chat_template.jinja").write_text(template, encoding="utf-8")
    with pytest.raises(UserError, match="template") as caught:
        encode(load_scribe(tmp_path), [chat(QUESTIONS[0])], 128)
    assert caught.value.message_id == "model:chat-template"


MALICIOUS = {
    "endless": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a-power": "{{ 7 ** (7 ** 9) }}",
    "a-bomb": "{{ 'x' * 99999999999 }}",
    "a-slow-bomb": "{% set ns = namespace(x='x') %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x %}"
    "{% endfor %}{{ ns.x }}",
    "a-flood": "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
    "itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "padding": "{{ '%99999999999d' | format(1) }}",
    "deep": "{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}",
}


@pytest.mark.parametrize("template", MALICIOUS.values(), ids=MALICIOUS)
def test_a_malicious_template_is_ended(
    tmp_path: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.language.sandbox.SECONDS", 2.0)
    monkeypatch.setattr("training.language.sandbox.STARTING_SECONDS", 10.0)
    write_tokenizer(tmp_path, CHATML)
    (tmp_path / "chat_template.jinja").write_text(template, encoding="utf-8")
    scribe, began = load_scribe(tmp_path), time.monotonic()
    with pytest.raises(UserError, match="chat template refuses a conversation") as caught:
        scribe.prompt(turns(QUESTIONS[0]))
    assert caught.value.message_id == "model:chat-template"
    assert len(caught.value.message) < 400
    assert time.monotonic() - began < 25
    process = scribe.sandbox._process
    assert process is None or process.poll() is None


def test_nothing_of_ours_reaches_a_template_and_nothing_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    write_tokenizer(tmp_path, CHATML)
    scribe = load_scribe(tmp_path)
    scribe.prompt(turns(QUESTIONS[0]))
    process = scribe.sandbox._process
    assert process is not None
    assert b"hf_secret" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    del scribe
    gc.collect()
    assert process.poll() is not None


@pytest.mark.parametrize(
    "template",
    [
        CHATML,
        "{{ bos_token }}{% for m in messages %}{{ m | tojson }}"
        "{% if loop.last %}{% break %}{% endif %}{% endfor %}",
        "{% for m in messages %}{% generation %}{{ m.content | trim }}{% endgeneration %}"
        "{{ eos_token }}{% endfor %}",
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
        "{{ ns.n }}{{ m['role'] }}\n"
        "{% endfor %}{{ dict(a=1).a }}{{ date_string }}{% if tools is none %}no tools{% endif %}",
    ],
)
def test_templates_are_rendered_as_transformers_does(tmp_path: Path, template: str) -> None:
    tokenizer = write_tokenizer(tmp_path, template)
    scribe, chat = load_scribe(tmp_path), turns(*QUESTIONS[:2])
    for prompt in (False, True):
        stock = tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=prompt, date_string="26 Jul 2024"
        )
        assert scribe._render(chat, prompt) == stock


def test_a_template_without_bounds_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "x" * 300_000)
    with pytest.raises(UserError, match="256 KiB"):
        load_scribe(tmp_path)


def test_a_base_without_template_gets_a_plain_one_that_is_published(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, None)
    scribe = load_scribe(tmp_path)
    assert scribe.is_plain
    tokens, _ = encode(scribe, [chat(QUESTIONS[0])], 128)
    assert learnt(scribe, tokens) == [f"{QUESTIONS[0][1]}<|im_end|>"]
    scribe.tokenizer.save_pretrained(tmp_path / "out")
    again = load_scribe(tmp_path / "out")
    assert again.tokenizer.chat_template == PLAIN_TEMPLATE
    assert not again.is_plain


def test_plain_text_is_learnt_from_its_second_token_to_its_end(scribe: Scribe) -> None:
    tokens, _ = encode(scribe, [Chat((), "Every card is welcome.", "here")], 128)
    assert tokens.learn.tolist() == [False] + [True] * (len(tokens.ids) - 1)
    assert scribe.tokenizer.decode(tokens.ids.tolist()) == "Every card is welcome.<|im_end|>"


def test_what_is_too_long_loses_its_end_and_is_counted(scribe: Scribe) -> None:
    whole, _ = encode(scribe, [chat(QUESTIONS[0]), chat(QUESTIONS[3])], 128)
    first = int(whole.learn.nonzero()[0])
    tokens, cut = encode(scribe, [chat(QUESTIONS[0]), chat(*QUESTIONS)], first + 2)
    assert cut.shortened == 2
    assert cut.dropped == 0
    assert tokens.lengths.tolist() == [first + 2] * 2
    tokens, cut = encode(scribe, [chat(QUESTIONS[0]), Chat((), "Yes", "here")], 5)
    assert (len(tokens), cut.shortened, cut.dropped) == (1, 1, 1)
    with pytest.raises(UserError, match=r"raise dataset\.max_tokens") as caught:
        encode(scribe, [chat(QUESTIONS[0])], 5)
    assert caught.value.message_id == "data:too-long"


def test_what_ends_answers_is_told_by_the_generation_config_too(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [0, "x", -1]}', encoding="utf-8")
    assert load_scribe(tmp_path).stops == (0, tokenizer.eos_token_id)


def test_tokenizers_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        load_scribe(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_scribe(tmp_path)
    assert caught.value.message_id == "model:tokenizer"


def test_encoding_is_the_same_every_time(scribe: Scribe) -> None:
    one, other = (encode(scribe, [chat(*QUESTIONS)], 128)[0] for _ in range(2))
    assert torch.equal(one.ids, other.ids)
    assert torch.equal(one.learn, other.learn)

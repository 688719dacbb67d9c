"""The words after `tuneyard worker` become its environment; the token never stands among them."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from training.worker_options import take_options

TOKEN = "tyw_" + "a" * 34
HUB = ["--hub", "http://127.0.0.1:8000/"]


def taken(*words: str, **environment: str) -> dict[str, str]:
    values = {"HUB_WORKER_TOKEN": TOKEN, **environment}
    assert take_options(words, values) == []
    return values


def test_options_are_the_environments_own_words() -> None:
    values = taken(*HUB, "--name", "box", "--flavors", "gpu-small,cpu-basic", "--home", "/var/tuneyard")
    assert values == {
        "HUB_WORKER_TOKEN": TOKEN,
        "HUB_PUBLIC_URL": "http://127.0.0.1:8000",
        "HUB_WORKER_NAME": "box",
        "HUB_FLAVORS": "gpu-small,cpu-basic",
        "HUB_WORKER_DIR": "/var/tuneyard",
        "HUB_BROKER_URL": "none",
    }


def test_nothing_said_changes_nothing() -> None:
    assert taken(HUB_PUBLIC_URL="http://x", HUB_BROKER_DIR="/b") == {
        "HUB_WORKER_TOKEN": TOKEN,
        "HUB_PUBLIC_URL": "http://x",
        "HUB_BROKER_DIR": "/b",
    }


@pytest.mark.parametrize(
    ("words", "environment", "broker"),
    [
        ([], {}, "none"),
        ([], {"HUB_BROKER_URL": "redis://x"}, "redis://x"),
        (["--broker", "amqp://y"], {"HUB_BROKER_URL": "redis://x"}, "amqp://y"),
        (["--poll"], {"HUB_BROKER_URL": "redis://x"}, "none"),
        ([], {"HUB_BROKER_DIR": "/b"}, None),
    ],
)
def test_without_a_broker_it_asks_the_hub(
    words: list[str], environment: dict[str, str], broker: str | None
) -> None:
    assert taken(*HUB, *words, **environment).get("HUB_BROKER_URL") == broker


def test_what_follows_two_dashes_is_celerys() -> None:
    values = {"HUB_WORKER_TOKEN": TOKEN}
    assert take_options([*HUB, "--", "--loglevel", "INFO"], values) == ["--loglevel", "INFO"]
    assert take_options([*HUB, "--"], values) == []


def test_the_token_comes_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    values: dict[str, str] = {}
    take_options([*HUB, "--token-file", str(path)], values)
    assert values["HUB_WORKER_TOKEN"] == TOKEN
    assert capsys.readouterr().err == ""
    path.chmod(0o644)
    take_options([*HUB, "--token-file", str(path)], values)
    assert "others on this machine can read" in capsys.readouterr().err


def test_the_token_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TOKEN}\nmore\n"))
    values: dict[str, str] = {}
    take_options([*HUB, "--token-file", "-"], values)
    assert values["HUB_WORKER_TOKEN"] == TOKEN


def test_at_a_terminal_it_is_asked_for_and_not_shown() -> None:
    code = (
        "import os; from training.worker_options import take_options; "
        f"take_options({HUB!r}); print('GOT', os.environ['HUB_WORKER_TOKEN'] == {TOKEN!r})"
    )
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"token:" not in said:
        said += os.read(ours, 1000)
    os.write(ours, TOKEN.encode() + b"\n")
    assert process.wait(30) == 0
    said += os.read(ours, 1000)
    os.close(ours)
    assert b"GOT True" in said
    assert TOKEN.encode() not in said


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--hub", "ftp://x"], {}, "--hub must be an address"),
        (["--hub", "x"], {}, "--hub must be an address"),
        (["--hub", "http://alice:secret-9@x"], {}, "must hold no name and no password"),
        ([*HUB, "--token-file", "/nowhere/token"], {}, "cannot be read"),
        (HUB, {"HUB_WORKER_TOKEN": "hf_" + "b" * 34}, "this is a person's access token"),
        (HUB, {"HUB_WORKER_TOKEN": "two words"}, "not a machine's token"),
        (HUB, {"HUB_WORKER_TOKEN": "tyw_" + "x" * 300}, "not a machine's token"),
        (["--token", TOKEN], {}, "unrecognized arguments"),
        (["--flavour", "x"], {}, "unrecognized arguments"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    capsys: pytest.CaptureFixture[str], words: list[str], environment: dict[str, str], said: str
) -> None:
    values = {"HUB_WORKER_TOKEN": TOKEN, **environment}
    with pytest.raises(SystemExit) as end:
        take_options(words, values)
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    for secret in ("secret-9", "b" * 34, "x" * 300):
        assert secret not in told


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("http://hub.example.org", True),
        ("https://hub.example.org", False),
        ("http://localhost:8000", False),
        ("http://192.168.1.5:8000", False),
        ("http://93.184.216.34", True),
        ("http://hub.lan", False),
    ],
)
def test_a_token_in_the_clear_is_warned_of(
    capsys: pytest.CaptureFixture[str], address: str, warned: bool
) -> None:
    taken("--hub", address)
    assert ("unencrypted" in capsys.readouterr().err) is warned

"""`hf auth login` as people run it: a code in the terminal, an answer in a browser, a token that renews."""

from __future__ import annotations

import configparser
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live import LiveHub
from tests.wire.command import PROGRAM, run_hf
from tests.wire.session import Session

pytestmark = pytest.mark.wire
CODE = re.compile(r"[A-Z]{4}-[A-Z]{4}")


@dataclass
class Machine:
    """A computer on which nobody has signed in yet."""

    hub: LiveHub
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        # Little is passed on: the client behaves otherwise where it believes an agent to be typing.
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        own = {"HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.home), "HOME": str(self.home)}
        quiet = {"HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return kept | own | quiet | {"NO_COLOR": "1", "TERM": "xterm"}

    def hf(self, *words: str, ok: bool = True) -> str:
        return run_hf(*words, environment=self.environment, ok=ok)

    def stored(self) -> configparser.ConfigParser:
        """The client's own file of tokens."""
        config = configparser.ConfigParser()
        config.read(self.home / "stored_tokens")
        return config


@pytest.fixture
def machine(hub: LiveHub, tmp_path: Path) -> Machine:
    home = tmp_path / "home"
    home.mkdir()
    return Machine(hub, home)


@dataclass
class Terminal:
    """A program on a terminal of its own, and all it has shown."""

    process: subprocess.Popen[bytes]
    screen: int
    shown: str = ""

    def wait_for(self, pattern: re.Pattern[str], seconds: float = 60, press: str = "") -> str:
        """What matches, once it is shown; `press` is typed again and again until then, since a menu that is
        being drawn throws away what was typed before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := pattern.search(self.shown):
                return found[0]
            if self._read():
                continue
            if self.process.poll() is not None:
                break
            if press:
                os.write(self.screen, press.encode())
        raise AssertionError(f"never shown: {pattern.pattern}\n{self.shown}")

    def _read(self) -> bool:
        ready, _, _ = select.select([self.screen], [], [], 0.2)
        try:
            piece = os.read(self.screen, 4096) if ready else b""
        except OSError:  # the program has gone, and its terminal with it
            piece = b""
        self.shown += piece.decode(errors="replace")
        return bool(piece)


@contextmanager
def terminal(machine: Machine, *words: str) -> Iterator[Terminal]:
    """`hf` on a pseudo-terminal; ended by its own pid."""
    screen, keyboard = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, *words],
        env=machine.environment, stdin=keyboard, stdout=keyboard, stderr=keyboard, start_new_session=True,
    )  # fmt: skip
    os.close(keyboard)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        os.close(screen)


def test_login_from_a_terminal_approved_in_a_browser(hub: LiveHub, machine: Machine, unique: str) -> None:
    with terminal(machine, "auth", "login") as shell:
        shell.wait_for(re.compile("Paste an access token"))
        # The first choice of the menu: with the browser.
        address = shell.wait_for(re.compile(r"http://\S+/device\?code=[A-Z-]{9}"), press="\r")
        code = CODE.search(address)
        assert code
        browser = Session(hub).sign_in("alice")
        page = browser.get(address)
        assert "hf, the Hugging Face client" in page
        assert "is signed in as alice" in browser.post("/device", page, code=code[0], answer="approve")
        shell.wait_for(re.compile("Login successful"))
        assert shell.process.wait(30) == 0
    assert "alice" in machine.hf("auth", "whoami")
    assert machine.stored().sections() == ["oauth-alice"]
    assert unique in machine.hf("repos", "create", unique)
    assert hub.api().repo_exists(f"alice/{unique}")

    # Signed out on the page, it is signed out on the machine.
    page = browser.get("/settings/tokens")
    ends = re.findall(r'action="(/settings/logins/\d+/end)"', page)
    assert "is signed out" in browser.post(ends[0], page)
    assert "Invalid user token" in machine.hf("auth", "whoami", ok=False)


def test_a_denied_login_leaves_nothing_behind(hub: LiveHub, machine: Machine) -> None:
    with terminal(machine, "auth", "login") as shell:
        shell.wait_for(re.compile("Paste an access token"))
        code = shell.wait_for(CODE, press="\r")
        browser = Session(hub).sign_in("bob")
        browser.post("/device", browser.get("/device"), code=code, answer="deny")
        shell.wait_for(re.compile("denied"))
        assert shell.process.wait(30) != 0
    assert machine.stored().sections() == []


def test_a_token_close_to_its_end_renews_itself(hub: LiveHub, machine: Machine) -> None:
    """The client's own code asks, waits, keeps and renews; only the clock in its file is turned."""
    program = (
        "import sys; from huggingface_hub.utils._oauth_device import request_device_code, poll_device_token;"
        "from huggingface_hub._login import _save_oauth_token; info = request_device_code();"
        "print(info['user_code'], flush=True); _save_oauth_token(poll_device_token(info))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], env=machine.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        code = process.stdout.readline().strip()
        browser = Session(hub).sign_in("carol")
        browser.post("/device", browser.get("/device"), code=code, answer="approve")
        assert process.wait(60) == 0
    stored = machine.stored()
    before = dict(stored["oauth-carol"])
    assert int(before["expires_at"]) > time.time() + 29 * 86400
    stored["oauth-carol"]["expires_at"] = str(int(time.time()) + 3600)
    with (machine.home / "stored_tokens").open("w") as file:
        stored.write(file)
    assert "carol" in machine.hf("auth", "whoami")
    after = dict(machine.stored()["oauth-carol"])
    assert after["hf_token"] != before["hf_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert (machine.home / "token").read_text() == after["hf_token"]
    assert "carol" in machine.hf("auth", "whoami")


def test_the_exchange_for_ci_says_what_to_do_instead(hub: LiveHub) -> None:
    from huggingface_hub._oidc import exchange_oidc_token
    from huggingface_hub.errors import HfHubHTTPError

    with pytest.raises(HfHubHTTPError, match="set HF_TOKEN to an access token"):
        exchange_oidc_token(subject_token="x", resource="alice/net", endpoint=hub.url)


@pytest.mark.parametrize("words", [("papers", "search", "attention"), ("papers", "ls")])
def test_what_is_not_here_is_said_in_one_sentence(machine: Machine, words: tuple[str, ...]) -> None:
    assert "This hub keeps no papers." in machine.hf(*words, ok=False)

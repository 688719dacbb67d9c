"""The hub as a person's script talks to it: JSON over HTTP with a token of theirs, patient with restarts."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from training.errors import EngineError, UserError

MAX_ANSWER_BYTES = 16 * 1024**2
LONGEST_PAUSE = 10.0


class HubAway(EngineError):
    """The hub did not answer for as long as we were ready to wait."""

    def __init__(self, why: str) -> None:
        super().__init__("hub:unreachable", f"The hub does not answer: {why}.")


class HubSaidNo(UserError):
    """The hub refused; `problems` are its sentences, one for each thing that is wrong."""

    def __init__(self, status: int, problems: list[str]) -> None:
        super().__init__("hub:refused", " ".join(problems))
        self.status, self.problems = status, problems


class _MayPass(Exception):
    """A fault that waiting may mend."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it leads."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        return None


class PersonApi:
    """One person at one hub; the token appears in no message and no address."""

    def __init__(self, endpoint: str, token: str, *, timeout: float = 30.0) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            text = f"The hub's address must be like https://hub.example.org, got {endpoint!r}."
            raise UserError("cli:wrong-option", text)
        self.endpoint = endpoint.rstrip("/")
        self.timeout = timeout
        self._token = token
        # Called with what is wrong each time the hub does not answer, and with None when it does again.
        self.on_silence: Callable[[str | None], None] = lambda why: None
        self._opener = urllib.request.build_opener(_NoRedirects)

    def get(self, path: str, *, patience: float = 0.0) -> Any:
        """GET and read JSON; faults that may pass are tried again for `patience` seconds.

        Raises HubSaidNo, HubAway.
        """
        return self._call("GET", path, None, patience)

    def post(self, path: str, body: Mapping[str, Any], *, patience: float = 0.0) -> Any:
        """POST and read JSON, as `get` does. It may arrive twice: what must not is named by an id in the
        body."""
        return self._call("POST", path, json.dumps(body).encode(), patience)

    def _call(self, method: str, path: str, data: bytes | None, patience: float) -> Any:
        deadline = time.monotonic() + patience
        pause, was_silent = 0.5, False
        while True:
            try:
                answer = self._once(method, path, data)
            except _MayPass as fault:
                if time.monotonic() + pause > deadline:
                    raise HubAway(str(fault)) from None
                self.on_silence(str(fault))
                was_silent = True
            else:
                if was_silent:
                    self.on_silence(None)
                return answer
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(self, method: str, path: str, data: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 (scheme checked in __init__)
            self.endpoint + path, data=data, method=method, headers=headers
        )
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                return json.loads(answer.read(MAX_ANSWER_BYTES) or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                location, told = error.headers.get("Location"), error.read(256 * 1024)
                raise _refusal(method, error.code, location, told) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise _MayPass(str(reason) or type(error).__name__) from None
        except ValueError:  # half an answer, or somebody else's page
            raise _MayPass("its answer is no JSON") from None


def _refusal(method: str, status: int, location: str | None, body: bytes) -> Exception:
    # Too many runs at once (429) is nothing that passes soon: the person decides.
    if status >= 500 or status == 408 or (status == 429 and method == "GET"):
        return _MayPass(f"it says {status}")
    if 300 <= status < 400:
        where = f"at {location}" if location else "somewhere else"
        return HubSaidNo(status, [f"The hub is {where}; give that address with --hub."])
    if status == 401:
        return HubSaidNo(status, ["The hub does not know this token; sign in again, or give another one."])
    return HubSaidNo(status, _sentences(body) or [f"The hub refused ({status}) and gave no reason."])


def _sentences(body: bytes) -> list[str]:
    """One for each problem; else the error's own."""
    try:
        told = json.loads(body)
    except ValueError:
        return []
    if not isinstance(told, dict):
        return []
    problems = told.get("problems")
    rows = problems if isinstance(problems, list) else []
    found = [str(row["message"])[:1000] for row in rows if isinstance(row, dict) and row.get("message")]
    found = found or ([str(told["error"])[:2000]] if told.get("error") else [])
    # What comes over the network must not steer a terminal.
    return ["".join(char if char.isprintable() else " " for char in text) for text in found]


def read_token(path: Path | None) -> str:
    """The person's token: the file's where one is named, else HF_TOKEN's, else of `hf auth login`.

    Raises UserError where there is none.
    """
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError("cli:no-token", f"The token file {path} cannot be read.") from None
    elif not (text := os.environ.get("HF_TOKEN", "")):
        from huggingface_hub import get_token

        text = get_token() or ""
    if not text.strip().isascii() or not text.strip().isprintable() or not text.strip():
        missing = "There is no token: sign in with 'hf auth login', or set HF_TOKEN, or give --token-file."
        raise UserError("cli:no-token", missing)
    return text.strip()

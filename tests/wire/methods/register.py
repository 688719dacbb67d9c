"""Which test calls which public method of the stock `HfApi`; the table behind docs/hfapi.md."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from huggingface_hub import HfApi

import tests.wire.methods as package
from tests.live import LiveHub

# Method to the areas (test modules by name) in which it is called.
TRIED: dict[str, set[str]] = {}


def public_methods() -> list[str]:
    """As the installed client has them, sorted."""
    return sorted(name for name in dir(HfApi) if not name.startswith("_") and callable(getattr(HfApi, name)))


def tries(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test as the one that calls these methods; the fixture `people` holds it to its word."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        area = test.__module__.rpartition(".")[2].removeprefix("test_")
        for name in names:
            TRIED.setdefault(name, set()).add(area)
        test.tries = (*getattr(test, "tries", ()), *names)  # type: ignore[attr-defined]
        return test

    return mark


def tried() -> dict[str, set[str]]:
    """`TRIED`, once every module of this package has been imported."""
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("test_"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return TRIED


class Asking:
    """One person's stock client, untouched; the methods a test asks it for are noted."""

    def __init__(self, api: HfApi, asked: set[str]) -> None:
        self._api, self._asked = api, asked

    def __getattr__(self, name: str) -> Any:
        self._asked.add(name)
        return getattr(self._api, name)


class People:
    """The people of the live hub, each at a stock client."""

    def __init__(self, hub: LiveHub) -> None:
        self.hub, self.asked = hub, set[str]()

    def __call__(self, name: str | None = "alice") -> Any:
        """The client as this person (None: anonymous), typed loosely: it stands for an `HfApi`."""
        return Asking(self.hub.api(name), self.asked)

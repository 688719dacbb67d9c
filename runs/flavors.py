"""Named classes of hardware, each with a Celery queue of its own; a worker says which ones it is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _


@dataclass(frozen=True)
class Flavor:
    """One class of hardware, as people choose it on the fine-tune form."""

    name: str
    english: str
    english_hardware: str = ""
    # memory of its accelerator, in words; empty where there is none
    accelerator_memory: str = ""

    @property
    def title(self) -> str:
        """What people call it, in the reader's language."""
        return gettext(self.english)

    @property
    def hardware(self) -> str:
        """What it is made of, in the reader's language."""
        return gettext(self.english_hardware) if self.english_hardware else ""

    @property
    def queue(self) -> str:
        """The Celery queue its workers listen on."""
        return f"train.{self.name}"


@dataclass(frozen=True)
class Money:
    """An amount of a currency, as its operator names it."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        """Two digits; of less than one hundredth, that it is less."""
        if 0 < self.amount < Decimal("0.01"):
            return f"< 0.01 {self.currency}"
        return f"{self.amount:,.2f} {self.currency}"


FLAVORS: dict[str, Flavor] = {
    flavor.name: flavor
    for flavor in (
        Flavor("cpu-basic", _("CPU"), _("the processor of the worker's machine")),
        Flavor("gpu-small", _("GPU, small"), _("one accelerator with up to 24 GB of memory"), "up to 24 GB"),
        Flavor(
            "gpu-large", _("GPU, large"), _("one accelerator with more than 24 GB of memory"), "over 24 GB"
        ),
    )
}
DEFAULT_FLAVOR = "cpu-basic"


def memory_limit(flavor: str) -> int | None:
    """Bytes of main memory that a run may take; None where the operator set none."""
    return settings.HUB_FLAVOR_MEMORY.get(flavor)


def price(flavor: str) -> Money | None:
    """Of an hour; None where the operator set none."""
    found = settings.HUB_FLAVOR_PRICES.get(flavor)
    return Money(*found) if found else None


def cost(flavor: str, seconds: float) -> Money | None:
    """Of so many seconds; None where there is no price."""
    an_hour = price(flavor)
    if an_hour is None:
        return None
    exact = an_hour.amount * Decimal(seconds) / 3600
    return Money(exact.quantize(Decimal("0.0001")), an_hour.currency)

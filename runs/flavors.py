"""Named classes of hardware, each with a Celery queue of its own; a worker says which ones it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flavor:
    """One class of hardware, as people choose it on the fine-tune form."""

    name: str
    title: str
    hardware: str
    # memory of its accelerator, in words; empty where there is none
    accelerator_memory: str = ""

    @property
    def queue(self) -> str:
        """The Celery queue its workers listen on."""
        return f"train.{self.name}"


FLAVORS: dict[str, Flavor] = {
    flavor.name: flavor
    for flavor in (
        Flavor("cpu-basic", "CPU", "the processor of the worker's machine"),
        Flavor("gpu-small", "GPU, small", "one accelerator with up to 24 GB of memory", "up to 24 GB"),
        Flavor("gpu-large", "GPU, large", "one accelerator with more than 24 GB of memory", "over 24 GB"),
    )
}
DEFAULT_FLAVOR = "cpu-basic"

"""What a measured step says of a whole run: memory, seconds by part, and what would fit where it does not.

Standard library only. `training.preflight` measures; the web keeps what was measured, scales it to other
epochs and asks what fits. All numbers are of `measured`, whose fields `training.preflight` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from training.forecast_advice import Advice, advice_of, in_words

__all__ = ["FORECAST_VERSION", "PARTS", "Advice", "Forecast", "fit", "in_words", "told"]

FORECAST_VERSION = 1
PARTS = ("load", "features", "steps", "validation", "save", "evaluate")
# As the loop has it: never oftener than this, and never more than so large a part of the time.
CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 10.0, 20.0
# Below this share of the first pause a run will end without a checkpoint.
SURELY_NONE = 0.85


@dataclass(frozen=True)
class Forecast:
    """Of a run of `epochs`, on the machine that took the measured steps."""

    measured: Mapping[str, Any]
    epochs: int

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of the run by part, in the order in which they come."""
        found = dict.fromkeys(PARTS, 0.0)
        for phase in self.measured["phases"]:
            epochs = phase["epochs"] or self.epochs
            found["load"] += phase["load"]
            found["features"] += phase["features"]
            found["steps"] += _learning_seconds(phase, epochs)
            found["validation"] += phase["validation"] * (epochs + phase["looks_before"])
            found["save"] += phase["save"] + self._checkpoints(phase) * phase["checkpoint"]
        found["evaluate"] = self.measured["evaluate"]
        return found

    @property
    def seconds(self) -> float:
        """Wall-clock time of the whole run; at most so much where `at_most` says so."""
        return sum(self.parts.values())

    @property
    def steps(self) -> int:
        """Optimizer steps of all phases."""
        return sum(
            phase["steps_per_epoch"] * (phase["epochs"] or self.epochs) for phase in self.measured["phases"]
        )

    @property
    def seconds_per_step(self) -> float:
        steps = self.steps
        return self.parts["steps"] / steps if steps else 0.0

    @property
    def peak_memory_bytes(self) -> int:
        """The most that the process holds in memory at any time."""
        return self._peak("process") or 0

    @property
    def gpu_peak_memory_bytes(self) -> int | None:
        """The most that lies in tensors on the GPU; None where the run does not use one."""
        return self._peak("gpu")

    @property
    def at_most(self) -> bool:
        """Whether the run may end sooner: early stopping."""
        return bool(self.measured["at_most"])

    def for_epochs(self, epochs: int) -> Forecast:
        """The same measurement for a run of so many epochs."""
        return replace(self, epochs=epochs)

    def for_recipe(self, recipe: Mapping[str, Any]) -> Forecast:
        """For a recipe (`Recipe.as_dict()`) of the same shape: see `training.shapes`."""
        return self.for_epochs(int(recipe["optim"]["epochs"]))

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it back."""
        return {
            "version": FORECAST_VERSION,
            "peak_memory_bytes": self.peak_memory_bytes,
            "gpu_peak_memory_bytes": self.gpu_peak_memory_bytes,
            "seconds": round(self.seconds, 2),
            "parts": {name: round(value, 2) for name, value in self.parts.items()},
            "steps": self.steps,
            "seconds_per_step": round(self.seconds_per_step, 6),
            "epochs": self.epochs,
            "at_most": self.at_most,
            "by_batch": {str(size): self.peak_at(size) for size in self._batches()},
            "advice": [advice.as_dict() for advice in self.advice()],
            "notes": list(self.measured["notes"]),
            "measured": dict(self.measured),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Forecast:
        """Raises `ValueError` for what an engine of another version has measured."""
        if plain.get("version") != FORECAST_VERSION:
            raise ValueError("a forecast of another version")
        return cls(plain["measured"], int(plain["epochs"]))

    def peak_at(self, batch: int, *, where: str = "process") -> int:
        """Memory with so many rows at once; `where`: `process` or `gpu`."""
        memory, given = self.measured["memory"][where], self.measured["recipe"]["batch_size"]
        whole = self._peak(where) or 0
        if batch == given:
            return whole
        steps = memory["steps"] - memory["per_row"] * (given - batch)
        return int(max(steps, whole) if batch > given else min(whole, max(steps, self.floor(where))))

    def floor(self, where: str = "process") -> int:
        """Memory that no smaller batch saves: weights, optimizer, data, reading, validating and writing."""
        memory = self.measured["memory"][where]
        waits = "checkpoint" if self._saves_checkpoints() else "save"
        return int(max(memory["live"], memory["load"], memory["validation"], memory[waits]))

    def advice(self, where: str | None = None) -> list[Advice]:
        """Changes that need less memory, the least painful first, with what the run then needs."""
        return advice_of(self, where or self.narrow)

    @property
    def narrow(self) -> str:
        """Where memory is short: on the GPU where there is one."""
        return "gpu" if self.measured["memory"].get("gpu") else "process"

    def _batches(self) -> list[int]:
        given = self.measured["recipe"]
        size, least = given["batch_size"], self.measured["memory"]["smallest_batch"]
        return sorted({max(least, size >> times) for times in range(3)} | {size})

    def _peak(self, where: str) -> int | None:
        if self.measured["memory"].get(where) is None:
            return None
        # The second phase of two begins in the memory that the first one leaves.
        peaks = [self._phase_peak(phase, where) for phase in self.measured["phases"]]
        return int(max(*peaks, self.measured["memory"][where].get("evaluate") or 0, 0))

    def _phase_peak(self, phase: Mapping[str, Any], where: str) -> float:
        peaks = phase["peaks"][where]
        learning = _reached(phase, phase["epochs"] or self.epochs)
        run = float(peaks["run"])
        if learning is not None:
            # What validation and saving needed beyond the steps comes on top of fewer stages too.
            run += _between(phase["stages"], learning, f"peak_{where}") - peaks["steps"]
        with_checkpoint = peaks["checkpoint"] if self._checkpoints(phase) else 0
        return max(peaks["load"], run, with_checkpoint)

    def _checkpoints(self, phase: Mapping[str, Any]) -> int:
        """How many are written while a phase learns; a probe writes one more when it is done."""
        epochs = phase["epochs"] or self.epochs
        learning = _learning_seconds(phase, epochs) + phase["validation"] * epochs
        pause = max(self.measured["checkpoint_seconds"], CHECKPOINT_SHARE * phase["checkpoint"])
        first = self.measured["checkpoint_seconds"]
        count = 0
        if learning >= SURELY_NONE * first:
            count = 1 + int(max(0.0, learning - first) / (pause + phase["checkpoint"]))
        return count + (1 if phase["epochs"] else 0)

    def _saves_checkpoints(self) -> bool:
        return any(self._checkpoints(phase) for phase in self.measured["phases"])


def fit(forecast: Forecast, limit_bytes: int, *, where: str | None = None) -> Advice | None:
    """None where the run fits into `limit_bytes`; else the first change that makes it fit.

    Where no change does, `changes` of the advice is empty and its sentence says what the least would be.
    `where`: `process` or `gpu`; None: the GPU where there is one.
    """
    where = where or forecast.narrow
    needed = forecast.peak_memory_bytes if where == "process" else forecast.gpu_peak_memory_bytes
    if needed is None or needed <= limit_bytes:
        return None
    found = forecast.advice(where)
    for advice in found:
        if advice.peak_memory_bytes <= limit_bytes:
            return advice
    least = min((advice.peak_memory_bytes for advice in found), default=needed)
    return Advice.nothing_fits(min(least, needed), limit_bytes)


def _learning_seconds(phase: Mapping[str, Any], epochs: int) -> float:
    """Of all steps of a phase; with gradual unfreezing epochs cost more and more."""
    if not phase["every"]:
        return float(phase["stages"][-1]["epoch_seconds"]) * epochs
    counts = (_learning(phase, epoch) for epoch in range(epochs))
    return sum(_between(phase["stages"], count, "epoch_seconds") for count in counts)


def _reached(phase: Mapping[str, Any], epochs: int) -> int | None:
    return _learning(phase, epochs - 1) if phase["every"] else None


def _learning(phase: Mapping[str, Any], epoch: int) -> int:
    return int(min(phase["stages"][-1]["count"], 1 + epoch // phase["every"]))


def _between(stages: list[Mapping[str, Any]], count: int, name: str) -> float:
    """The number `name` with `count` stages learning, on the line between those that were measured."""
    below = max((item for item in stages if item["count"] <= count), key=lambda item: item["count"])
    above = min((item for item in stages if item["count"] >= count), key=lambda item: item["count"])
    if above["count"] == below["count"]:
        return float(below[name])
    share = (count - below["count"]) / (above["count"] - below["count"])
    return float(below[name] + share * (above[name] - below[name]))


def told(forecast: Forecast, advice: Advice | None = None) -> str:
    """A forecast for people, some lines; the last one is the change that makes it fit, where there is one."""
    bound = "at most " if forecast.at_most else ""
    parts = ", ".join(f"{name} {value:.1f}" for name, value in forecast.parts.items() if value >= 0.05)
    lines = [
        f"memory {in_words(forecast.peak_memory_bytes)}",
        f"time {bound}{forecast.seconds:.0f} s ({parts})",
        f"{forecast.steps:,} steps of {1000 * forecast.seconds_per_step:.1f} ms",
        f"on {forecast.measured['device']}",
    ]
    if forecast.gpu_peak_memory_bytes is not None:
        lines.insert(1, f"GPU memory {in_words(forecast.gpu_peak_memory_bytes)}")
    lines += list(forecast.measured["notes"])
    return "\n".join(lines + ([advice.text] if advice else []))

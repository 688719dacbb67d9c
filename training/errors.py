"""Whose fault it was. A `UserError` is about a recipe, a data set or a model; an `EngineError` is ours."""

from __future__ import annotations


class TrainingError(Exception):
    """Root of every error the engine raises on purpose; `message_id` is stable, `message` is for people."""

    def __init__(self, message_id: str, message: str) -> None:
        super().__init__(message)
        self.message_id = message_id
        self.message = message


class UserError(TrainingError):
    """The recipe, the data or the model cannot be used; `message` says what to change."""


class EngineError(TrainingError):
    """We failed; `message` is safe to show, the traceback belongs in our log."""


class Canceled(TrainingError):
    """Somebody no longer wants this run; stop at once and publish nothing."""

    def __init__(self, message: str = "The run was canceled.") -> None:
        super().__init__("run:canceled", message)


class Interrupted(TrainingError):
    """This process was told to stop; the run goes on elsewhere or later from its checkpoint."""

    def __init__(self, message: str = "The worker was told to stop.") -> None:
        super().__init__("run:interrupted", message)


class ToldElsewhere(TrainingError):
    """Another process of this run failed first and has told why; this one ends without a word."""

    def __init__(self) -> None:
        super().__init__("run:told-elsewhere", "Another process of this run failed.")

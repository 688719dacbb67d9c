"""The tables of runs."""

from __future__ import annotations

from runs.models.guide import Guide, GuideStage
from runs.models.ledger import Attempt, ComputeQuota
from runs.models.notice import NoticeStatus, RunNotice
from runs.models.run import ENDED, Kind, Run, RunQuerySet, Stage
from runs.models.sweep import Measurement, Sweep
from runs.models.telling import RunActivity, RunLabel, RunLog, RunMetric
from runs.models.worker import Doing, Tier, Worker, WorkerState

__all__ = [
    "ENDED",
    "Attempt",
    "ComputeQuota",
    "Doing",
    "Guide",
    "GuideStage",
    "Kind",
    "Measurement",
    "NoticeStatus",
    "Run",
    "RunActivity",
    "RunLabel",
    "RunLog",
    "RunMetric",
    "RunNotice",
    "RunQuerySet",
    "Stage",
    "Sweep",
    "Tier",
    "Worker",
    "WorkerState",
]

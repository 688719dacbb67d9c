"""What every field of a recipe is called and means; `runs/fields.py` says it of those of a task's data."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from runs.fields import WORDS as DATA_WORDS
from runs.recipe_help_strategy import STRATEGY_WORDS

# Field → label, help. A test says which ones are missing.
WORDS: dict[str, tuple[Any, Any]] = {
    "base_model": (
        _("Base model"),
        _("The model to begin with; null where network describes a net without one."),
    ),
    "base_model.repo": (
        _("Base model"),
        _("The base model: namespace/name, or a directory on the command line."),
    ),
    "base_model.revision": (
        _("Revision of the base"),
        _("Branch, tag or commit; frozen to a commit at submission."),
    ),
    "dataset.repo": (_("Dataset"), _("The dataset: namespace/name, or a directory on the command line.")),
    "dataset.revision": (
        _("Revision of the dataset"),
        _("Branch, tag or commit; frozen to a commit at submission."),
    ),
    "dataset.train_split": (_("Training split"), _("The split to learn from.")),
    "dataset.validation_split": (
        _("Validation split"),
        _("The split that steers; null: a part of the training split."),
    ),
    "dataset.validation_fraction": (
        _("Part held out"),
        _("How large that part is, drawn by class and seed (of a series: its end)."),
    ),
    "dataset.folds": (
        _("Folds"),
        _(
            "Cut the training rows into so many folds, alike in their classes, and validate on one; "
            "null: a fraction."
        ),
    ),
    "dataset.fold": (_("Fold that validates"), _("Which fold validates, counted from 0.")),
    "version": (_("Version of the format"), _("Version of this format.")),
    "task": (_("Task"), _("What is learned.")),
    "init": (_("Start from"), _("Start from the base's weights, or from random ones (the baseline).")),
    **STRATEGY_WORDS,
    "loss.kind": (_("Loss"), _("What is minimised; auto is the task's own.")),
    "loss.gamma": (_("Gamma"), _("Of focal: how little sure hits count.")),
    "loss.delta": (
        _("Delta"),
        _("Of huber: the error beyond which the loss grows linearly, in the units learned."),
    ),
    "loss.class_weights": (
        _("Weights of classes"),
        _("Weights of classes: n/(k·n_c), or by effective number (0.999)."),
    ),
    "sampling": (_("Order of examples"), _("Balanced: an epoch shows every class equally often.")),
    "optim.name": (_("Optimizer"), _("Optimizer.")),
    "optim.lr": (_("Learning rate"), _("Highest learning rate.")),
    "optim.momentum": (_("Momentum"), _("Of sgd.")),
    "optim.weight_decay": (_("Weight decay"), _("On weights, not on biases or norms.")),
    "optim.epochs": (_("Epochs"), _("Passes over the training rows.")),
    "optim.batch_size": (_("Batch size"), _("Rows per step in memory.")),
    "optim.grad_accum_steps": (_("Accumulation"), _("Steps whose gradients are added up before an update.")),
    "optim.warmup_fraction": (_("Warm-up"), _("Part of the run in which the learning rate rises.")),
    "optim.schedule": (
        _("Schedule"),
        _(
            "What the learning rate does after that; one-cycle moves momentum (or Adam's beta 1) "
            "between 0.95 and 0.85 as well."
        ),
    ),
    "optim.label_smoothing": (_("Label smoothing"), _("Share of the target spread over all classes.")),
    "optim.grad_clip": (_("Gradient clipping"), _("Largest gradient norm; null: no clipping.")),
    "optim.ema": (
        _("Average of the weights"),
        _("Decay of the running mean of the weights, which is then measured and published; null: none."),
    ),
    "early_stopping.patience": (
        _("Patience"),
        _("Epochs without a better metric before stopping; null: never stop early."),
    ),
    "early_stopping.metric": (
        _("Metric watched"),
        _("What is watched, as validation names it (loss, macro_f1); null: the task's own."),
    ),
    "early_stopping.min_delta": (_("Smallest gain"), _("How much better counts as better.")),
    "benchmark": (_("Benchmark"), _("Measure the result on a held-out split; null: do not.")),
    "benchmark.repo": (_("Benchmark"), _("The benchmark's dataset.")),
    "benchmark.revision": (
        _("Revision of the benchmark"),
        _("Branch, tag or commit; frozen to a commit at submission."),
    ),
    "benchmark.task_id": (_("Task of the benchmark"), _("Its task, as in eval.yaml.")),
    "benchmark.split": (_("Split measured on"), _("The split to measure on; never one the run learns from.")),
    "study": (_("Study"), _("Searches and repeats, for python -m training study; null: none.")),
    "study.seeds": (_("Seeds"), _("How many runs, each with the next seed: their mean and spread are told.")),
    "study.folds": (
        _("Folds of the study"),
        _("Cross-validation: every seed once for each of so many folds; null: none."),
    ),
    "study.search": (_("Search"), _("A search over fields of this recipe before the repeats; null: none.")),
    "study.search.space": (
        _("Search space"),
        _("From a field's name to a list of choices or a range {low, high, log}."),
    ),
    "study.search.method": (
        _("Search method"),
        _(
            "All points, points by chance, points near good ones, or by chance with the hopeless "
            "given up early."
        ),
    ),
    "study.search.trials": (_("Trials"), _("How many points at most.")),
    "study.search.budget_minutes": (
        _("Budget in minutes"),
        _("Wall-clock time of the search; the trial it ends in counts for nothing."),
    ),
    "study.search.min_epochs": (
        _("Epochs before giving up"),
        _("With halving, epochs before a trial may be given up."),
    ),
    "study.search.reduction": (
        _("One in so many goes on"),
        _("With halving, one in so many goes on to as many times the epochs."),
    ),
    "study.leave_one_out": (
        _("Leave one out"),
        _("Tell the exact leave-one-out numbers of a ridge head, with strategy.kind: head."),
    ),
    "precision": (
        _("Precision"),
        _(
            "Of the products while learning; auto: bf16 on devices that multiply it natively, on a "
            "CPU for nets of a million weights or more, else fp32; weights and validation are fp32 "
            "always."
        ),
    ),
    "seed": (_("Seed"), _("Of every random choice.")),
    "deterministic": (_("Repeatable"), _("Equal runs give equal numbers on equal machines.")),
}


def words_of(path: str) -> tuple[Any, Any]:
    """Label and help of a field by its dotted name; one that nobody named here is called by its own name."""
    leaf = path.rpartition(".")[2]
    if path in WORDS:
        return WORDS[path]
    if path.startswith("dataset.") and leaf in DATA_WORDS:
        return DATA_WORDS[leaf]
    return leaf.replace("_", " ").capitalize(), ""


def is_named(path: str) -> bool:
    """Whether somebody has named the field."""
    return path in WORDS or (path.startswith("dataset.") and path.rpartition(".")[2] in DATA_WORDS)

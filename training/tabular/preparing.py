"""From splits and a target to what the loop runs on, the same for numbers and for classes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from training.batches import Batches
from training.tabular import runs
from training.tabular.nets import TabularNet
from training.tabular.rows import Splits, TableRows, rows_of
from training.tabular.targets import ClassTarget, Target
from training.tasks.base import Examples, Plan, Prepared, Task


def prepare_table(
    plan: Plan,
    splits: Splits,
    target: Target,
    learned: Callable[[Target], list[Tensor]],
    make_task: Callable[[Target], Task],
) -> Prepared:
    """`learned(target)`: what the net learns of the training rows, and of the validation rows if any."""
    pretrained = plan.recipe.init == "pretrained"
    base = runs.open_base(plan)
    encoder, left_out = runs.fit_encoder(plan, splits, base)
    kept = runs.same_target(base, target, pretrained=pretrained)
    target = kept or target
    outputs = len(target.classes) if isinstance(target, ClassTarget) else target.outputs
    goals = learned(target)
    train = rows_of(encoder, splits.train, goals[0])
    val = rows_of(encoder, splits.val, goals[1]) if splits.val else None
    net, config = runs.make_net(plan, train, encoder, outputs, base, keep_head=kept is not None)
    files = runs.TableModelFiles(plan, net, config, encoder, target, left_out)
    learner: nn.Module = net
    learn: Examples = train
    hold: Examples | None = val
    if plan.recipe.strategy.kind == "head":
        plan.reporter.stage("features")
        learner, learn = net.head, _features(net, train, plan)
        hold = _features(net, val, plan) if val else None
    return Prepared(
        files.network,
        learner,
        files.stages,
        make_task(target),
        learn,
        hold,
        plan.device,
        files.save,
        eval_batch=runs.EVAL_ROWS,
    )


def _features(net: TabularNet, rows: TableRows, plan: Plan) -> Batches:
    """Rows as the frozen body sees them, for a head that learns alone."""
    return Batches(runs.head_features(net, rows, plan.device), rows.targets, None)

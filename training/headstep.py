"""One optimizer step of a linear head on cached features, without the autograd engine.

On cached features a step is a few thousand multiplications: graph building, hooks and Python inside the
optimizer cost ten times the arithmetic. Softmax regression's gradient is known, so it is written down: the
same updates as the general loop gives, to rounding, in about a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.optim import set_lr

# Multiplications in a step below which a second thread costs more than it helps: some 0.1 ms of one core.
SMALL_STEP = 5_000_000


class HeadStep:
    """Softmax cross-entropy of `head` on `inputs` [n, d] and `targets` [n], all on one device, in fp32.

    `run` leaves gradients in `.grad` and state in `optimizer` exactly where the general loop would, so that
    checkpoints and the learning-rate schedule need not know which of the two ran.
    """

    def __init__(
        self,
        head: nn.Linear,
        optimizer: torch.optim.Optimizer,
        inputs: Tensor,
        targets: Tensor,
        *,
        label_smoothing: float = 0.0,
        grad_clip: float | None = None,
    ) -> None:
        self.head, self.optimizer, self.inputs, self.targets = head, optimizer, inputs, targets
        self.grad_clip = grad_clip
        classes = head.out_features
        self.goals = F.one_hot(targets, classes).float() * (1 - label_smoothing) + label_smoothing / classes
        self.pending: list[Tensor] = []
        self.pending_rows: list[Tensor] = []
        self.kernels: list[FusedAdam] | None = None
        self.steps: list[Tensor] = []
        head.weight.grad, head.bias.grad = torch.zeros_like(head.weight), torch.zeros_like(head.bias)

    @staticmethod
    def fits(learner: nn.Module, inputs: Tensor) -> bool:
        """True for a linear layer with a bias, all of it learning, over a table of features."""
        if not isinstance(learner, nn.Linear) or learner.bias is None or inputs.ndim != 2:
            return False
        same_device = inputs.device == learner.weight.device
        learns = learner.weight.requires_grad and learner.bias.requires_grad
        return same_device and learns and inputs.dtype == learner.weight.dtype == torch.float32

    @contextmanager
    def threads(self, rows: int) -> Iterator[None]:
        """One thread while steps of `rows` images are small: on busy cores, waiting for a second thread took
        ten times as long as the step itself.
        """
        before = torch.get_num_threads()
        if 2 * rows * self.head.in_features * self.head.out_features < SMALL_STEP:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def step(self, rows: Tensor) -> None:
        """One update from the mean loss over `rows`; `rows` may hold several micro-batches, accumulated."""
        self.run(rows, len(rows))

    def run(
        self,
        order: Tensor,
        size: int,
        lrs: Sequence[float] = (),
        momenta: Sequence[float | None] = (),
    ) -> None:
        """One update for every `size` rows of `order`, the last one for what is left.

        With `lrs` as the learning rates of the updates, and `momenta` as their momenta where one is given.
        """
        whole = len(order) // size * size
        done = whole // size
        if whole:
            self._run(order[:whole], size, lrs, momenta)
        if whole < len(order):
            self._run(order[whole:], len(order) - whole, lrs[done:], momenta[done:])

    @torch.inference_mode()
    def _run(self, order: Tensor, size: int, lrs: Sequence[float], momenta: Sequence[float | None]) -> None:
        """Updates of equal size. Gathering for many at once, and few calls each, is what makes them cheap."""
        weight, bias = self.head.weight, self.head.bias
        share = 1 / size
        batches = self.inputs.index_select(0, order).split(size)
        pulls = self.goals.index_select(0, order).mul_(-share).split(size)
        for number, (batch, pull) in enumerate(zip(batches, pulls, strict=True)):
            logits = torch.addmm(bias, batch, weight.t())
            self.pending.append(logits)
            # (softmax - goal) / size, the slope of the mean loss
            slope = torch.add(pull, torch.softmax(logits, 1), alpha=share)
            torch.mm(slope.t(), batch, out=weight.grad)
            torch.sum(slope, 0, out=bias.grad)
            if lrs:
                set_lr(self.optimizer, lrs[number], momenta[number] if momenta else None)
            self._update()
        self.pending_rows.append(order)

    def _update(self) -> None:
        if self.grad_clip is not None:
            nn.utils.clip_grad_norm_([self.head.weight, self.head.bias], self.grad_clip)
        if self.kernels:
            torch._foreach_add_(self.steps, 1)
            for kernel in self.kernels:
                kernel.step()
            return
        # The first step takes the public road, which makes the state; so do settings without a kernel.
        self.optimizer.step()
        if self.kernels is None:
            self.kernels = fused_kernels(self.optimizer)
            self.steps = [step for kernel in self.kernels for step in kernel.steps]

    @torch.inference_mode()
    def drain(self) -> tuple[Tensor, Tensor, int]:
        """Sum of losses, number of hits and number of images of the steps since the last call."""
        if not self.pending:
            return torch.zeros(()), torch.zeros(()), 0
        logits, rows = torch.cat(self.pending), torch.cat(self.pending_rows)
        self.pending, self.pending_rows = [], []
        loss = -(self.goals[rows] * torch.log_softmax(logits, dim=1)).sum()
        hits = (logits.argmax(1) == self.targets[rows]).sum().float()
        return loss, hits, len(rows)


class FusedAdam:
    """The kernel behind Adam and AdamW with `fused=True`, called without the checks around it.

    It holds the optimizer's own tensors, and reads learning rate and momentum of its group anew at every
    step. The caller counts `steps` up, all kernels' at once.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, groups: list[dict[str, Any]]) -> None:
        self.group = groups[0]
        self.kernel = torch._fused_adamw_ if isinstance(optimizer, torch.optim.AdamW) else torch._fused_adam_
        parameters = [parameter for group in groups for parameter in group["params"]]
        states = [optimizer.state[parameter] for parameter in parameters]
        self.steps = [state["step"] for state in states]
        self.tensors: tuple[Any, ...] = (
            parameters,
            [parameter.grad for parameter in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            self.steps,
        )

    def step(self) -> None:
        group = self.group
        beta1, beta2 = group["betas"]
        self.kernel(
            *self.tensors,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


def fused_kernels(optimizer: torch.optim.Optimizer) -> list[FusedAdam]:
    """One kernel for each set of groups that agree in everything; empty where there is none to call."""
    if type(optimizer) not in (torch.optim.AdamW, torch.optim.Adam) or not hasattr(torch, "_fused_adamw_"):
        return []
    alike: dict[str, list[dict[str, Any]]] = {}
    for group in optimizer.param_groups:
        if not group["fused"] or group["amsgrad"] or group["maximize"] or group["capturable"]:
            return []
        settings = {name: value for name, value in group.items() if name != "params"}
        alike.setdefault(repr(sorted(settings.items())), []).append(group)
    return [FusedAdam(optimizer, groups) for groups in alike.values()]

"""L2-SP (Li et al. 2018): a pull towards the pretrained weights keeps what small data would wear away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Anchor:
    """Penalty alpha/2 ||w - w0||² on the body and beta/2 ||w||² on the head, w0 the weights at this moment.

    `pull` moves the weights by the penalty's own gradient times the learning rate, before the optimizer's
    step and beside its moments, as AdamW does with weight decay (Loshchilov & Hutter 2019): Adam's scaling
    would weaken the pull just where gradients are large. With plain SGD it is the same as adding the penalty
    to the loss. It holds a copy of `body`, on the same device.
    """

    def __init__(self, body: Sequence[Tensor], head: Sequence[Tensor], alpha: float, beta: float) -> None:
        self.alpha, self.beta = alpha, beta
        self.origins = {id(item): item.detach().clone() for item in body}
        self.body, self.shrunk = list(body), {id(item) for item in head}
        self.head = list(head)

    @torch.no_grad()
    def pull(self, groups: Sequence[dict[str, Any]]) -> None:
        """One step for the parameters of an optimizer's `groups`, each at its group's `lr`.

        Parameters that do not learn at present (no gradient) stay where they are.
        """
        for group in groups:
            moving = [item for item in group["params"] if item.grad is not None]
            body = [item for item in moving if id(item) in self.origins]
            if body and self.alpha:
                share = group["lr"] * self.alpha
                torch._foreach_lerp_(body, [self.origins[id(item)] for item in body], share)
            head = [item for item in moving if id(item) in self.shrunk]
            if head and self.beta:
                torch._foreach_mul_(head, 1 - group["lr"] * self.beta)

    @torch.no_grad()
    def penalty(self) -> float:
        """alpha/2 ||w - w0||² + beta/2 ||w||² as the weights stand."""
        body = sum(float((item - self.origins[id(item)]).square().sum()) for item in self.body)
        head = sum(float(item.square().sum()) for item in self.head)
        return self.alpha / 2 * body + self.beta / 2 * head

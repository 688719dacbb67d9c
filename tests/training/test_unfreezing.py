from __future__ import annotations

import pytest
import torch
from torch import nn

from training import unfreezing


def test_one_stage_more_after_every_epoch() -> None:
    assert [unfreezing.learning_stages(epoch, 4, 1) for epoch in range(6)] == [1, 2, 3, 4, 4, 4]
    assert [unfreezing.learning_stages(epoch, 3, 2) for epoch in range(7)] == [1, 1, 2, 2, 3, 3, 3]
    for stages, every in ((4, 1), (3, 2), (1, 5)):
        needed = unfreezing.epochs_to_unfreeze(stages, every)
        counts = [unfreezing.learning_stages(epoch, stages, every) for epoch in range(needed)]
        assert counts.count(stages) == every


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_frozen_stages_stay_and_the_others_move(kind: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Linear(3, 3) for _ in range(3)])
    stages = [[f"{index}.weight", f"{index}.bias"] for index in range(3)]
    parameters = dict(net.named_parameters())
    optimizer = {
        "sgd": lambda: torch.optim.SGD(parameters.values(), lr=0.1, momentum=0.9, weight_decay=0.1),
        "adamw": lambda: torch.optim.AdamW(parameters.values(), lr=0.1, weight_decay=0.1),
    }[kind]()
    for count in (1, 3, 2):
        unfreezing.unfreeze(net, stages, count)
        before = {name: item.detach().clone() for name, item in parameters.items()}
        for _ in range(2):
            optimizer.zero_grad()
            net(torch.randn(4, 3)).square().sum().backward()
            optimizer.step()
        moved = {name for name, item in parameters.items() if not torch.equal(item, before[name])}
        assert moved == {name for stage in stages[3 - count :] for name in stage}

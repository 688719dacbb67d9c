"""`timm`: push_to_hf_hub and create_model("hf-hub:…")."""

from __future__ import annotations

import sys

import timm
import torch
from rows import TOKEN, new_id, row, run_rows
from timm.models import push_to_hf_hub

repo_id = new_id()
torch.manual_seed(0)
MODEL = timm.create_model("resnet10t", pretrained=False, num_classes=3)


@row("push_to_hf_hub")
def push() -> None:
    push_to_hf_hub(MODEL, repo_id, token=TOKEN, model_config={"label_names": ["a", "b", "c"]})


@row("create_model from hf-hub:")
def load() -> None:
    found = timm.create_model(f"hf-hub:{repo_id}", pretrained=True)
    left, right = MODEL.state_dict(), found.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)


@row("features only, another head")
def head() -> None:
    assert timm.create_model(f"hf-hub:{repo_id}", pretrained=True, num_classes=7).num_classes == 7


if __name__ == "__main__":
    sys.exit(run_rows())

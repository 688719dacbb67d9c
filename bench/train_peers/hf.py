"""The Hugging Face Trainer's arms, for pictures and for texts."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from bench.train_peers.images import Decoded, Pictures, _net
from bench.train_peers.work import BATCH, CLASSES, RATES, TOKENS, Job, table_of

os.environ["TOKENIZERS_PARALLELISM"] = "false"


class ForTrainer(nn.Module):
    """A net as the Trainer wants one: loss and logits by name."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(pixel_values)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def images(job: Job) -> nn.Module:
    net = _net(job)
    data: Any = Decoded(job) if job.tuned else Pictures(job)

    def collate(items: list[Any]) -> dict[str, Tensor]:
        if job.tuned:
            inputs, targets = data.batch(items)
            return {"pixel_values": inputs, "labels": targets}
        pictures, labels = zip(*items, strict=True)
        return {"pixel_values": torch.stack(pictures), "labels": torch.tensor(labels)}

    Trainer(ForTrainer(net), arguments(job), train_dataset=data, data_collator=collate).train()
    return net


def texts(job: Job) -> Any:
    rows, tokenizer, net = text_rows(job)
    how: dict[str, Any] = {"train_sampling_strategy": "group_by_length"} if job.tuned else {}
    collate = DataCollatorWithPadding(tokenizer)
    Trainer(net, arguments(job, **how), train_dataset=rows, data_collator=collate).train()
    return net


def text_rows(job: Job) -> tuple[list[dict[str, Any]], Any, Any]:
    """Tokens and labels of the training rows, the tokenizer, and the encoder with a new layer."""
    table = table_of(job, "train")
    tokenizer = AutoTokenizer.from_pretrained(job.base)
    found = tokenizer(table["text"].to_pylist(), truncation=True, max_length=TOKENS)
    names = sorted(set(table["label"].to_pylist()))
    labels = [names.index(label) for label in table["label"].to_pylist()]
    rows = [
        {"input_ids": ids, "attention_mask": mask, "labels": label}
        for ids, mask, label in zip(found["input_ids"], found["attention_mask"], labels, strict=True)
    ]
    torch.manual_seed(job.seed)
    # On this processor torch's fused attention falls back to slow fp32 products while there is dropout.
    how = {"attn_implementation": "eager"} if job.tuned else {}
    net = AutoModelForSequenceClassification.from_pretrained(job.base, num_labels=CLASSES[job.race], **how)
    return rows, tokenizer, net


def arguments(job: Job, **more: Any) -> TrainingArguments:
    """Defaults of the Trainer but for the recipe that all arms follow; nothing is written on the way."""
    return TrainingArguments(
        output_dir=str(job.work / "trainer"),
        learning_rate=RATES[job.race],
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        num_train_epochs=job.epochs,
        per_device_train_batch_size=BATCH,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        seed=job.seed,
        bf16=job.form == "bf16",
        remove_unused_columns=False,
        disable_tqdm=True,
        **more,
    )

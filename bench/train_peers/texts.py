"""Text arms: the plain loop over a transformers encoder, ours, and the test in fp32."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from bench.train_peers.hf import text_rows
from bench.train_peers.work import BATCH, RATES, TOKENS, Job, table_of


def plain(job: Job) -> Any:
    """The loop of the transformers course, without accelerate."""
    rows, tokenizer, net = text_rows(job)
    loader: Any = DataLoader(rows, BATCH, shuffle=True, collate_fn=DataCollatorWithPadding(tokenizer))  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=RATES[job.race], weight_decay=0, fused=job.tuned or None
    )
    net.train()
    for _ in range(job.epochs):
        for batch in loader:
            optimizer.zero_grad()
            with job.autocast():
                loss = net(**batch).loss
            loss.backward()
            optimizer.step()
    return net


def test(job: Job) -> float:
    """Accuracy of the saved model on the test rows, in fp32 and by its own tokenizer."""
    net = AutoModelForSequenceClassification.from_pretrained(job.out).eval().float()
    tokenizer = AutoTokenizer.from_pretrained(job.base)
    table, learnt = table_of(job, "test"), table_of(job, "train")
    names = sorted(set(learnt["label"].to_pylist()))
    truth = torch.tensor([names.index(label) for label in table["label"].to_pylist()])
    found = []
    with torch.inference_mode():
        for start in range(0, len(table), 50):
            part = table["text"].to_pylist()[start : start + 50]
            how: dict[str, Any] = {"truncation": True, "max_length": TOKENS, "padding": True}
            found.append(net(**tokenizer(part, return_tensors="pt", **how)).logits.argmax(1))
    return float((torch.cat(found) == truth).float().mean())


def mean_length(job: Job) -> float:
    """Tokens of a training text on average: padding is nobody's useful work."""
    rows, _, _ = text_rows(job)
    return sum(len(row["input_ids"]) for row in rows) / len(rows)

"""The page of bench.tasks.summarisation: one table, and who wins by the numbers."""

from __future__ import annotations

import statistics
from typing import Any

from bench import report
from bench.tasks.parts import Runs, cell, cost, made_by, mean, seeds

NUMBERS = ("rouge1", "rouge2", "rougeL", "chrf", "exact_match")
LABELS = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "chrf": "chrF",
          "exact_match": "exact match"}  # fmt: skip
SCRATCH = "small T5 from scratch"


def markdown(found: dict[str, Any]) -> str:
    methods = {name: runs for part in found.values() for name, runs in part["methods"].items()}
    order = sorted(methods, key=lambda method: -mean(methods[method], "rougeL"))
    rows = [
        [method, *(cell(methods[method], number) for number in NUMBERS), seeds(methods[method]),
         cost(methods[method])]
        for method in order
    ]  # fmt: skip
    head = ["method", *(LABELS[number] for number in NUMBERS), "seeds", "processor time"]
    parts = [_about(found), report.table(head, rows), verdict(methods)]
    command = "python -m bench.tasks.summarisation --only"
    parts += [made_by(f"{command} {name}", part) for name, part in found.items()]
    return "\n\n".join(parts) + "\n"


def _about(found: dict[str, Any]) -> str:
    text = (
        "Subject lines of mails from their bodies, on the mails that open a thread in SpamAssassin's public\n"
        "corpus, no subject in two splits; mean ± standard deviation over the seeds, methods without one\n"
        "measured once, ROUGE as F1 without stemming. No encoder-decoder weights come inside a package:\n"
        "the small T5 (1.3 million numbers) begins with random ones. Of an answer its first line counts,\n"
        "without `Subject:` and quotation marks. No setting was tuned but how many first words are taken,\n"
        "on training mails. No mail is shown: they are real people's. "
    )
    if "nets" in found:
        counts = found["nets"]["rows"]
        text += f"{counts['train']} mails to learn from, {counts['test']} to be tested on."
    if "smollm2" in found:
        taught = found["smollm2"]["taught"]
        text += (
            f"\n\nSmolLM2 reads the first {taught['words']} words of a mail and learns one epoch from "
            f"{taught['max_train_rows']} mails that the seed\ndraws, its weights in bf16 there and when "
            "answering; the T5 learns from all of them, twelve epochs of the first\n160 tokens."
        )
    return text


def verdict(methods: dict[str, Runs]) -> str:
    """Who is ahead by each number, and the best net against the best plain method by ROUGE-L."""
    best = {number: max(methods, key=lambda one: mean(methods[one], number)) for number in NUMBERS}
    text = f"Best by {'; '.join(f'{LABELS[number]}: {method}' for number, method in best.items())}."
    ours = [method for method in methods if method.startswith(("small T5", "SmolLM2"))]
    plain = [method for method in methods if method not in ours]
    if not ours or not plain:
        return text
    net, other = (max(part, key=lambda one: mean(methods[one], "rougeL")) for part in (ours, plain))
    gap = 100 * (mean(methods[net], "rougeL") - mean(methods[other], "rougeL"))
    values = [100 * run["rougeL"] for run in methods[net]]
    who = "the net is ahead" if gap > 0 else "the plain method is ahead"
    if len(values) > 1 and abs(gap) <= statistics.stdev(values):
        who = "by less than the seeds' spread: nobody is ahead"
    text += f"\nThe best net ({net}) against the best plain method ({other}): {gap:+.1f} points of ROUGE-L;"
    return f"{text} **{who}**."

"""The page of bench.tasks.translation: a table a data set, who wins by the numbers, and what is said."""

from __future__ import annotations

import statistics
from typing import Any

from bench import report
from bench.tasks.parts import cell, cost, made_by, mean, seeds

NUMBERS = ("chrf", "bleu", "token_f1", "exact_match")
LABELS = {"chrf": "chrF", "bleu": "BLEU", "token_f1": "token F1", "exact_match": "exact match"}
TITLES = {"emoji": "Names of emoji, English to German", "django": "Texts of Django, English to German"}


def markdown(found: dict[str, Any]) -> str:
    parts = [
        "English to German on the small sets of pairs that come inside packages; mean ± standard deviation\n"
        "over the seeds, methods without one measured once. No encoder-decoder weights come inside a\n"
        "package: the small T5 (one million numbers) begins with random ones, or goes on from the emoji\n"
        "names. Short phrases: the numbers rank methods at this size, and say nothing about translation."
    ]
    if "smollm2" in found:
        parts.append(
            "SmolLM2-135M-Instruct learns one epoch, its weights in bf16 there and when answering, from\n"
            "pairs that the seed draws: " + _drawn(found["smollm2"]) + "."
        )
    for name in TITLES:
        section = _section(name, found)
        parts += [section] if section else []
    command = "python -m bench.tasks.translation --only"
    parts += [made_by(f"{command} {name}", item) for name, item in found.items()]
    return "\n\n".join(parts) + "\n"


def _drawn(found: dict[str, Any]) -> str:
    counts = {name: found[name]["taught"]["max_train_rows"] for name in TITLES if name in found}
    return ", ".join(f"{TITLES[name].split(',')[0]}: {count or 'all'}" for name, count in counts.items())


def _section(name: str, found: dict[str, Any]) -> str:
    """One data set: the nets, the plain methods and the language model."""
    item = found.get("nets", {}).get(name, {})
    if not item:
        return ""
    model = found.get("smollm2", {}).get(name, {})
    methods, shown = ({**item[part], **model.get(part, {})} for part in ("methods", "shown"))
    order = sorted(methods, key=lambda method: -mean(methods[method], "chrf"))
    rows = [[method, *(cell(methods[method], number) for number in NUMBERS), seeds(methods[method]),
             cost(methods[method])] for method in order]  # fmt: skip
    head = ["method", *(LABELS[number] for number in NUMBERS), "seeds", "processor time"]
    about = f"{item['rows']['train']:,} pairs to learn from, {item['rows']['test']:,} to be tested on."
    chosen = [*[method for method in order if not _is_net(method)][:1], *filter(_is_net, order)]
    said = [
        [_line(text) for text in (source, target, *(shown[method][place] for method in chosen))]
        for place, (source, target) in enumerate(item["asked"])
    ]
    samples = report.table(["asked", "due", *chosen], said)
    return "\n\n".join([f"## {TITLES[name]}", about, report.table(head, rows), verdict(methods), samples])


def verdict(methods: dict[str, list[dict[str, float]]]) -> str:
    """Who is ahead by each number, and the best net against the best plain method by chrF."""
    lines = []
    for number in NUMBERS:
        best = max(methods, key=lambda method: mean(methods[method], number))
        lines.append(f"{LABELS[number]}: {best}")
    ours = [method for method in methods if _is_net(method)]
    plain = [method for method in methods if method not in ours]
    text = f"Best by {'; '.join(lines)}."
    if not ours or not plain:
        return text
    net, other = (max(part, key=lambda method: mean(methods[method], "chrf")) for part in (ours, plain))
    gap = mean(methods[net], "chrf") - mean(methods[other], "chrf")
    who = "the net wins" if gap > 0 else "the plain method wins"
    text += f"\nThe best net ({net}) against the best plain method ({other}): {gap:+.1f} chrF; **{who}**."
    first, scratch = (methods.get(f"small T5{name}") for name in (", emoji names first", " from scratch"))
    if first and scratch:
        gaps = [a["chrf"] - b["chrf"] for a, b in zip(first, scratch, strict=True)]
        won = sum(gap > 0 for gap in gaps)
        text += (
            f"\nEmoji names first against from scratch: {statistics.mean(gaps):+.1f} chrF on average, ahead "
            f"with {won} of {len(gaps)} seeds."
        )
    return text


def _is_net(method: str) -> bool:
    return method.startswith(("small T5", "SmolLM2"))


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:80]

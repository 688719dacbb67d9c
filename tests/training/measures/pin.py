"""Write pins.json: what the reference packages say of `examples`. They are not installed here; to renew it:

    python -m venv /tmp/pin && /tmp/pin/bin/pip install numpy seqeval sacrebleu rouge-score pycocotools \
        utilsforecast
    /tmp/pin/bin/python -m tests.training.measures.pin
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import sys
from pathlib import Path
from typing import Any

from tests.training.measures import examples

PINS = Path(__file__).with_name("pins.json")
PACKAGES = ("seqeval", "sacrebleu", "rouge-score", "pycocotools", "utilsforecast")


def entities() -> dict[str, Any]:
    from seqeval.metrics import accuracy_score, classification_report

    found = {}
    for seed, prefixes in enumerate(("BI", "I", "BIES")):
        truth, guess = examples.tagged(seed, prefixes)
        report = classification_report(truth, guess, output_dict=True)
        found[prefixes] = {
            "accuracy": float(accuracy_score(truth, guess)),
            **{kind: [float(value) for value in row.values()] for kind, row in report.items()},
        }
    return found


def texts() -> list[dict[str, Any]]:
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    found = []
    for seed in range(6):
        told, references = examples.texts(seed)
        first, all_of_them = [[row[0] for row in references]], list(zip(*references, strict=True))
        rows = [scorer.score_multi(own, text) for text, own in zip(told, references, strict=True)]
        found.append(
            {
                "bleu": sacrebleu.corpus_bleu(told, all_of_them).score,
                "bleu_first": sacrebleu.corpus_bleu(told, first).score,
                "chrf": sacrebleu.corpus_chrf(told, all_of_them).score,
                "chrf_first": sacrebleu.corpus_chrf(told, first).score,
                "tokens": [sacrebleu.BLEU().tokenizer(text).split() for text in told],
                **{name: sum(row[name].fmeasure for row in rows) / len(rows) for name in rows[0]},
            }
        )
    return found


def boxes() -> list[dict[str, Any]]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    found = []
    for seed in range(6):
        coco = COCO()
        scene = examples.scene(seed)
        objects = _annotations(scene, "boxes", "labels")
        coco.dataset = {
            "images": [{"id": index} for index in range(len(scene))],
            "categories": [{"id": label} for label in range(4)],
            "annotations": [{**one, "id": index, "iscrowd": 0} for index, one in enumerate(objects, 1)],
        }
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
            told = coco.loadRes(_annotations(scene, "found", "found_labels", "scores"))
            run = COCOeval(coco, told, "bbox")
            run.evaluate()
            run.accumulate()
            run.summarize()
        names = {"ap": 0, "ap50": 1, "ap75": 2, "recall": 8}
        precision = run.eval["precision"][:, :, :, 0, 2]
        found.append(
            {name: float(run.stats[place]) for name, place in names.items()}
            | {"per_class": [float(precision[:, :, label].mean()) for label in range(4)]}
        )
    return found


def _annotations(scene: list[Any], boxes: str, labels: str, scores: str = "") -> list[dict[str, Any]]:
    found = []
    for image, one in enumerate(scene):
        for index, (left, top, right, bottom) in enumerate(one[boxes]):
            size = right - left, bottom - top
            row = {"image_id": image, "category_id": one[labels][index], "bbox": [left, top, *size]}
            row["area"] = size[0] * size[1]
            found.append(row | {"score": one[scores][index]} if scores else row)
    return found


def forecasts() -> dict[str, float]:
    import pandas as pd
    from utilsforecast import losses

    histories, targets, told = examples.series(0)
    past = pd.DataFrame(
        [(one, step, value) for one, row in enumerate(histories) for step, value in enumerate(row)],
        columns=["unique_id", "ds", "y"],
    )
    pairs = [list(zip(*rows, strict=True)) for rows in zip(targets, told, strict=True)]
    future = pd.DataFrame(
        [(one, 20 + step, *pair) for one, row in enumerate(pairs) for step, pair in enumerate(row)],
        columns=["unique_id", "ds", "y", "model"],
    )
    return {
        "mase_1": float(losses.mase(future, ["model"], 1, past)["model"].mean()),
        "mase_4": float(losses.mase(future, ["model"], 4, past)["model"].mean()),
        # utilsforecast's goes from 0 to 1.
        "smape": float(2 * losses.smape(future, ["model"])["model"].mean()),
    }


def main() -> None:
    found = {
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "entities": entities(),
        "texts": texts(),
        "boxes": boxes(),
        "forecasts": forecasts(),
    }
    PINS.write_text(json.dumps(found, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{PINS.name}: {found['packages']}\n")


if __name__ == "__main__":
    main()

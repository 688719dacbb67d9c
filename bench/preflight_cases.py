"""Runs of every task and strategy, 5 to 60 seconds each: what `bench.preflight` foretells and then does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

Plain = dict[str, Any]


def _case(
    task: str,
    base: str | None,
    data: Plain,
    strategy: Plain | None = None,
    *,
    epochs: int,
    batch: int,
    optim: Plain | None = None,
    **more: Any,
) -> Plain:
    plain: Plain = {"task": task, "dataset": data, "strategy": strategy or {"kind": "full"}, **more}
    plain["optim"] = {"lr": 1e-4, "epochs": epochs, "batch_size": batch, **(optim or {})}
    if base is None:
        return {**plain, "init": "scratch"}
    return {**plain, "base_model": {"repo": base}}


def _fashion(rows: int, side: int, **more: Any) -> Plain:
    shape = {"max_train_images": rows, "image_size": side, "validation_fraction": 0.004}
    return {"repo": "fashion-mnist", **shape, **more}


def _cells(rows: int, side: int, **more: Any) -> Plain:
    shape = {"max_train_images": rows, "image_size": side, "validation_fraction": 0.05}
    return {"repo": "elpv", "label_column": "target", **shape, **more}


def _scenes(rows: int, side: int, **more: Any) -> Plain:
    shape = {"max_train_images": rows, "image_size": side, "validation_fraction": 0.02}
    return {"repo": "tuxpaint-detection", **shape, **more}


def _texts(repo: str, rows: int, tokens: int, **more: Any) -> Plain:
    shape = {"max_train_rows": rows, "max_tokens": tokens, "validation_fraction": 0.02}
    return {"repo": repo, **shape, **more}


def _chats(rows: int, **more: Any) -> Plain:
    shape = {"max_train_rows": rows, "max_tokens": 128, "validation_fraction": 0.01}
    return {"repo": "chatterbot-english", **shape, **more}


def _emoji(rows: int) -> Plain:
    columns = {"source_column": "en", "target_column": "de", "max_tokens": 48, "max_target_tokens": 48}
    return {"repo": "emoji-names", "max_train_rows": rows, "validation_fraction": 0.05, **columns}


def _series(repo: str, column: str, **more: Any) -> Plain:
    shape = {"context": 336, "horizon": 48, "season": 168, "validation_split": "validation"}
    return {"repo": repo, "target_columns": [column], **shape, **more}


LITE, MOBILE, RESNET = "efficientnet-lite0", "mobilenet-v2", "resnet18"
HEAD, LAST = {"kind": "head"}, {"kind": "last-stages"}
LORA = {"kind": "lora", "lora": {"rank": 16, "alpha": 32}}
FILMS = {"repo": "movielens-100k", "user_column": "user_id", "item_column": "movie_id"}
FILMS |= {"time_column": "timestamp", "title_column": "title"}
TEST = {"split": "test"}
IMAGE, REGRESSION = "image-classification", "image-regression"

CASES: dict[str, Plain] = {
    "image head 96 px": _case(IMAGE, LITE, _fashion(2500, 96), HEAD, epochs=20, batch=32),
    "image head 224 px": _case(IMAGE, LITE, _fashion(500, 224), HEAD, epochs=20, batch=32),
    "image head MobileNet 160 px": _case(REGRESSION, MOBILE, _cells(700, 160), HEAD, epochs=10, batch=32),
    "image last stage 96 px": _case(IMAGE, LITE, _fashion(600, 96), LAST, epochs=3, batch=32),
    "image full 96 px, 32": _case(IMAGE, LITE, _fashion(384, 96), epochs=2, batch=32),
    "image full 96 px, 8": _case(IMAGE, LITE, _fashion(256, 96), epochs=2, batch=8),
    "image full 160 px, 32": _case(IMAGE, LITE, _fashion(160, 160), epochs=2, batch=32),
    "image full MobileNet, light": _case(
        IMAGE, MOBILE, _fashion(384, 96, augment="light"), epochs=2, batch=32
    ),
    "image full MobileNet, patience, EMA": _case(
        IMAGE, MOBILE, _fashion(256, 112), epochs=3, batch=16, optim={"ema": 0.99, "name": "sgd"},
        early_stopping={"patience": 3},
    ),
    "image gradual MobileNet": _case(
        IMAGE, MOBILE, _fashion(256, 96), {"kind": "gradual"}, epochs=4, batch=32
    ),
    "image LP-FT MobileNet": _case(
        IMAGE, MOBILE, _fashion(384, 96), {"kind": "lp-ft", "probe_epochs": 5}, epochs=2, batch=32
    ),
    "image full ResNet-18 64 px": _case(IMAGE, RESNET, _fashion(1024, 64), epochs=2, batch=64),
    "image full ResNet-18 128 px, 8 × 4": _case(
        IMAGE, RESNET, _fashion(256, 128), epochs=2, batch=8, optim={"grad_accum_steps": 4}
    ),
    "image last stage ResNet-18": _case(IMAGE, RESNET, _fashion(768, 96), LAST, epochs=3, batch=32),
    "image ResNet-18, RandAugment, mixup": _case(
        IMAGE, RESNET, _fashion(512, 64, augment="randaugment", mix="mixup"), epochs=2, batch=32
    ),
    "image number full 128 px": _case(REGRESSION, MOBILE, _cells(256, 128), epochs=2, batch=16),
    "image tags full 112 px": _case(
        "image-multilabel", MOBILE,
        {"repo": "tuxpaint-multilabel", "label_column": "labels", "max_train_images": 256,
         "image_size": 112, "validation_fraction": 0.02},
        epochs=2, batch=32,
    ),
    "text full 48 tokens, 16": _case(
        "text-classification", "minilm", _texts("fine-foods", 400, 48), epochs=2, batch=16
    ),
    "text full 128 tokens, 8": _case(
        "text-classification", "minilm", _texts("fine-foods", 160, 128), epochs=2, batch=8
    ),
    "text head": _case(
        "text-classification", "minilm", _texts("fine-foods", 1200, 64), HEAD, epochs=30, batch=32
    ),
    "text last two stages": _case(
        "text-classification", "minilm", _texts("spam", 320, 128), LAST | {"stages": 2}, epochs=2, batch=32
    ),
    "words full": _case(
        "token-classification", "minilm", _texts("usaddress", 700, 64), epochs=3, batch=16,
        benchmark={"repo": "usaddress", **TEST},
    ),
    "words head": _case(
        "token-classification", "minilm", _texts("usaddress", 1000, 64), HEAD, epochs=10, batch=16
    ),
    "chat LoRA, bf16 base": _case(
        "text-generation", "smollm2-135m-instruct", _chats(96, packing=True),
        {"kind": "lora", "lora": LORA["lora"] | {"base_precision": "bf16"}}, epochs=1, batch=4,
    ),
    "chat LoRA": _case("text-generation", "smollm2-135m-instruct", _chats(64), LORA, epochs=1, batch=4),
    "chat last stage": _case("text-generation", "smollm2-135m-instruct", _chats(64), LAST, epochs=1, batch=4),
    "translation full": _case("translation", "t5-tiny", _emoji(1500), epochs=3, batch=32),
    "translation LoRA": _case("translation", "t5-tiny", _emoji(1500), LORA, epochs=3, batch=32),
    "table MLP": _case(
        "tabular-classification", None,
        {"repo": "adult", "target_column": "income", "validation_split": "validation"},
        network={"kind": "mlp-piecewise"}, epochs=5, batch=256, benchmark={"repo": "adult", **TEST},
    ),
    "table MLP, small batches": _case(
        "tabular-regression", None, {"repo": "california-housing", "target_column": "MedHouseVal"},
        network={"kind": "mlp-piecewise", "width": 384}, epochs=15, batch=128,
    ),
    "table transformer": _case(
        "tabular-regression", None, {"repo": "ames", "target_column": "Sale_Price"},
        network={"kind": "ft-transformer", "width": 64, "depth": 2}, epochs=4, batch=64,
    ),
    "series DLinear": _case(
        "time-series-forecasting", None, _series("electricity", "kilowatts"), network={"kind": "dlinear"},
        epochs=8, batch=64, benchmark={"repo": "electricity", **TEST},
    ),
    "series PatchTST": _case(
        "time-series-forecasting", None, _series("beijing-pm25", "pm25", stride=12),
        network={"kind": "patchtst", "width": 64, "depth": 2, "heads": 4}, epochs=2, batch=64,
    ),
    "series Fracast head": _case(
        "time-series-forecasting", "fracast",
        _series("sf-traffic", "occupancy", context=2048, max_train_windows=300), HEAD, epochs=5, batch=16,
    ),
    "films next": _case(
        "recommendation", None, FILMS | {"objective": "softmax", "negatives": 32}, epochs=4, batch=1024
    ),
    "films ratings": _case(
        "recommendation", None, FILMS | {"rating_column": "rating"}, epochs=8, batch=1024
    ),
    "text and table": _case(
        "multimodal-classification", "two-encoders",
        {"repo": "clothing-reviews", "text_column": "text", "columns": ["age", "department", "class"],
         "label_column": "recommended", "max_tokens": 64, "max_train_rows": 800, "validation_fraction": 0.01},
        HEAD, network={"kind": "late"}, epochs=10, batch=64,
    ),
    "picture and text": _case(
        "multimodal-classification", "two-encoders",
        {"repo": "emoji-groups", "image_column": "image", "text_column": "name", "image_size": 112,
         "max_tokens": 32, "max_train_rows": 900, "validation_fraction": 0.05},
        HEAD, network={"kind": "gated"}, epochs=10, batch=64,
    ),
    "boxes full 112 px": _case(
        "object-detection", MOBILE, _scenes(96, 112), epochs=2, batch=16, network={"kind": "fcos"}
    ),
    "boxes head 112 px": _case(
        "object-detection", MOBILE, _scenes(160, 112), HEAD, epochs=4, batch=16, network={"kind": "fcos"}
    ),
    "masks full 112 px": _case(
        "semantic-segmentation", MOBILE, _scenes(160, 112), epochs=2, batch=16, network={"kind": "lraspp"}
    ),
    "masks head 112 px": _case(
        "semantic-segmentation", MOBILE, _scenes(320, 112), HEAD, epochs=6, batch=16,
        network={"kind": "lraspp"},
    ),
}  # fmt: skip


def directory(name: str, made: Path) -> Path:
    """Where the repo of a case lies; those that are no asset are made under `made`."""
    from bench.assets import fetch

    if name == "two-encoders":
        return _two_encoders(made / name)
    if name == RESNET:
        return _resnet(made / name)
    return fetch(name)


def _two_encoders(folder: Path) -> Path:
    from bench.assets import fetch

    for part, asset in (("image", LITE), ("text", "minilm")):
        if not (folder / part).is_dir():
            (folder / part).mkdir(parents=True)
            for file in fetch(asset).iterdir():
                if file.is_file():
                    os.symlink(file, folder / part / file.name)
    return folder


def _resnet(folder: Path) -> Path:
    """timm's ResNet-18 with random weights: what it costs does not depend on them."""
    import timm
    from safetensors.torch import save_file

    from training.spec import ModelSpec, write_spec

    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        net = timm.create_model("resnet18", pretrained=False)
        tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        names = tuple(f"class {number}" for number in range(1000))
        write_spec(folder, ModelSpec("resnet18", "timm", 1000, names, 224), num_features=512)
    return folder

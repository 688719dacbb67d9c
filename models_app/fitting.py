"""Which of the engine's tasks a model can be fine-tuned for, by what its card and its config say."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from models_app.content.model_config import loader_of
from models_app.model_configs import config_of
from models_app.models import Repo, RepoCard
from training.recipe import TASK_DATA

_PICTURES = (
    "image-classification",
    "image-multilabel",
    "image-regression",
    "object-detection",
    "semantic-segmentation",
)
_TEXTS = ("text-classification", "token-classification")
_PAIRS = ("translation", "summarization")
_TABLES = ("tabular-classification", "tabular-regression")
# By pipeline tag. A card's own tag says what a model does; a new head may do more.
_BY_TAG: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("image-classification", "image-feature-extraction"), _PICTURES),
    "object-detection": ("object-detection",),
    "image-segmentation": ("semantic-segmentation",),
    **dict.fromkeys(
        (*_TEXTS, "fill-mask", "feature-extraction", "sentence-similarity", "zero-shot-classification"),
        _TEXTS,
    ),
    **dict.fromkeys((*_PAIRS, "text2text-generation"), _PAIRS),
    "text-generation": ("text-generation",),
    **dict.fromkeys(_TABLES, _TABLES),
    "time-series-forecasting": ("time-series-forecasting",),
}
# The hub's vocabulary has no pipeline tag for these; their cards carry a plain tag.
_BY_WORD = {"recommendation": ("recommendation",), "multimodal": ("multimodal-classification",)}
_BY_LIBRARY = dict.fromkeys(("timm", "torchvision", "keras"), _PICTURES)
_BY_LOADER = {
    "AutoModelForCausalLM": ("text-generation",),
    "AutoModelForSeq2SeqLM": _PAIRS,
    "AutoModelForMaskedLM": _TEXTS,
    "AutoModelForSequenceClassification": _TEXTS,
    "AutoModelForTokenClassification": _TEXTS,
}


def tasks_for(repo: Repo, card: RepoCard | None) -> list[str]:
    """Names as recipes have them, what the model does itself first; empty where nothing tells."""
    tag, library = (card.pipeline_tag, card.library_name) if card is not None else ("", "")
    found = _BY_TAG.get(tag) or _by_words(repo) or _BY_LIBRARY.get(library) or ()
    if not found and tag in ("", "other"):
        found = _by_config(config_of(repo))
    return sorted((task for task in found if task in TASK_DATA), key=lambda task: task != tag)


def may_be_tuned() -> Q:
    """Repos whose card says some task; those that only a `config.json` tells of are not among them."""
    words = Q(tag_rows__kind="tag", tag_rows__value__in=list(_BY_WORD))
    library = Q(card__library_name__in=list(_BY_LIBRARY))
    return Q(card__pipeline_tag__in=list(_BY_TAG)) | words | library


def _by_words(repo: Repo) -> tuple[str, ...]:
    words = [row.value for row in repo.tag_rows.all() if row.kind == "tag" and row.value in _BY_WORD]
    return _BY_WORD[words[0]] if words else ()


def _by_config(config: dict[str, Any]) -> tuple[str, ...]:
    return _BY_LOADER.get(loader_of(config), ()) if config else ()

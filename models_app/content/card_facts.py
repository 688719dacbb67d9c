"""What a card and a list of file names say about a repo: tags, library, pipeline, licence, base models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from models_app.content.vocabulary import BASE_MODEL_RELATIONS, PIPELINE_TAGS

MAX_TAGS = 500
MAX_TAG_CHARS = 128
MAX_BASE_MODELS = 50
_REPO_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})")
_LIBRARIES = (
    "timm", "torchvision", "transformers", "diffusers", "peft", "sentence-transformers", "keras", "fastai",
    "sklearn", "spacy", "flair", "onnx", "ultralytics", "tuneyard",
)  # fmt: skip
_FORMAT_TAGS = {
    ".safetensors": "safetensors", ".onnx": "onnx", ".gguf": "gguf", ".bin": "pytorch", ".pth": "pytorch",
}  # fmt: skip
# What holds weights, and what of a dataset's files holds its rows.
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".gguf", ".ggml", ".h5", ".keras",
            ".msgpack", ".tflite", ".npz")  # fmt: skip
_NO_WEIGHTS = ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin", "scheduler.pt")
_DATA_FORMATS = {
    ".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".arrow": "arrow",
    ".txt": "text", ".png": "images", ".jpg": "images", ".jpeg": "images", ".webp": "images",
    ".wav": "audio", ".flac": "audio", ".mp3": "audio", ".tar": "webdataset",
}  # fmt: skip
# Metadata fields whose values become tags `kind:value` of a model and of a dataset (hf-wire section 5).
_MODEL_KINDS = {"datasets": "dataset", "license": "license", "language": "language"}
_DATASET_KINDS = {
    name: name
    for name in (
        "task_categories", "task_ids", "language_creators", "annotations_creators", "multilinguality",
        "size_categories", "source_datasets", "language", "license",
    )
}  # fmt: skip
_SPACE_KINDS = {"license": "license", "models": "model", "datasets": "dataset"}
_KERNEL_KINDS = {"license": "license", "language": "language"}
# What a tutorial is about: lists of the repos it names.
_TUTORIAL_KINDS = {
    "license": "license",
    "language": "language",
    "models": "model",
    "datasets": "dataset",
    "recipes": "recipe",
}
_KINDS = {
    "model": _MODEL_KINDS, "dataset": _DATASET_KINDS, "space": _SPACE_KINDS, "kernel": _KERNEL_KINDS,
    "tutorial": _TUTORIAL_KINDS,
}  # fmt: skip


def texts(value: Any) -> list[str]:
    """The non-empty strings of a string-or-list field; anything else counts as absent."""
    items = value if isinstance(value, list) else [value]
    return [item.strip() for item in items if isinstance(item, str) and item.strip()]


def first_text(value: Any, limit: int = 64) -> str:
    """The first string of a field, empty when there is none or it is longer than `limit`."""
    found = texts(value)[:1]
    return found[0] if found and len(found[0]) <= limit else ""


def library_of(metadata: dict[str, Any], paths: Iterable[str], config: dict[str, Any]) -> str:
    """`library_name` of the card, else what the tags or the files give away."""
    if named := first_text(metadata.get("library_name")):
        return named
    for tag in texts(metadata.get("tags")):
        if tag.lower() in _LIBRARIES:
            return tag.lower()
    if "adapter_config.json" in paths:
        return "peft"
    return "transformers" if isinstance(config.get("model_type"), str) else ""


def pipeline_of(metadata: dict[str, Any], repo_type: str) -> str:
    """`pipeline_tag` of a model's card, else the first of its tags that is one; datasets have none."""
    if repo_type != "model":
        return ""
    if named := first_text(metadata.get("pipeline_tag")):
        return named
    return next((tag for tag in texts(metadata.get("tags")) if tag in PIPELINE_TAGS), "")


def weights_bytes(files: Iterable[tuple[str, int]]) -> int | None:
    """Bytes of one copy of a model's weights, None where it has none: what it takes in memory at least.

    A repo may hold the same weights in several formats, and in GGUF at several precisions: the format with
    the most bytes counts, of GGUF the largest file.
    """
    totals: dict[str, int] = {}
    for path, size in files:
        ending = path[path.rfind(".") :].lower() if "." in path else ""
        if ending not in _WEIGHTS or path.rpartition("/")[2] in _NO_WEIGHTS:
            continue
        one_of_many = ending in (".gguf", ".ggml")
        totals[ending] = max(totals.get(ending, 0), size) if one_of_many else totals.get(ending, 0) + size
    return max(totals.values(), default=None)


def base_models_of(metadata: dict[str, Any], paths: Sequence[str]) -> list[tuple[str, str]]:
    """[(parent repo id, relation)]: finetune, adapter, quantized or merge, as declared or as files show."""
    parents = [name for name in texts(metadata.get("base_model")) if _REPO_ID.fullmatch(name)]
    relation = metadata.get("base_model_relation")
    if relation not in BASE_MODEL_RELATIONS:
        if len(parents) > 1:
            relation = "merge"
        elif "adapter_config.json" in paths:
            relation = "adapter"
        else:
            relation = "quantized" if any(path.endswith(".gguf") for path in paths) else "finetune"
    return [(name, relation) for name in dict.fromkeys(parents[:MAX_BASE_MODELS])]


def tags_of(
    metadata: dict[str, Any], body: str, repo_type: str, paths: Sequence[str], *, library: str, pipeline: str
) -> list[tuple[str, str]]:
    """[(kind, value)] without repeats; kind `tag` stands for a plain tag. Values over 128 characters drop."""
    found = list(_all_tags(metadata, body, repo_type, paths, library, pipeline))
    return list(dict.fromkeys((kind, value) for kind, value in found if len(value) <= MAX_TAG_CHARS))[
        :MAX_TAGS
    ]


def _all_tags(
    metadata: dict[str, Any], body: str, repo_type: str, paths: Sequence[str], library: str, pipeline: str
) -> Iterator[tuple[str, str]]:
    if repo_type == "space" and (sdk := first_text(metadata.get("sdk"))):
        yield "tag", sdk
    for plain in (library, *_format_tags(repo_type, paths), *texts(metadata.get("tags")), pipeline):
        if plain:
            yield "tag", plain
    for name, kind in _KINDS.get(repo_type, _KERNEL_KINDS).items():
        for value in texts(metadata.get(name)):
            yield kind, value
    if repo_type == "model":
        parents = base_models_of(metadata, paths)
        yield from (("base_model", parent) for parent, _ in parents)
        yield from (("base_model", f"{relation}:{parent}") for parent, relation in parents)
    if repo_type == "dataset":
        yield from (("format", name) for name in _data_formats(paths))
    yield from (("arxiv", paper) for paper in _ARXIV.findall(body)[:20])


def _format_tags(repo_type: str, paths: Sequence[str]) -> list[str]:
    if repo_type != "model":
        return []
    endings = {path[path.rfind(".") :] for path in paths if "." in path}
    return list(dict.fromkeys(tag for ending, tag in _FORMAT_TAGS.items() if ending in endings))


def _data_formats(paths: Sequence[str]) -> list[str]:
    endings = {path[path.rfind(".") :].lower() for path in paths if "." in path.rpartition("/")[2]}
    return list(dict.fromkeys(name for ending, name in _DATA_FORMATS.items() if ending in endings))

"""The `dataset` section of each task."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipe_fields import choice, number, required_text, text


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Where the rows to learn from are; each task adds its own columns.

    With `folds` the training rows are cut into so many parts, alike in their classes, and part number `fold`
    validates in place of a fraction.
    """

    repo: str = required_text()
    revision: str | None = text(None)
    train_split: str = text("train", 100)
    validation_split: str | None = text(None, 100)
    validation_fraction: float = number(0.1, at_least=0.0, at_most=0.5)
    folds: int | None = number(None, at_least=2, at_most=100)
    fold: int = number(0, at_least=0, at_most=99)


@dataclass(frozen=True, kw_only=True)
class ImageData(DatasetSpec):
    """Images and their classes. `image_size` in pixels (null: the model's own)."""

    image_column: str = text("image", 100)
    label_column: str = text("label", 100)
    image_size: int | None = number(None, at_least=16, at_most=1024)
    max_train_images: int | None = number(None, at_least=2, at_most=10_000_000)
    augment: str = choice("none", "none", "light", "strong", "randaugment")
    mix: str = choice("none", "none", "mixup", "cutmix")
    mix_alpha: float | None = number(None, above=0.0, at_most=100.0)


@dataclass(frozen=True, kw_only=True)
class ScalarImageData(ImageData):
    """Images and a number each; the numbers are learned standardised and told in their own units.

    `quantiles` of the number, 0.5 among them, are learned in place of the number itself, by the loss `auto`.
    """

    label_column: str = text("target", 100)
    quantiles: tuple[float, ...] | None = number(None, above=0.0, below=1.0)


@dataclass(frozen=True, kw_only=True)
class TagImageData(ImageData):
    """Images and any number of labels each: a column of lists, or `label_columns` of 0 and 1."""

    label_column: str = text("labels", 100)
    label_columns: tuple[str, ...] | None = text(None, 100)


@dataclass(frozen=True, kw_only=True)
class TableData(DatasetSpec):
    """Rows of a table. `columns` null: all but the target; `categorical` null: those that hold text.

    `quantiles` of a number, 0.5 among them, are learned in place of the number itself, by the loss `auto`.
    """

    target_column: str = required_text(100)
    columns: tuple[str, ...] | None = text(None, 100)
    categorical: tuple[str, ...] | None = text(None, 100)
    target_transform: str = choice("standardize", "none", "standardize", "log")
    numeric_encoding: str = choice("quantile", "quantile", "standardize")
    quantiles: tuple[float, ...] | None = number(None, above=0.0, below=1.0)
    max_train_rows: int | None = number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class SeriesData(DatasetSpec):
    """Series on a regular grid of time; `context`, `horizon` and `season` in steps of that grid.

    `known_columns` are given for the future too, `past_columns` up to now only. `quantiles`, 0.5 among them,
    are what the loss `auto` learns; the other losses learn one forecast.
    """

    time_column: str = text("timestamp", 100)
    target_columns: tuple[str, ...] = text(("value",), 100)
    series_column: str | None = text(None, 100)
    known_columns: tuple[str, ...] | None = text(None, 100)
    past_columns: tuple[str, ...] | None = text(None, 100)
    context: int = number(168, at_least=2, at_most=10_000)
    horizon: int = number(24, at_least=1, at_most=2_000)
    season: int = number(24, at_least=1, at_most=10_000)
    stride: int = number(1, at_least=1, at_most=2_000)
    max_gap: int = number(24, at_least=0, at_most=10_000)
    max_train_windows: int | None = number(None, at_least=2, at_most=10_000_000)
    scaling: str = choice("instance", "instance", "standard")
    quantiles: tuple[float, ...] = number((0.1, 0.5, 0.9), above=0.0, below=1.0)


@dataclass(frozen=True, kw_only=True)
class TextData(DatasetSpec):
    """Texts and their classes; `second_text_column` for pairs. `max_tokens` counts the special ones too."""

    text_column: str = text("text", 100)
    second_text_column: str | None = text(None, 100)
    label_column: str = text("label", 100)
    max_tokens: int = number(128, at_least=4, at_most=8192)
    pooling: str = choice("auto", "auto", "cls", "mean")
    max_train_rows: int | None = number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class TokenData(DatasetSpec):
    """Lists of words and of their tags."""

    tokens_column: str = text("tokens", 100)
    tags_column: str = text("tags", 100)
    max_tokens: int = number(128, at_least=4, at_most=8192)
    max_train_rows: int | None = number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class ChatData(DatasetSpec):
    """Conversations: lists of {role, content}, or a column of prompts and one of answers, or plain text.

    `max_new_tokens` bounds the answers when they are measured.
    """

    messages_column: str = text("messages", 100)
    prompt_column: str | None = text(None, 100)
    answer_column: str | None = text(None, 100)
    text_column: str | None = text(None, 100)
    max_tokens: int = number(512, at_least=8, at_most=32_768)
    max_new_tokens: int = number(128, at_least=1, at_most=4096)
    packing: bool = False
    max_train_rows: int | None = number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class InteractionData(DatasetSpec):
    """Who met what: a row a user and an item, with a rating where there is one.

    `objective` auto: `rating` where `rating_column` is given, else `softmax`; `bpr` and `softmax` rank, with
    `negatives` items drawn beside every one met, and rows rated below `like_from` left out. Feature columns
    are the interactions' own, or of a table with a row a user or an item. With `time_column` the latest
    rows of every user validate.
    """

    user_column: str = text("user", 100)
    item_column: str = text("item", 100)
    rating_column: str | None = text(None, 100)
    time_column: str | None = text(None, 100)
    objective: str = choice("auto", "auto", "rating", "bpr", "softmax")
    like_from: float | None = number(None, at_least=-1e6, at_most=1e6)
    negatives: int = number(64, at_least=1, at_most=4096)
    user_features: tuple[str, ...] | None = text(None, 100)
    item_features: tuple[str, ...] | None = text(None, 100)
    user_table: str | None = text(None, 100)
    item_table: str | None = text(None, 100)
    title_column: str | None = text(None, 100)
    max_train_rows: int | None = number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class PairData(DatasetSpec):
    """Texts and what is to become of them. `prefix` stands before every source, as T5 learnt it.

    Both lengths count the token that ends a text; `max_target_tokens` bounds what is written, too.
    """

    source_column: str = text("source", 100)
    target_column: str = text("target", 100)
    prefix: str | None = text(None, 200)
    max_tokens: int = number(128, at_least=4, at_most=8192)
    max_target_tokens: int = number(128, at_least=4, at_most=4096)
    max_train_rows: int | None = number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class FusedData(DatasetSpec):
    """Rows of which more is known than one encoder reads: two or three of a picture, a text, columns.

    The base model is a directory with an encoder in `image/`, in `text/`, or in both.
    """

    image_column: str | None = text(None, 100)
    text_column: str | None = text(None, 100)
    columns: tuple[str, ...] | None = text(None, 100)
    label_column: str = text("label", 100)
    image_size: int | None = number(None, at_least=16, at_most=1024)
    max_tokens: int = number(128, at_least=4, at_most=8192)
    max_train_rows: int | None = number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class SegmentationData(DatasetSpec):
    """Pictures and masks of one size: a class index a pixel; `ignore_index` marks pixels of no class.

    `labels` null: as the data set names them. Pictures are squeezed to `image_size` (null: the model's own).
    """

    image_column: str = text("image", 100)
    mask_column: str = text("mask", 100)
    labels: tuple[str, ...] | None = text(None, 100)
    ignore_index: int = number(255, at_least=0, at_most=255)
    image_size: int | None = number(None, at_least=16, at_most=1024)
    max_train_images: int | None = number(None, at_least=2, at_most=10_000_000)
    augment: str = choice("none", "none", "light")


@dataclass(frozen=True, kw_only=True)
class DetectionData(DatasetSpec):
    """Pictures and the boxes of what is in them: a column of `{bbox, category}`, or COCO's JSON.

    `box_format` says what four numbers of the column mean: left, top, width, height (`coco`) or left, top,
    right, bottom (`voc`), in pixels. Pictures are squeezed to `image_size` (null: the model's own).
    """

    image_column: str = text("image", 100)
    objects_column: str = text("objects", 100)
    box_format: str = choice("coco", "coco", "voc")
    image_size: int | None = number(None, at_least=32, at_most=1024)
    max_train_images: int | None = number(None, at_least=2, at_most=10_000_000)
    augment: str = choice("none", "none", "light")


# What each task's data set is told by. The web reads this table too; the modules are in training/tasks.
TASK_DATA: dict[str, type[DatasetSpec]] = {
    "image-classification": ImageData,
    "image-multilabel": TagImageData,
    "image-regression": ScalarImageData,
    "tabular-classification": TableData,
    "tabular-regression": TableData,
    "time-series-forecasting": SeriesData,
    "text-classification": TextData,
    "token-classification": TokenData,
    "text-generation": ChatData,
    "translation": PairData,
    "summarization": PairData,
    "recommendation": InteractionData,
    "multimodal-classification": FusedData,
    "semantic-segmentation": SegmentationData,
    "object-detection": DetectionData,
}
# Their nets need no base model: without one, `network` describes what is trained from scratch.
WITHOUT_BASE = (
    "tabular-classification",
    "tabular-regression",
    "time-series-forecasting",
    "recommendation",
)

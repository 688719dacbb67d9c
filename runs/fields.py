"""The part of the fine-tune form that depends on the task: the recipe's `dataset` fields as form fields."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from training.recipe import TASK_DATA, DatasetSpec

# The list of names that a browser suggests.
COLUMNS = "known-columns"
COMMON = frozenset(field.name for field in dataclasses.fields(DatasetSpec))
# Recipe field → label, help. A field that a task brings and nobody named here is shown by its own name.
WORDS: dict[str, tuple[Any, Any]] = {
    "image_column": (_("Image column"), _("The column with the picture.")),
    "label_column": (_("Label column"), _("The column with what is to be told.")),
    "label_columns": (_("Label columns"), _("Columns of 0 and 1, one a label, where no column holds lists.")),
    "image_size": (_("Image size"), _("Edge in pixels the images are brought to.")),
    "max_train_images": (_("Use at most"), _("Training images. Empty: all of them.")),
    "max_train_rows": (_("Use at most"), _("Training rows. Empty: all of them.")),
    "max_train_windows": (_("Use at most"), _("Training windows. Empty: all of them.")),
    "augment": (_("Augmentation"), _("Random changes to training images.")),
    "mix": (_("Mixing"), _("Blend the images of a batch in pairs.")),
    "mix_alpha": (_("Mixing: alpha"), _("Shares are drawn from Beta(alpha, alpha).")),
    "target_column": (_("Target column"), _("The column to be predicted.")),
    "columns": (_("Columns to predict from"), _("Empty: all but the target.")),
    "categorical": (_("Read as categories"), _("Empty: the columns that hold text.")),
    "target_transform": (_("Numbers are learned"), _("As logarithms where they are prices or counts.")),
    "numeric_encoding": (_("Numbers go in"), _("By their quantiles, or standardised.")),
    "quantiles": (_("Quantiles"), _("That are forecast, 0.5 among them.")),
    "time_column": (_("Time column"), _("The column of times.")),
    "target_columns": (_("Columns to forecast"), _("One or more.")),
    "series_column": (_("Series column"), _("Which series a row belongs to. Empty: there is one.")),
    "known_columns": (_("Known ahead"), _("Columns that are given for the future too, such as holidays.")),
    "past_columns": (_("Known up to now"), _("Columns that are given for the past only.")),
    "context": (_("Context"), _("Steps of the past that a forecast sees.")),
    "horizon": (_("Horizon"), _("Steps that are forecast.")),
    "season": (_("Season"), _("Steps after which the series resembles itself: 24 hours, 7 days.")),
    "stride": (_("Stride"), _("Steps between one training window and the next.")),
    "max_gap": (_("Largest gap"), _("Missing steps in a row that are filled.")),
    "scaling": (_("Scaling"), _("Each window by itself, or all by the training part.")),
    "text_column": (_("Text column"), _("The column of texts.")),
    "second_text_column": (_("Second text column"), _("For pairs of texts. Empty: there is one text.")),
    "max_tokens": (_("Longest input"), _("In tokens; what is longer is cut.")),
    "pooling": (_("A text is"), _("What stands for it: its first token, or the mean of all.")),
    "tokens_column": (_("Word column"), _("The column of lists of words.")),
    "tags_column": (_("Tag column"), _("The column of lists of tags, one a word.")),
    "messages_column": (_("Conversation column"), _("Lists of {role, content}.")),
    "prompt_column": (_("Prompt column"), _("With an answer column, instead of conversations.")),
    "answer_column": (_("Answer column"), _("With a prompt column, instead of conversations.")),
    "max_new_tokens": (_("Longest answer"), _("In tokens, when answers are measured.")),
    "packing": (_("Put short conversations into one row"), ""),
    "source_column": (_("Source column"), _("The column of texts to be read.")),
    "prefix": (_("Prefix"), _("Words put before every source, as the base was trained with.")),
    "max_target_tokens": (_("Longest target"), _("In tokens; what is longer is cut.")),
    "user_column": (_("User column"), _("The user's id.")),
    "item_column": (_("Item column"), _("The item's id.")),
    "rating_column": (_("Rating column"), _("How much the user liked it. Empty: that they met is all.")),
    "objective": (_("What is learned"), _("The rating, or the order of items.")),
    "like_from": (_("Liked from"), _("Rows rated lower do not count as liked.")),
    "negatives": (_("Items beside each"), _("Drawn among those that the user never met.")),
    "user_features": (_("Columns about the user"), _("Empty: none.")),
    "item_features": (_("Columns about the item"), _("Empty: none.")),
    "user_table": (_("Table of users"), _("“users” for users.csv. Empty: none.")),
    "item_table": (_("Table of items"), _("“items” for items.csv. Empty: none.")),
    "title_column": (_("Title column"), _("What an item is called in answers.")),
    "objects_column": (_("Objects column"), _("The column with boxes and their classes.")),
    "box_format": (_("Boxes are"), _("coco: left, top, width, height; voc: left, top, right, bottom.")),
    "labels": (_("Class names"), _("In the order of the mask's numbers. Empty: as the data set names them.")),
    "ignore_index": (_("Ignored number"), _("Pixels of the mask with this number are of no class.")),
    "mask_column": (_("Mask column"), _("The column with the class of every pixel.")),
}
# What people look at first; the rest is folded away. Images mostly follow the usual layouts.
_FIRST: dict[str, tuple[str, ...]] = {
    "image-classification": (),
    "image-multilabel": ("label_column",),
    "image-regression": ("label_column",),
    "tabular-classification": ("target_column", "columns"),
    "tabular-regression": ("target_column", "columns", "target_transform"),
    "object-detection": ("image_column", "objects_column", "box_format"),
    "semantic-segmentation": ("image_column", "mask_column"),
    "time-series-forecasting": ("time_column", "target_columns", "context", "horizon", "season"),
    "text-classification": ("text_column", "label_column", "max_tokens"),
    "token-classification": ("tokens_column", "tags_column", "max_tokens"),
    "text-generation": ("messages_column", "max_tokens"),
    "translation": ("source_column", "target_column", "prefix"),
    "summarization": ("source_column", "target_column", "prefix"),
    "recommendation": ("user_column", "item_column", "rating_column", "time_column"),
    "multimodal-classification": ("image_column", "text_column", "columns", "label_column"),
}
_COLUMN_LISTS = ("columns", "categorical")
_SEPARATORS = re.compile(r"[,;\n]")


@dataclass(frozen=True)
class DataField:
    """One field of the recipe's `dataset` section: its name, its kind of value, its default and bounds."""

    name: str
    kind: str  # text, texts, number, numbers, choice, flag
    default: Any
    is_required: bool
    bounds: typing.Mapping[str, Any]

    def form_field(self) -> forms.Field:
        """The form's field; an empty one leaves the recipe's default."""
        label, help_text = WORDS.get(self.name, (self.name.replace("_", " ").capitalize(), ""))
        words: dict[str, Any] = {"label": label, "help_text": help_text, "required": self.is_required}
        if self.kind == "flag":
            return forms.BooleanField(**{**words, "required": False}, initial=self.default)
        if self.kind == "choice":
            choices = [(choice, choice) for choice in self.bounds["choices"]]
            return forms.ChoiceField(**words, choices=choices, initial=self.default)
        attrs = {"autocomplete": "off", "placeholder": self.placeholder}
        if self.kind == "number":
            attrs["inputmode"] = "decimal"
        if self.kind == "text" and self.name.endswith("_column"):
            attrs["list"] = COLUMNS
        if self.kind == "texts":
            words["help_text"] = f"{help_text} {gettext('Several are parted by commas.')}".strip()
        return forms.CharField(**words, max_length=4000, widget=forms.TextInput(attrs=attrs))

    @property
    def names_columns(self) -> bool:
        """Whether its value is the name of a column of the training rows, or of several."""
        return self.name.endswith(("_column", "_columns", "_features")) or self.name in _COLUMN_LISTS

    @property
    def placeholder(self) -> str:
        """The default as one would type it."""
        if self.is_required or self.default is None:
            return ""
        shown = ", ".join(map(str, self.default)) if isinstance(self.default, tuple) else str(self.default)
        return gettext("automatic: %(value)s") % {"value": shown}

    def read(self, value: Any) -> Any:
        """What was typed as the recipe takes it; what is no number stays text, for the recipe to refuse."""
        if self.kind == "number":
            return read_number(value)
        if self.kind in ("texts", "numbers"):
            parts = [part.strip() for part in _SEPARATORS.split(str(value)) if part.strip()]
            return [read_number(part) for part in parts] if self.kind == "numbers" else parts
        return value


def data_fields(task: str) -> list[DataField]:
    """What the task's `dataset` section holds beside the fields that every task has."""
    spec = TASK_DATA[task]
    hints = typing.get_type_hints(spec)
    return [
        _data_field(field, hints[field.name])
        for field in dataclasses.fields(spec)
        if field.name not in COMMON
    ]


def is_first(task: str, field: DataField) -> bool:
    """Whether the field stands in the open: what must be filled in, and what names columns."""
    names = _FIRST.get(task)
    if names is None:
        return field.is_required or field.name.endswith(("_column", "_columns"))
    return field.is_required or field.name in names


def read_number(text: Any) -> Any:
    """A number if it is one; else the text as it is, so that the recipe can say what is wrong with it."""
    if not isinstance(text, str):
        return text
    for reader in (int, float):
        try:
            return reader(text.replace(",", ".") if reader is float else text)
        except ValueError:
            continue
    return text


def as_text(value: Any) -> str:
    """A recipe's value as one would type it; `DataField.read` reads it back."""
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _data_field(field: dataclasses.Field[Any], hint: Any) -> DataField:
    is_required = field.default is dataclasses.MISSING
    default = None if is_required else field.default
    return DataField(field.name, _kind(hint, field.metadata), default, is_required, field.metadata)


def _kind(hint: Any, bounds: typing.Mapping[str, Any]) -> str:
    arms = [arm for arm in _arms(hint) if arm is not type(None)]
    inside = arms[0]
    if typing.get_origin(inside) is tuple:
        return "numbers" if typing.get_args(inside)[0] in (int, float) else "texts"
    if inside is bool:
        return "flag"
    if inside in (int, float):
        return "number"
    return "choice" if "choices" in bounds else "text"


def _arms(hint: Any) -> Iterator[Any]:
    yield from typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)

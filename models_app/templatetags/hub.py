"""How numbers, sizes, times and repos are written on every page."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from accounts import phrases
from models_app.content.evals import SHARES
from models_app.models import RepoCard

register = template.Library()

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_COUNTS = ("", "K", "M", "B", "T")


@register.filter
def file_size(value: float | None) -> str:
    """Bytes as people read them, powers of 1000: 14212972 → `14.2 MB`."""
    return _scaled(value, _SIZES, " ")


@register.filter
def compact(value: float | None) -> str:
    """A count in at most three digits: 3504872 → `3.5M`."""
    return _scaled(value, _COUNTS, "")


def _is_number(value: object) -> bool:
    """A template hands over the empty text where a variable is missing."""
    return isinstance(value, int | float) and math.isfinite(value)


def _scaled(value: float | None, units: tuple[str, ...], gap: str) -> str:
    if value is None or not _is_number(value):
        return ""
    number, place = float(value), 0
    while abs(number) >= 999.5 and place < len(units) - 1:
        number, place = number / 1000, place + 1
    text = f"{number:.0f}" if place == 0 or number >= 99.95 else f"{number:.1f}".removesuffix(".0")
    return f"{text}{gap}{units[place]}".strip()


@register.filter
def grouped(value: int | None) -> str:
    """A whole number with its thousands set apart: 14448 → `14,448`."""
    return f"{value:,}" if isinstance(value, int) else ""


@register.filter
def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage: 0.9312 → `93.1 %`."""
    if value is None or not _is_number(value):
        return "–"
    return f"{value * 100:.{digits}f} %"


@register.filter
def score(value: float | None, metric: str = "accuracy") -> str:
    """A benchmark's number in its metric's own dress: shares as percentages, the rest in four digits, and
    all digits before the point: 72905.48 → `72,905`."""
    if value is None or not _is_number(value):
        return "–"
    if is_share(metric) and 0 <= value <= 1:
        return percent(value, 2)
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


@register.filter
def distance(value: float | None) -> str:
    """How far apart two tensors are: 0.0123 → `1.23 %`; far below a percent in powers of ten."""
    if not _is_number(value) or value is None:
        return "∞" if isinstance(value, float) else "–"
    return f"{value * 100:.3g} %" if value >= 0.0001 or not value else f"{value * 100:.1e} %"


@register.filter
def bound(value: float | None, metric: str = "accuracy") -> str:
    """One end of an interval: as `score`, a share to a tenth of a point."""
    return percent(value) if is_share(metric) else score(value, metric)


@register.filter
def gap(value: float | None, metric: str = "accuracy") -> str:
    """A difference with its sign; of shares in percentage points, of others in three digits."""
    if value is None or not _is_number(value):
        return ""
    if is_share(metric):
        return _("%(points)s points") % {"points": f"{value * 100:+.1f}".replace("-", "−")}
    return f"{value:+.3g}".replace("-", "−")


def is_share(metric: str) -> bool:
    """Whether the metric is a proportion of examples."""
    return metric in SHARES


# Abbreviations are the same in every language.
METRIC_NAMES = {
    "macro_f1": "macro-F1", "micro_f1": "micro-F1", "f1": "F1", "rmse": "RMSE", "mae": "MAE", "mse": "MSE",
    "r2": "R²", "mase": "MASE", "wape": "WAPE", "smape": "sMAPE", "roc_auc": "ROC AUC", "map": "mAP",
    "chrf": "chrF", "bleu": "BLEU", "rmse_log": "RMSE (log)", "r2_log": "R² (log)", "mean_iou": "mean IoU",
}  # fmt: skip


@register.filter
def metric_label(metric: str) -> str:
    """A metric's name for people: `macro_f1` → `macro-F1`, `token_accuracy` → `token accuracy`."""
    known = {"loss": _("loss"), "accuracy": _("accuracy"), **METRIC_NAMES}
    return known.get(metric, metric.replace("_", " "))


@register.filter
def type_word(repo_type: str) -> str:
    """What a repo of this type is called in a sentence."""
    words = {
        "model": _("model"),
        "dataset": _("dataset"),
        "space": _("space"),
        "kernel": _("kernel"),
        "recipe": _("recipe"),
        "tutorial": _("tutorial"),
        "forum": _("topic"),
    }
    return words.get(repo_type, repo_type)


@register.filter
def role_word(role: str) -> str:
    """What a member of an organization may do there."""
    words = {"read": _("reads"), "contributor": _("contributes"), "write": _("writes"), "admin": _("admin")}
    return words.get(role, role)


@register.filter
def in_words(text: object) -> str:
    """A sentence made below the pages, a refusal for example, in the reader's language."""
    return phrases.in_words(text)


@register.filter
def short_oid(oid: str | None) -> str:
    """The first seven digits, as git shows them."""
    return (oid or "")[:7]


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as a clock: 75 → `1:15`, 3675 → `1:01:15`."""
    if seconds is None or not _is_number(seconds):
        return ""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """`3 hours ago` in a time element with the exact moment as its title; the script keeps it true."""
    if not isinstance(moment, datetime):
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    words = _("just now") if seconds < 60 else _("%(time)s ago") % {"time": timesince(moment, depth=1)}
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>', moment.isoformat(), _exact(moment), words
    )


@register.filter
def since(moment: datetime | None) -> SafeString | str:
    """A clock that runs from this moment."""
    if not isinstance(moment, datetime):
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    return format_html('<time datetime="{}" data-since>{}</time>', moment.isoformat(), duration(seconds))


def _exact(moment: datetime) -> str:
    return date_format(moment, "j F Y, H:i") + f" {timezone.get_current_timezone_name()}"


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing from the sprite; words beside it say the same, so readers skip it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("img/icons.svg"), name
    )


@register.simple_tag
def avatar(name: str, size: str = "") -> SafeString:
    """A drawing of one's own from the name: no upload, no outside service."""
    digest = hashlib.sha256(name.lower().encode()).digest()
    hue = digest[0] * 360 // 256
    cells = [
        format_html('<rect x="{}" y="{}" width="1" height="1"/>', x, y)
        for y in range(5)
        for x in range(5)
        if digest[1 + y * 3 + min(x, 4 - x)] & 1
    ]
    return format_html(
        '<svg class="avatar {}" viewBox="-1 -1 7 7" aria-hidden="true">'
        '<rect x="-1" y="-1" width="7" height="7" rx="1.2" fill="hsl({} 38% 88%)"/>'
        '<g fill="hsl({} 45% 36%)">{}</g></svg>',
        size,
        hue,
        hue,
        SafeString("".join(cells)),
    )


@register.filter
def share_of(value: float, whole: float) -> float:
    """`value` as a percentage of `whole`, for the widths of bars."""
    return round(100 * value / whole, 2) if whole and _is_number(value) else 0


@register.filter
def web_address(text: object) -> str:
    """The address if a browser may follow it; a `javascript:` that somebody wrote is nothing."""
    return str(text) if str(text).lower().startswith(("https://", "http://")) else ""


@register.filter
def examples(card: RepoCard) -> int:
    """Rows over all splits of a dataset, as far as the index knows them."""
    return sum(int(split.get("rows") or 0) for split in card.preview.get("splits", []))

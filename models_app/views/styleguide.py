"""`/styleguide`: tokens and components, each drawn by the sheet and the templates that the site uses."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import get_template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

_PARTS: dict[str, tuple[str | Promise, str | Promise]] = {
    "button": (_("Button"), _("One primary button a page; icons stand beside words.")),
    "field": (_("Form field"), _("Label, field, help, and the problem in one sentence.")),
    "tag": (_("Tag and badge"), _("Tags lead somewhere, badges say how things stand.")),
    "notice": (_("Notice"), ""),
    "card": (_("Card"), _("A panel holds rows, facts or text, never another panel.")),
    "table": (
        _("Table"),
        _("Numbers to the right, in figures of one width; wide tables scroll by themselves."),
    ),
    "tabs": (_("Tabs"), ""),
    "menu": (_("Menu"), _("Opens without script; Escape and a press elsewhere close it.")),
    "dialog": (_("Dialog"), ""),
    "toast": (_("Toast"), _("Said in passing: what must be read is a notice.")),
    "progress": (_("Progress"), ""),
    "empty": (_("Empty state"), ""),
    "chart": (
        _("Chart"),
        _("Bars and curves are SVG; a table of the same numbers stands in without script."),
    ),
    "code": (_("Code"), ""),
    "pager": (_("Pages of a list"), ""),
    "prose": (_("Prose"), _("What people write, at a measure that reads well.")),
}
_BLOCKS = (":root {", ':root[data-theme="contrast"] {')


@dataclass(frozen=True)
class Part:
    """A component: `source` is the template that draws its specimen."""

    name: str
    title: str | Promise
    about: str | Promise
    template: str
    source: str


class SpecimenForm(forms.Form):
    """One field of each kind, one of them with a problem."""

    name = forms.CharField(label=_("Name"), help_text=_("Letters, digits and dashes."), required=False)
    split = forms.ChoiceField(
        label=_("Split"), choices=[("train", "train"), ("test", "test")], required=False
    )
    notes = forms.CharField(
        label=_("Notes"), required=False, widget=forms.Textarea(attrs={"rows": 2, "maxlength": 500})
    )
    agree = forms.BooleanField(label=_("Verify the result"), required=False)
    epochs = forms.IntegerField(label=_("Epochs"), min_value=1, required=False)


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Context: `colours`, `sizes`, `spaces`, `icons`, `parts`, and what the specimens show."""
    stages = ("RUNNING", "SCHEDULING", "COMPLETED", "ERROR", "CANCELED")
    context = {
        **_tokens(),
        "icons": _icons(),
        "parts": [_part(name) for name in _PARTS],
        "form": SpecimenForm({"name": "my-model", "epochs": "-1"}),
        "rows": Paginator(range(90), 30).get_page(2),
        "stages": [{"stage": stage} for stage in stages],
    }
    return render(request, "styleguide/page.html", context)


@require_safe
def curve(request: HttpRequest) -> HttpResponse:
    """Points of a specimen, as a run's own address gives them."""
    steps = range(0, 101, 5)
    train = [[step, 0.15 + 2 * math.exp(-step / 22)] for step in steps]
    val = [[step, 0.3 + 1.9 * math.exp(-step / 25) + step / 900] for step in steps]
    return JsonResponse(
        {"version": "1", "total_steps": 100, "series": {"train/loss": train, "val/loss": val}}
    )


def _part(name: str) -> Part:
    title, about = _PARTS[name]
    template = f"styleguide/parts/{name}.html"
    return Part(name, title, about, template, get_template(template).template.source.strip())  # type: ignore[attr-defined]


def _static(name: str) -> str:
    return (Path(settings.STATICFILES_DIRS[0]) / name).read_text()


@cache
def _icons() -> list[str]:
    return re.findall(r'<symbol id="([\w-]+)"', _static("img/icons.svg"))


@cache
def _tokens() -> dict[str, list[dict[str, object]]]:
    """What the sheet declares, read off the sheet."""
    normal, contrast = (
        _static("css/hub.css").partition(f"\n{block}\n")[2].partition("\n}")[0] for block in _BLOCKS
    )
    pair = re.compile(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)")
    strong = {name: (light, dark) for name, light, dark in pair.findall(contrast)}
    colours: list[dict[str, object]] = [
        {"name": name, "here": f"var(--{name})", "values": (light, dark, *strong.get(name, ()))}
        for name, light, dark in pair.findall(normal)
    ]
    plain = dict(re.findall(r"--((?:text|space)-\w+): ([^;]+);", normal))
    sizes = [
        {"name": name.removeprefix("text-"), "value": value}
        for name, value in plain.items()
        if name.startswith("text-")
    ]
    spaces = [
        {"name": name, "value": value, "pixels": float(value.removesuffix("rem")) * 16}
        for name, value in plain.items()
        if name.startswith("space-")
    ]
    return {"colours": colours, "sizes": sizes, "spaces": spaces}

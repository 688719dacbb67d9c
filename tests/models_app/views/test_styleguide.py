"""The style guide shows what there is: every token of the sheet, every icon, components with their markup."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.house.sources import ROOT

SHEET = (ROOT / "static/css/hub.css").read_text()
pytestmark = pytest.mark.django_db


def test_every_colour_icon_and_component_is_shown(client: Client) -> None:
    page = client.get("/styleguide").content.decode()
    declared = set(re.findall(r"^  --([\w-]+): light-dark\(#", SHEET, re.M))
    shown = set(re.findall(r"<code>--([\w-]+)</code>", page))
    assert declared <= shown
    icons = re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/img/icons.svg").read_text())
    assert len(set(icons)) == len(icons)
    assert all(f"<code>{name}</code>" in page for name in icons)
    parts = [path.stem for path in (ROOT / "templates/styleguide/parts").glob("*.html")]
    assert len(parts) >= 12
    assert all(f'<section id="{name}">' in page for name in parts)


def test_the_markup_is_that_of_the_specimen(client: Client) -> None:
    page = client.get("/styleguide").content.decode()
    assert "{% include &quot;partials/_field.html&quot; %}" in page
    assert 'aria-invalid="true"' in page
    assert "greater than or equal to 1" in page


def test_the_curve_has_points(client: Client) -> None:
    told = client.get("/styleguide/curve.json").json()
    assert {len(points) for points in told["series"].values()} == {21}
    assert client.get("/styleguide/").status_code == 200
    assert client.post("/styleguide").status_code == 405

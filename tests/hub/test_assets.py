"""Style sheet and scripts: an address for each version, kept for a year, small on the way."""

from __future__ import annotations

import gzip
import re

import pytest
from django.test import Client, override_settings

from hub.assets import FOREVER, VersionedStorage, version
from tests.house.sources import ROOT

SHEET = (ROOT / "static/css/hub.css").read_bytes()


def test_a_page_names_this_version_and_it_may_be_kept(client: Client, db: None) -> None:
    page = client.get("/login").content.decode()
    (address,) = re.findall(r'href="(/static/v-\w+/css/hub\.css)"', page)
    assert version() in address
    answer = client.get(address, headers={"Accept-Encoding": "gzip, br"})
    assert answer["Cache-Control"] == FOREVER
    assert answer["Content-Encoding"] == "gzip"
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert gzip.decompress(answer.content) == SHEET
    assert "Accept-Encoding" in answer["Vary"]


def body(answer: object) -> bytes:
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/static/css/hub.css", "/static/v-0123456789ab/css/hub.css"])
def test_the_plain_address_and_an_older_page_get_the_file_of_today_for_a_minute(
    client: Client, path: str
) -> None:
    answer = client.get(path)
    assert body(answer) == SHEET
    assert "immutable" not in answer["Cache-Control"]
    assert "max-age=60" in answer["Cache-Control"]


@pytest.mark.parametrize("encoding", ["", "br", "gzip;q=0", "gzip; q=0.0"])
def test_who_does_not_take_gzip_gets_none(client: Client, encoding: str) -> None:
    answer = client.get("/static/css/hub.css", headers={"Accept-Encoding": encoding})
    assert "Content-Encoding" not in answer
    assert body(answer) == SHEET


def test_what_is_known_is_not_sent_again(client: Client) -> None:
    headers = {"Accept-Encoding": "gzip"}
    tag = client.get("/static/js/hub.js", headers=headers)["ETag"]
    again = client.get("/static/js/hub.js", headers=headers | {"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/static/../hub/settings.py", "/static/v-x/../../manage.py", "/static/v-x/"]
)
def test_nothing_else_is_served(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code == 404


def test_addresses_are_plain_while_files_change_under_a_developers_hands() -> None:
    with override_settings(DEBUG=True):
        assert VersionedStorage().url("css/hub.css") == "/static/css/hub.css"


def test_pages_arrive_small_and_the_wire_as_it_is(client: Client, db: None) -> None:
    headers = {"Accept-Encoding": "gzip"}
    page = client.get("/models", headers=headers)
    assert page["Content-Encoding"] == "gzip"
    assert b"<h1" in gzip.decompress(page.content)
    assert "Content-Encoding" not in client.get("/api/openapi.json", headers=headers)
    assert "Content-Encoding" not in client.get("/models")

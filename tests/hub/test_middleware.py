"""The request log: writes and faults, on one line each, with no secret."""

from __future__ import annotations

import logging

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from accounts.models import User
from accounts.tokens import mint_token


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    """Answers with the status the query asks for."""
    return HttpResponse(status=int(request.GET.get("status", "200")))


urlpatterns = [re_path(r"(?s).*", echo)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "hub.requests"]


@pytest.fixture(autouse=True)
def listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hub.requests")


def test_a_write_is_told_with_its_author(
    client: Client, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    _, text = mint_token(alice, name="t", role="write")
    client.post("/api/repos/create?signature=secret", headers={"authorization": f"Bearer {text}"})
    (line,) = told(caplog)
    assert line.startswith("alice POST /api/repos/create: 200 in ")
    assert "secret" not in line
    assert text not in line


@pytest.mark.parametrize("path", ["/cas/g1/v1/xorbs/default/00", "/v1/telemetry", "/api/runs/00/report"])
def test_floods_are_not_told(client: Client, caplog: pytest.LogCaptureFixture, path: str) -> None:
    client.post(path)
    client.get("/models")
    assert told(caplog) == []


def test_faults_are_told_whatever_the_method(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/models?status=503")
    client.post("/api/runs/00/report?status=507")
    assert [line.split(" in ")[0] for line in told(caplog)] == [
        "anonymous GET /models: 503",
        "anonymous POST /api/runs/00/report: 507",
    ]


def test_a_path_cannot_forge_a_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.post("/a%0A12:00:00%20I%20forged%1B[2J")
    (line,) = told(caplog)
    assert "\n" not in line
    assert "\x1b" not in line

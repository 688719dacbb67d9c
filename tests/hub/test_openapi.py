"""The description of the wire says what the routes, the views and docs/wire.md say, and is valid OpenAPI."""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import Any

import pytest
import schemathesis
from django.test import Client
from django.urls import URLPattern
from rest_framework.views import APIView

from hub.openapi.bodies import BODIES
from hub.openapi.document import openapi
from hub.openapi.queries import QUERIES
from hub.openapi.routes import described
from hub.openapi.served import ROUTES
from models_app.api.urls import WIRE
from runs.api_urls import urlpatterns as RUNS
from tests.house.sources import ROOT

METHODS = ("get", "head", "post", "put", "patch", "delete")
DOCUMENT = openapi(ROUTES)
VIEWS: set[type[APIView]] = {route.callback.cls for route in ROUTES if hasattr(route.callback, "cls")}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of all of them."""
    return [
        (method, path, item[method])
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS
        if method in item
    ]


# --- the document


def test_it_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT))).validate()
    broken = {**DOCUMENT, "paths": {"/x": {"get": {"responses": []}}}}
    with pytest.raises(Exception, match=r"not of type|is not valid"):
        schemathesis.openapi.from_dict(broken).validate()


def test_operations_have_names_of_their_own_and_words() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names)) > 200
    for method, path, operation in operations():
        assert re.fullmatch(r"[^a-z ].*[^ ]|[a-z].{3,}", operation["summary"]), (method, path)
        assert not re.match(r"`?(GET|POST|PUT|PATCH|DELETE)\b", operation["summary"]), (method, path)


def test_every_parameter_of_a_path_is_described() -> None:
    for path, item in DOCUMENT["paths"].items():
        told = {one["name"] for one in item.get("parameters", ())}
        assert told == set(re.findall(r"\{(\w+)\}", path)), path


# --- against the routes


def _text(route: URLPattern) -> str:
    return str(route.pattern)


def test_no_route_is_missing() -> None:
    """Every route answers a described path, by the described view, or stands among what is refused."""
    assert [*RUNS, *WIRE] == ROUTES[1:]
    answering = {}
    for route in described(ROUTES)[0]:
        path = re.sub(r"\{(\w+)\}", lambda found: _sample(found[1]), route.path)
        first = next(one for one in ROUTES if one.pattern.match(path.lstrip("/")))
        assert first.callback.cls is route.view, path
        answering[_text(first)] = path
    refused = set(DOCUMENT["x-refused"])
    assert set(answering) | refused == {_text(route) for route in ROUTES}
    assert set(answering) & refused == set()
    assert all(text.startswith("^") for text in refused)


def _sample(name: str) -> str:
    return {
        "kind": "spaces",
        "uuid": "00000000-0000-4000-8000-000000000000",
        "num": "1",
        "number": "1",
        "generation": "1",
        "access": "read",
    }.get(name, "x")


def test_the_methods_are_those_of_the_views() -> None:
    routes, _ = described(ROUTES)
    for route in routes:
        has = {name for name in METHODS if name != "head" and hasattr(route.view, name)}
        told = {name for name in METHODS if name != "head" and name in DOCUMENT["paths"][route.path]}
        assert told == has, route.path


def test_a_new_route_is_described_without_more_being_said() -> None:
    class Fresh(APIView):
        """PATCH /api/fresh/{name}: something new."""

        def patch(self, request: Any, name: str) -> None: ...

    from django.urls import path, re_path

    made = openapi(
        [
            path("api/fresh/<str:name>", Fresh.as_view()),
            re_path(r"^api/(?P<kind>models|datasets)/(?P<name>[^/]+)/(?P<what>a|b/c)$", Fresh.as_view()),
            re_path(r"^api/left/(?P<rest>.*)$", Fresh.as_view()),
        ]
    )
    assert set(made["paths"]) == {"/api/fresh/{name}", "/api/{kind}/{name}/a", "/api/{kind}/{name}/b/c"}
    assert made["paths"]["/api/fresh/{name}"]["patch"]["summary"] == "Something new"
    assert made["paths"]["/api/{kind}/{name}/a"]["parameters"][0]["schema"]["enum"] == ["models", "datasets"]
    assert made["x-refused"] == ["^api/left/(?P<rest>.*)$"]


# --- against the page


def _page_rows() -> set[tuple[str, str]]:
    done = (ROOT / "docs/wire.md").read_text().split("## Refused")[0]
    found = set()
    for line in re.findall(r"^\| `.*$", done, re.M):
        for methods, path in re.findall(r"`([A-Z, ]+) (/[^` ]+)`", line):
            found |= {(method.lower(), path) for method in methods.split(", ")}
    return found


def test_the_page_and_the_description_name_the_same_methods() -> None:
    told = {
        (
            method,
            re.sub(
                r"^/(?:datasets/|spaces/|kernels/|recipes/|tutorials/)?\{namespace\}",
                "/{prefix}{namespace}",
                path,
            ),
        )
        for method, path, _ in operations()
    }
    page = _page_rows()
    assert page - told == set()
    # Answered, and no row of the page: what is refused of running spaces, and one path without its name.
    words = ("/api/spaces/{namespace}/{name}/", "/api/telemetry/", "/api/{kind}/{namespace}/{name}/xet-")
    more = {(method, path) for method, path in told - page if not path.startswith(words)}
    assert more == {("delete", "/api/buckets/{namespace}")}


# --- the tables beside the views


def test_the_tables_name_views_of_routes_and_methods_they_have() -> None:
    assert set(QUERIES) <= VIEWS
    assert {view for view, _ in BODIES} <= VIEWS
    assert [(view, method) for view, method in BODIES if not hasattr(view, method)] == []


_READ = re.compile(
    r"""(?:GET\.(?:get|getlist)\(|GET\[|(?:query_int|_words|words_of|_choice)\(request, )"([\w\[\]]+)\""""
    r"""|"(\w+)" in request\.GET\b(?!\.)"""
)


def test_every_word_that_views_read_from_the_query_is_described() -> None:
    """By module: a name that some view of it reads is a parameter of some view of it."""
    described_by: dict[str, set[str]] = {}
    for view in VIEWS:
        described_by.setdefault(view.__module__, set()).update(QUERIES.get(view, {}))
    for module, names in described_by.items():
        source = inspect.getsource(sys.modules[module])
        read = {one or other for one, other in _READ.findall(source)} - {"ticket"}
        assert read - names == set(), module


def test_every_post_that_reads_json_has_its_fields() -> None:
    silent = {
        (view.__name__, method)
        for view in VIEWS
        for method in ("post", "put", "patch", "delete")
        if hasattr(view, method) and (view, method) not in BODIES
        if re.search(r"json_object|read_object|read_ndjson|text_field", _source(view, method))
    }
    assert silent == set()


def _source(view: type[APIView], method: str) -> str:
    return inspect.getsource(getattr(view, method))


# --- served


@pytest.mark.django_db
def test_it_is_served_to_everybody_and_kept_by_caches(client: Client) -> None:
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == json.loads(json.dumps(DOCUMENT))
    assert "max-age" in answer["Cache-Control"]
    again = client.get("/api/openapi.json", headers={"If-None-Match": f'"x", W/{answer["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/openapi.json", headers={"If-None-Match": '"x"'}).status_code == 200
    assert client.post("/api/openapi.json").status_code == 405
    assert not client.head("/api/openapi.json").content


def test_nothing_of_this_machine_is_in_it() -> None:
    text = json.dumps(DOCUMENT)
    assert str(ROOT) not in text
    assert "secret_key" not in text.lower()

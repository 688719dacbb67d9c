"""Info, trees, paths, references, commits: the fields and pages that clients read."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions.branches import create_branch
from models_app.actions.commits import commit
from models_app.files import git_store
from models_app.models import LargeFile, Repo, RepoFile
from models_app.storage.operations import AddFile, AddPointer
from tests.models_app.people import by_token, organization, repo_of

SHA = "ab" * 32


@pytest.fixture
def repo(alice: User) -> Repo:
    made = repo_of(alice, "Net")
    RepoFile.objects.create(repo=made, file=LargeFile.objects.create(sha256=SHA, xet_hash=SHA, size=4321))
    operations = [
        AddFile("README.md", b"---\nlicense: mit\n---\n# Old"),
        AddPointer("w/model.safetensors", SHA, 4321),
        AddFile("w/a.txt", b"a"),
    ]
    commit(
        by_token(alice), repo=made, branch="main", operations=operations, summary="Add <b>", description="D"
    )
    return Repo.objects.get(pk=made.pk)


def get(client: Client, path: str, **query: Any) -> Any:
    response = client.get(f"/api/models/alice/net{path}", query)
    assert response.status_code == 200, response.content
    return response.json()


def test_info_has_what_the_clients_assert(client: Client, repo: Repo) -> None:
    info = get(client, "")
    assert (info["id"], info["sha"], info["author"]) == ("alice/Net", repo.head_oid, "alice")
    assert (info["private"], info["gated"], info["disabled"]) == (False, False, False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", info["lastModified"])
    assert info["cardData"] == {"license": "mit"}
    names = [".gitattributes", "README.md", "w/a.txt", "w/model.safetensors"]
    assert info["siblings"] == [{"rfilename": name} for name in names]


def test_blobs_spell_the_lfs_id_sha256(client: Client, repo: Repo) -> None:
    entry = git_store(repo).entry(repo.head_oid, "w/model.safetensors")
    assert entry is not None
    siblings = {item["rfilename"]: item for item in get(client, "", blobs="true")["siblings"]}
    assert siblings["w/model.safetensors"] == {
        "rfilename": "w/model.safetensors",
        "size": 4321,
        "blobId": entry.oid,
        "lfs": {"sha256": SHA, "size": 4321, "pointerSize": 129},
    }
    assert siblings["w/a.txt"]["size"] == 1


def test_a_revision_has_its_own_files_and_card(client: Client, repo: Repo, alice: User) -> None:
    old = repo.head_oid
    actor = by_token(alice)
    operations = [AddFile("README.md", b"---\nlicense: apache-2.0\n---\n"), AddFile("new", b"")]
    new = commit(actor, repo=repo, branch="main", operations=operations, summary="New").oid
    then, now = get(client, f"/revision/{old}"), get(client, "/revision/main")
    assert (then["sha"], then["cardData"]["license"], len(then["siblings"])) == (old, "mit", 4)
    assert (now["sha"], now["cardData"]["license"], len(now["siblings"])) == (new, "apache-2.0", 5)
    assert get(client, f"/revision/{old}", blobs=True)["siblings"][1]["rfilename"] == "README.md"


def test_expand_gives_what_it_is_asked_and_refuses_what_it_does_not_know(client: Client, repo: Repo) -> None:
    assert set(get(client, "", expand="sha")) <= {"_id", "id", "modelId", "sha"}
    assert get(client, "", **{"expand[]": ["siblings", "author"]})["author"] == "alice"
    response = client.get("/api/models/alice/net?expand=nonsense")
    assert response.status_code == 400
    assert "'nonsense' cannot be expanded" in response.json()["error"]


def test_tree_entries(client: Client, repo: Repo) -> None:
    entry = git_store(repo).entry(repo.head_oid, "w/model.safetensors")
    assert entry is not None
    assert [item["path"] for item in get(client, "/tree/main")] == ["w", ".gitattributes", "README.md"]
    files = {item["path"]: item for item in get(client, "/tree/main", recursive="True", expand="True")}
    large = files["w/model.safetensors"]
    assert large["lfs"] == {"oid": SHA, "size": 4321, "pointerSize": 129}
    assert (large["type"], large["size"], large["oid"]) == ("file", 4321, entry.oid)
    assert large["lastCommit"]["id"] == repo.head_oid
    assert large["lastCommit"]["date"].endswith("Z")
    assert files["w"] | {"lastCommit": None} == {
        "type": "directory", "path": "w", "size": 0, "oid": files["w"]["oid"], "lastCommit": None,
    }  # fmt: skip


def test_a_tree_pages_by_absolute_links(client: Client, repo: Repo) -> None:
    seen: list[str] = []
    url: str | None = "http://testserver/api/models/alice/net/tree/main?recursive=true&limit=2"
    while url:
        assert url.startswith("http://testserver/")
        parts = urlsplit(url)
        response = client.get(f"{parts.path}?{parts.query}")
        seen += [item["path"] for item in response.json()]
        link = re.fullmatch(r'<(.+)>; rel="next"', response.headers.get("Link", ""))
        url = link[1] if link else None
    assert seen == [".gitattributes", "README.md", "w", "w/a.txt", "w/model.safetensors"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "cursor=x", "limit=%00", "cursor=²"])
def test_odd_paging_is_400(client: Client, repo: Repo, query: str) -> None:
    response = client.get(f"/api/models/alice/net/tree/main?{query}")
    assert (response.status_code, "whole number" in response.json()["error"]) == (400, True)


def test_an_encoded_slash_stays_in_its_segment(client: Client, repo: Repo, alice: User) -> None:
    """As gunicorn hands it over: PATH_INFO is decoded, RAW_URI is not."""
    create_branch(by_token(alice), repo=repo, branch="w/main")
    path = "/api/models/alice/net/tree/w/main/w"
    for uri in ("/api/models/alice/net/tree/w%2Fmain/w", "http://h/api/models/alice/net/tree/w%2fmain/w?a=/"):
        listed = client.get(path, RAW_URI=uri).json()
        assert [item["path"] for item in listed] == ["w/a.txt", "w/model.safetensors"]
    encoded = client.get(
        "/api/models/alice/net/tree/main/w/x", RAW_URI="/api/models/alice/net/tree/main/w%2Fx"
    )
    assert encoded["X-Error-Code"] == "EntryNotFound"


def test_paths_info_by_form_and_by_json(client: Client, repo: Repo) -> None:
    url = "/api/models/alice/net/paths-info/main"
    form = client.post(
        url,
        "paths=w&paths=w%2Fa.txt&paths=nope&expand=false",
        content_type="application/x-www-form-urlencoded",
    )
    body = json.dumps({"paths": ["w", "w/a.txt", "nope", "\ud800", "a\0"], "expand": False})
    plain = client.post(url, body, content_type="application/json")
    assert [item["path"] for item in form.json()] == ["w", "w/a.txt"]
    assert form.json() == plain.json()
    for bad in ({"paths": 3}, {"paths": [3]}):
        assert client.post(url, json.dumps(bad), content_type="application/json").status_code == 400


def test_commits_are_counted_and_escaped(client: Client, repo: Repo) -> None:
    response = client.get("/api/models/alice/net/commits/main?expand[]=formatted&limit=1")
    assert response["X-Total-Count"] == "2"
    assert "p=1" in response["Link"]
    (found,) = response.json()
    assert (found["id"], found["title"], found["message"]) == (repo.head_oid, "Add <b>", "D")
    assert found["formatted"] == {"title": "Add &lt;b&gt;", "message": "D"}
    assert found["authors"][0]["user"] == "alice"
    last = client.get("/api/models/alice/net/commits/main?limit=1&p=1")
    assert (last.json()[0]["title"], "Link" in last) == ("initial commit", False)


def test_reading_a_public_repo_takes_two_queries(client: Client, repo: Repo, carol: User) -> None:
    headers = {"Authorization": f"Bearer {mint_token(carol, name='t', role='read')[1]}"}
    client.get("/api/models/alice/net/refs", headers=headers)
    for path in (
        "/api/models/alice/net/refs",
        "/api/models/alice/net/tree/main",
        "/alice/net/resolve/main/w/a.txt",
    ):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path, headers=headers).status_code == 200
        assert len(queries) == 2, [query["sql"] for query in queries]


def test_overviews_count_what_the_caller_may_see(client: Client, repo: Repo, alice: User) -> None:
    repo_of(alice, "hidden", private=True)
    repo_of(alice, "data", repo_type="dataset")
    organization("team", admin=alice)
    headers = {"Authorization": f"Bearer {mint_token(alice, name='t', role='read')[1]}"}
    url = "/api/users/ALICE/overview"
    theirs, mine = client.get(url).json(), client.get(url, headers=headers).json()
    assert (theirs["numModels"], mine["numModels"], mine["numDatasets"]) == (1, 2, 1)
    assert theirs["orgs"][0]["name"] == "team"
    assert "email" not in theirs
    assert client.get("/api/organizations/team/overview").json()["numUsers"] == 1
    for missing in (
        "/api/users/team/overview",
        "/api/organizations/alice/overview",
        "/api/users/%00/overview",
    ):
        assert client.get(missing).status_code == 404


def test_the_first_calls_of_a_client_process(client: Client, db: None) -> None:
    assert client.get("/api/agent-harnesses").json() == {"standardEnvVars": [], "harnesses": {}}
    assert client.head("/api/telemetry/some/topic").status_code == 200
    assert client.get("/api/whoami-v2").status_code == 401

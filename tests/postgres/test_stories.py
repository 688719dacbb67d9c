"""The stock client from the first repo to the last, on PostgreSQL."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, WebhookWatchedItem

from tests.live import LiveHub
from tests.postgres.conftest import Database
from tests.postgres.test_locks import lfs_upload, object_of

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("client_home")]
WEIGHTS = np.random.default_rng(15).bytes(3_000_000)
WORKERS = ("tyw_firstworkerfirstworkerfirstwork1", "tyw_secondworkersecondworkersecond2")
CARD = "---\nlicense: mit\ntags: [t-{0}, even-{1}]\n---\n# {0}\n\nA quiet network.\n"


def test_a_repo_from_its_first_commit_to_its_removal(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    api, name = hub.api(), unique.upper()
    repo_id = api.create_repo(name).repo_id
    (tmp_path / "w.bin").write_bytes(WEIGHTS)
    api.upload_folder(repo_id=repo_id, folder_path=tmp_path, commit_message="By Xet")
    lfs_upload(hub, repo_id, WEIGHTS[::-1])
    api.create_commit(repo_id, [CommitOperationAdd("back.bin", WEIGHTS[::-1])], commit_message="By LFS")
    # However it is written, an id names one repo, and none is made beside it.
    assert api.model_info(f"ALICE/{unique.lower()}").id == f"alice/{name}"
    assert api.create_repo(unique.lower(), exist_ok=True).repo_id == f"alice/{name}"
    down = Path(api.snapshot_download(repo_id, local_dir=tmp_path / "down"))
    assert (down / "w.bin").read_bytes() == WEIGHTS
    assert (down / "back.bin").read_bytes() == WEIGHTS[::-1]
    api.create_branch(repo_id, branch="dev")
    api.create_tag(repo_id, tag="v1")
    api.move_repo(repo_id, f"team/{unique}")
    assert [one.name for one in api.list_repo_refs(repo_id).branches] == ["dev", "main"]
    api.delete_repo(f"team/{unique}")
    assert not api.repo_exists(repo_id)


def test_lists_are_searched_filtered_sorted_and_paged(hub: LiveHub, unique: str) -> None:
    api = hub.api()
    for number in range(5):
        repo_id = api.create_repo(f"{unique}-{number}").repo_id
        card = CARD.format(unique, number % 2).encode()
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo_id)
    like = f"{hub.url}/api/models/alice/{unique}-3/like"
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    urllib.request.urlopen(urllib.request.Request(like, headers=headers, method="POST")).close()
    names = [f"alice/{unique}-{number}" for number in range(5)]
    assert {one.id for one in api.list_models(search=f"{unique} quiet")} == set(names)
    assert {one.id for one in api.list_models(filter=[f"t-{unique}", "even-1"])} == {names[1], names[3]}
    assert next(iter(api.list_models(filter=f"t-{unique}", sort="likes"))).id == names[3]
    newest = [one.id for one in api.list_models(filter=f"t-{unique}", sort="created_at")]
    assert newest == names[::-1]
    paged, address = [], f"{hub.url}/api/models?filter=t-{unique}&sort=createdAt&limit=2"
    while address:
        with urllib.request.urlopen(address) as answer:
            paged += [one["id"] for one in json.load(answer)]
            address = (answer.headers["Link"] or "").partition("<")[2].partition(">")[0]
    assert paged == newest


def test_people_talk_collect_and_listen(hub: LiveHub, unique: str) -> None:
    alice, bob = hub.api(), hub.api("bob")
    repo_id = alice.create_repo(unique).repo_id
    hook = alice.create_webhook(
        url="https://example.org/hear", watched=[WebhookWatchedItem(type="model", name=repo_id)],
        domains=["repo", "discussion"],
    )  # fmt: skip
    assert hook.id in [one.id for one in alice.list_webhooks()]
    offered = bob.create_commit(
        repo_id, [CommitOperationAdd("a.txt", b"a")], commit_message="Offer", create_pr=True
    )
    bob.comment_discussion(repo_id, offered.pr_num or 0, "Please.")
    alice.merge_pull_request(repo_id, offered.pr_num or 0)
    assert "a.txt" in alice.list_repo_files(repo_id)
    assert [one.status for one in alice.get_repo_discussions(repo_id)] == ["merged"]
    slug = alice.create_collection(unique).slug
    alice.add_collection_item(slug, repo_id, "model", note="mine")
    assert [item.item_id for item in alice.get_collection(slug).items] == [repo_id]
    alice.delete_collection(slug)
    alice.delete_webhook(hook.id)


def submitted(hub: LiveHub, unique: str) -> str:
    """The id of a run of alice's that waits for a worker."""
    api = hub.api()
    base, data = f"alice/{unique}-base", f"alice/{unique}-data"
    for repo_id, kind in ((base, "model"), (data, "dataset")):
        api.create_repo(repo_id, repo_type=kind)
    for name in ("config.json", "model.safetensors"):
        api.upload_file(path_or_fileobj=b"{}", path_in_repo=name, repo_id=base)
    recipe = json.dumps({"base_model": {"repo": base}, "dataset": {"repo": data}})
    command = ["tuneyard", "finetune", "--recipe", recipe, "--target", unique]
    return str(api.run_job(image="tuneyard", command=command).id)


def test_of_two_workers_one_gets_the_run(hub: LiveHub, database: Database, unique: str) -> None:
    for number, token in enumerate(WORKERS):
        hub.manage("provision", "--data-dir", str(hub.data_dir), "--worker", f"w{number}", "--token", token)
    api, job_id = hub.api(), submitted(hub, unique)

    def claim(token: str) -> int:
        body = json.dumps({"flavors": ["cpu-basic"], "versions": {}}).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{hub.url}/api/runs/{job_id}/claim", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        with database.held("SELECT 1 FROM runs_run WHERE uuid = %s FOR UPDATE", job_id):
            answers = [pool.submit(claim, token) for token in WORKERS]
            database.wait_until_blocked(2)
        assert sorted(answer.result(60) for answer in answers) == [200, 409]
    assert api.inspect_job(job_id=job_id).status.stage == "RUNNING"
    api.cancel_job(job_id=job_id)


def test_the_collector_passes_by_what_an_upload_holds(hub: LiveHub, database: Database, unique: str) -> None:
    api, data = hub.api(), WEIGHTS[:1_000_000] + unique.encode()
    repo_id = api.create_repo(unique).repo_id
    api.create_commit(repo_id, [CommitOperationAdd("w.bin", data)], commit_message="Add")
    api.delete_repo(repo_id)
    sha256 = object_of(data)["oid"]
    collect = ("collect_garbage", "--grace-days", "0", "--force")
    with database.held("SELECT 1 FROM models_app_largefile WHERE sha256 = %s FOR NO KEY UPDATE", sha256):
        hub.manage(*collect)
        assert database.rows("SELECT 1 FROM models_app_largefile WHERE sha256 = %s", sha256) == [(1,)]
    hub.manage(*collect)
    assert database.rows("SELECT 1 FROM models_app_largefile WHERE sha256 = %s", sha256) == []


def test_collections_of_garbage_beside_uploads_lose_nothing(
    hub: LiveHub, unique: str, tmp_path: Path
) -> None:
    api, kept = hub.api(), {}
    repo_id = api.create_repo(unique).repo_id
    with ThreadPoolExecutor(2) as pool:
        for number in range(3):
            collected = pool.submit(hub.manage, "collect_garbage")
            kept[f"{number}.bin"] = np.random.default_rng([16, number]).bytes(400_000)
            lfs_upload(hub, repo_id, kept[f"{number}.bin"])
            operations = [CommitOperationAdd(name, data) for name, data in kept.items()]
            api.create_commit(repo_id, operations, commit_message=f"Add {number}")
            collected.result(120)
    down = Path(api.snapshot_download(repo_id, local_dir=tmp_path / "down"))
    assert {path.name: path.read_bytes() for path in down.glob("*.bin")} == kept


def test_the_tables_are_those_of_the_code(hub: LiveHub) -> None:
    assert "No changes detected" in hub.manage("makemigrations", "--check", "--dry-run")
    assert "No planned migration operations" in hub.manage("migrate", "--plan")

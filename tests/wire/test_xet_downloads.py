"""The stock client downloads by Xet, and may do without."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.live import LiveHub, make_hub

pytestmark = pytest.mark.wire

RNG = np.random.default_rng(51)
WEIGHTS = np.sort(RNG.normal(size=2_000_000)).astype("<f4").tobytes() + RNG.bytes(6_000_000)


@pytest.fixture(scope="module")
def weights(hub: LiveHub) -> str:
    """A public repo with one large file, a small one beside it."""
    repo_id = f"alice/xet-{os.urandom(4).hex()}"
    api = hub.api()
    api.create_repo(repo_id)
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="model.safetensors", repo_id=repo_id)
    api.upload_file(path_or_fileobj=b'{"a": 1}', path_in_repo="config.json", repo_id=repo_id)
    return repo_id


def _elsewhere(hub: LiveHub, home: Path, code: str, *arguments: str, **environment: str) -> str:
    """Run the client on a machine that remembers nothing; what it printed."""
    script = (
        "import sys, os; from pathlib import Path; from huggingface_hub import HfApi, HfFileSystem\n"
        "api = HfApi(os.environ['HUB'], os.environ['TOKEN'] or False)\n" + code
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={
            **hub.environment, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HUB": hub.url,
            "TOKEN": hub.tokens["carol"], **environment,
        },
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def _new_requests(hub: LiveHub, before: int, method: str, part: str) -> list[str]:
    """`METHOD path` of what came since, one of them with this method and part of a path."""
    return [f"{line[0]} {line[1]}" for line in hub.requests_since(before, method, part)]


def _count(requests: list[str], part: str) -> int:
    return sum(part in request for request in requests)


def test_a_file_comes_by_xet_as_it_was(hub: LiveHub, weights: str, tmp_path: Path) -> None:
    before = len(hub.requests())
    code = "print(api.hf_hub_download(sys.argv[1], 'model.safetensors'))"
    path = _elsewhere(hub, tmp_path, code, weights)
    assert Path(path).read_bytes() == WEIGHTS
    seen = _new_requests(hub, before, "GET", "/xorbs/")
    assert _count(seen, "HEAD /" + weights + "/resolve/") == 1
    assert _count(seen, "GET /" + weights + "/resolve/") == 0
    assert _count(seen, "/v2/reconstructions/") == 1
    assert _count(seen, "/v1/reconstructions/") == 0
    assert _count(seen, "/xorbs/") >= 1


def test_a_snapshot_goes_from_the_list_of_files_to_xet(hub: LiveHub, weights: str, tmp_path: Path) -> None:
    before = len(hub.requests())
    path = _elsewhere(hub, tmp_path, "print(api.snapshot_download(sys.argv[1]))", weights)
    assert (Path(path) / "model.safetensors").read_bytes() == WEIGHTS
    assert (Path(path) / "config.json").read_bytes() == b'{"a": 1}'
    seen = _new_requests(hub, before, "GET", "/xorbs/")
    assert _count(seen, "/resolve/") == _count(seen, "config.json") + _count(seen, ".gitattributes")
    assert _count(seen, "/xorbs/") >= 1


def test_plain_http_is_there_for_everybody_else(hub: LiveHub, weights: str, tmp_path: Path) -> None:
    before = len(hub.requests())
    code = "print(api.hf_hub_download(sys.argv[1], 'model.safetensors'))"
    path = _elsewhere(hub, tmp_path, code, weights, HF_HUB_DISABLE_XET="1")
    assert Path(path).read_bytes() == WEIGHTS
    seen = _new_requests(hub, before, "GET", f"/{weights}/resolve/")
    assert _count(seen, "GET /" + weights + "/resolve/") == 1
    assert _count(seen, "/cas/") == 0


def test_a_hub_told_to_offers_no_xet(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    plain = make_hub(tmp_path_factory.mktemp("plain"), HUB_XET_DOWNLOAD="False")
    try:
        api = plain.api()
        api.create_repo("alice/net")
        api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="model.safetensors", repo_id="alice/net")
        before = len(plain.requests())
        path = _elsewhere(plain, tmp_path, "print(api.snapshot_download('alice/net'))")
        assert (Path(path) / "model.safetensors").read_bytes() == WEIGHTS
        seen = _new_requests(plain, before, "GET", "/model.safetensors")
        assert _count(seen, "/cas/") == 0
        assert api.get_paths_info("alice/net", "model.safetensors")[0].xet_hash is None
    finally:
        plain.stop()


def test_a_file_sent_by_lfs_comes_by_xet_too(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    api = hub.api()
    api.create_repo(f"alice/{unique}")
    (tmp_path / "w.bin").write_bytes(WEIGHTS[::-1])
    code = "api.upload_file(path_or_fileobj=sys.argv[2], path_in_repo='w.bin', repo_id=sys.argv[1])"
    home, token = tmp_path / "one", hub.tokens["alice"]
    _elsewhere(
        hub, home, code, f"alice/{unique}", str(tmp_path / "w.bin"), TOKEN=token, HF_HUB_DISABLE_XET="1"
    )
    before = len(hub.requests())
    code = "print(api.hf_hub_download(sys.argv[1], 'w.bin'))"
    path = _elsewhere(hub, tmp_path / "two", code, f"alice/{unique}")
    assert Path(path).read_bytes() == WEIGHTS[::-1]
    assert _count(_new_requests(hub, before, "GET", "/xorbs/"), "/resolve/") == 1


def test_the_hubs_name_of_a_file_is_the_clients_own(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    """Cut here out of an LFS upload, named here; sent again by Xet it is the same file, and no byte is
    stored."""
    api = hub.api()
    api.create_repo(f"alice/{unique}")
    data = RNG.bytes(3_000_000) + bytes(500_000)
    (tmp_path / "w.bin").write_bytes(data)
    code = "api.upload_file(path_or_fileobj=sys.argv[2], path_in_repo=sys.argv[3], repo_id=sys.argv[1])"
    for name, off in (("lfs.bin", "1"), ("xet.bin", "")):
        environment = {"HF_HUB_DISABLE_XET": off} if off else {}
        arguments = (f"alice/{unique}", str(tmp_path / "w.bin"), name)
        _elsewhere(hub, tmp_path / name, code, *arguments, TOKEN=hub.tokens["alice"], **environment)
        if off:
            stored = hub.stored_bytes()
    one, other = api.get_paths_info(f"alice/{unique}", ["lfs.bin", "xet.bin"])
    assert one.xet_hash == other.xet_hash
    assert one.xet_hash == _xet_hash(tmp_path / "w.bin")
    assert hub.stored_bytes() == stored


def _xet_hash(path: Path) -> str:
    """What the client's own library calls the file."""
    code = "import sys, hf_xet; print(hf_xet.hash_files([sys.argv[1]])[0].hash)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_private_file_by_a_signed_in_reader_only(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    api = hub.api()
    api.create_repo(f"team/{unique}", private=True)
    api.upload_file(path_or_fileobj=WEIGHTS[:1_000_000], path_in_repo="w.bin", repo_id=f"team/{unique}")
    code = "print(api.hf_hub_download(sys.argv[1], 'w.bin'))"
    path = _elsewhere(hub, tmp_path / "bob", code, f"team/{unique}", TOKEN=hub.tokens["bob"])
    assert Path(path).read_bytes() == WEIGHTS[:1_000_000]
    code = (
        "from huggingface_hub.errors import RepositoryNotFoundError\n"
        "try: api.hf_hub_download(sys.argv[1], 'w.bin')\n"
        "except RepositoryNotFoundError: print('not found')"
    )
    assert _elsewhere(hub, tmp_path / "carol", code, f"team/{unique}") == "not found"


def test_the_file_system_reads_parts_and_wholes(hub: LiveHub, weights: str, tmp_path: Path) -> None:
    code = (
        "fs = HfFileSystem(endpoint=os.environ['HUB'], token=os.environ['TOKEN'])\n"
        "path = sys.argv[1] + '/model.safetensors'\n"
        "fs.get_file(path, sys.argv[2])\n"
        "f = fs.open(path); f.seek(7_999_990); sys.stdout.write(f.read(20).hex())"
    )
    target = tmp_path / "got"
    assert (
        _elsewhere(hub, tmp_path / "home", code, weights, str(target)) == WEIGHTS[7_999_990:8_000_010].hex()
    )
    assert target.read_bytes() == WEIGHTS


def test_a_lost_xorb_ends_a_download_soon_and_in_words(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    api = hub.api()
    api.create_repo(f"alice/{unique}")
    before = hub.xorbs()
    api.upload_file(path_or_fileobj=RNG.bytes(2_000_000), path_in_repo="w.bin", repo_id=f"alice/{unique}")
    for path in hub.xorbs() - before:
        path.unlink()
    code = "try: api.hf_hub_download(sys.argv[1], 'w.bin')\nexcept Exception as error: print(error)"
    began = time.monotonic()
    assert "410" in _elsewhere(hub, tmp_path / "xet", code, f"alice/{unique}")
    told = _elsewhere(hub, tmp_path / "plain", code, f"alice/{unique}", HF_HUB_DISABLE_XET="1")
    assert "missing from the hub's storage" in told
    assert time.monotonic() - began < 90

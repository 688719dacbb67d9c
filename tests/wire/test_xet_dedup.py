"""A machine that has never seen the hub sends only what the hub has not got."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.live import LiveHub

pytestmark = pytest.mark.wire

RNG = np.random.default_rng(61)
HEAD_BYTES = 200_000
_UPLOAD = (
    "import sys; from huggingface_hub import HfApi; "
    "HfApi(sys.argv[1], sys.argv[2]).upload_file("
    "path_or_fileobj=sys.argv[3], path_in_repo='w.bin', repo_id=sys.argv[4])"
)


def _upload(hub: LiveHub, name: str, repo_id: str, data: bytes, home: Path) -> int:
    """Upload from a fresh machine; the bytes of the xorbs it sent."""
    home.mkdir()
    (home / "w.bin").write_bytes(data)
    before = len(hub.requests())
    subprocess.run(
        [sys.executable, "-c", _UPLOAD, hub.url, hub.tokens[name], str(home / "w.bin"), repo_id],
        env={**hub.environment, "HF_HOME": str(home / "hf")},
        check=True,
        timeout=120,
    )
    seen = hub.requests_since(before, "POST", f"/api/models/{repo_id}/commit/")
    return sum(int(line[3]) for line in seen if line[0] == "POST" and "/v1/xorbs/" in line[1])


def test_a_child_that_changed_its_last_layer_sends_its_last_layer(
    hub: LiveHub, unique: str, tmp_path: Path
) -> None:
    base = RNG.bytes(30_000_000)
    hub.api("alice").create_repo(f"alice/{unique}")
    hub.api("carol").create_repo(f"carol/{unique}")
    assert _upload(hub, "alice", f"alice/{unique}", base, tmp_path / "alice") > len(base)
    child = base[:-HEAD_BYTES] + RNG.bytes(HEAD_BYTES)
    sent = _upload(hub, "carol", f"carol/{unique}", child, tmp_path / "carol")
    assert sent < HEAD_BYTES + 3 * 131_072
    path = hub.api("carol").hf_hub_download(f"carol/{unique}", "w.bin", local_dir=tmp_path / "got")
    assert Path(path).read_bytes() == child


def test_nobody_learns_what_a_private_repo_holds(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    secret = RNG.bytes(5_000_000)
    hub.api("alice").create_repo(f"alice/{unique}", private=True)
    hub.api("carol").create_repo(f"carol/{unique}")
    hub.api("alice").create_repo(f"alice/{unique}-2", private=True)
    assert _upload(hub, "alice", f"alice/{unique}", secret, tmp_path / "one") >= len(secret)
    assert _upload(hub, "carol", f"carol/{unique}", secret, tmp_path / "two") >= len(secret)
    assert _upload(hub, "alice", f"alice/{unique}-2", secret, tmp_path / "three") == 0


def test_a_changed_first_layer_costs_no_more(hub: LiveHub, unique: str, tmp_path: Path) -> None:
    """No client asks about a chunk that it knows the hub to lack; the hub says what came last instead."""
    base = RNG.bytes(30_000_000)
    hub.api("alice").create_repo(f"alice/{unique}", private=True)
    assert _upload(hub, "alice", f"alice/{unique}", base, tmp_path / "one") > len(base)
    hub.api("alice").create_repo(f"alice/{unique}-next", private=True)
    child = RNG.bytes(HEAD_BYTES) + base[HEAD_BYTES:]
    sent = _upload(hub, "alice", f"alice/{unique}-next", child, tmp_path / "two")
    assert sent < HEAD_BYTES + 3 * 131_072

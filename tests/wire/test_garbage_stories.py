"""Collection seen from the stock client: what it has keeps, what it lost can be sent again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.live import LiveHub, make_hub

pytestmark = pytest.mark.wire
DATA = np.random.default_rng(77).bytes(3_000_000)
UPLOAD = (
    "import sys; from huggingface_hub import HfApi; api = HfApi(sys.argv[1], sys.argv[2]); "
    "api.create_repo(sys.argv[4], exist_ok=True); "
    "api.upload_file(path_or_fileobj=sys.argv[3], path_in_repo='w.bin', repo_id=sys.argv[4])"
)


@pytest.fixture(scope="module")
def own_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A hub of its own: what is forced here would disturb the others' clients."""
    hub = make_hub(tmp_path_factory.mktemp("garbage"))
    yield hub
    hub.stop()


def upload(hub: LiveHub, repo_id: str, data: bytes, home: Path) -> subprocess.CompletedProcess[str]:
    """By a client that lives in `home` and remembers what it sent from there."""
    home.mkdir(exist_ok=True)
    (home / "w.bin").write_bytes(data)
    return subprocess.run(
        [sys.executable, "-c", UPLOAD, hub.url, hub.tokens["alice"], str(home / "w.bin"), repo_id],
        env={**hub.environment, "HF_HOME": str(home / "hf")},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_collection_takes_nothing_that_a_client_may_still_need(own_hub: LiveHub, tmp_path: Path) -> None:
    assert upload(own_hub, "alice/first", DATA, tmp_path / "one").returncode == 0
    before = own_hub.stored_bytes()
    assert before > 2_900_000
    own_hub.api().delete_repo("alice/first")
    own_hub.manage("collect_garbage")
    # The client remembers that it has sent these chunks, and sends none of them.
    assert own_hub.stored_bytes() == before
    assert upload(own_hub, "alice/second", DATA, tmp_path / "one").returncode == 0
    assert own_hub.stored_bytes() == before
    path = own_hub.api().hf_hub_download("alice/second", "w.bin", local_dir=tmp_path / "down")
    assert Path(path).read_bytes() == DATA


def test_after_a_forced_collection_others_upload_anew_and_who_remembers_is_told_at_once(
    own_hub: LiveHub, tmp_path: Path
) -> None:
    data = DATA[::-1]
    assert upload(own_hub, "alice/third", data, tmp_path / "one").returncode == 0
    own_hub.api().delete_repo("alice/third")
    own_hub.api().delete_repo("alice/second", missing_ok=True)
    own_hub.manage("collect_garbage", "--grace-days", "0", "--force")
    assert own_hub.stored_bytes() == 0
    remembering = upload(own_hub, "alice/fourth", data, tmp_path / "one")
    assert remembering.returncode != 0
    assert "not stored here; please upload its bytes again" in remembering.stderr
    assert upload(own_hub, "alice/fourth", data, tmp_path / "two").returncode == 0
    # Now that the chunks are there again, the one that remembers them is right once more.
    assert upload(own_hub, "alice/fifth", data, tmp_path / "one").returncode == 0
    path = own_hub.api().hf_hub_download("alice/fifth", "w.bin", local_dir=tmp_path / "down")
    assert Path(path).read_bytes() == data

"""curl: headers, ranges, resuming."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from rows import ENDPOINT, TOKEN, new_id, noise, row, run_rows

BEARER = ("-H", f"Authorization: Bearer {TOKEN}")


def curl(*words: str) -> bytes:
    return subprocess.run(["curl", "-sS", "--max-time", "60", *words], capture_output=True, check=True).stdout


def uploaded() -> str:
    """A repo with one large file, put there by LFS as curl can."""
    import hashlib

    repo_id, content = new_id(), noise(1_000_000, 6)
    oid = hashlib.sha256(content).hexdigest()

    def post(path: str, body: object, kind: str = "application/json") -> dict[str, object]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{ENDPOINT}{path}", raw, {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    post("/api/repos/create", {"name": repo_id.split("/")[1], "type": "model"})
    objects = [{"oid": oid, "size": len(content)}]
    batch = {"operation": "upload", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256"}
    found = post(f"/{repo_id}.git/info/lfs/objects/batch", batch, "application/vnd.git-lfs+json")
    href = found["objects"][0]["actions"]["upload"]["href"]
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        curl("-f", "-T", file.name, str(href))
    lines = [
        {"key": "header", "value": {"summary": "by curl"}},
        {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": oid, "size": len(content)}},
    ]
    post(
        f"/api/models/{repo_id}/commit/main",
        "\n".join(map(json.dumps, lines)).encode(),
        "application/x-ndjson",
    )
    return f"{ENDPOINT}/{repo_id}/resolve/main/w.bin"


@row("HEAD has length, ETag and commit; GET has the bytes")
def head() -> None:
    url = uploaded()
    headers = curl("-I", *BEARER, url).decode().lower()
    assert all(word in headers for word in ("content-length: 1000000", "etag:", "x-repo-commit:"))
    assert curl("-L", *BEARER, url) == noise(1_000_000, 6)


@row("ranges: middle, suffix, open end, past the end")
def ranges() -> None:
    url, content = uploaded(), noise(1_000_000, 6)
    assert curl("-L", "-r", "70000-200000", url) == content[70_000:200_001]
    assert curl("-L", "-r", "-77", url) == content[-77:]
    assert curl("-L", "-r", "999000-", url) == content[999_000:]
    assert curl("-L", "-o", "/dev/null", "-w", "%{http_code}", "-r", "2000000-", url) == b"416"


@row("curl -C - resumes")
def resume() -> None:
    url = uploaded()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.bin"
        path.write_bytes(noise(1_000_000, 6)[:300_000])
        curl("-L", "-C", "-", "-o", str(path), url)
        assert path.read_bytes() == noise(1_000_000, 6)


if __name__ == "__main__":
    sys.exit(run_rows())

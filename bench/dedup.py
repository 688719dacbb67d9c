"""What a checkpoint costs that differs from a stored one in its last layer: bytes sent, bytes stored.

    python -m bench.dedup                    wants git and git-lfs
    python -m bench.dedup --megabytes 30     for a quick look

A hub of its own behind a proxy that counts every byte of every connection, whatever it belongs to. The parent
goes up first; its children come from the same machine, from machines that never saw the parent (Xet's global
deduplication), and by git-lfs, which knows nothing of chunks: the hub cuts what arrives.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from bench import report
from bench.hub import ROOT, USER, running_hub
from bench.storage import disk_bytes
from bench.wire import ask

LAST_LAYER_BYTES = 2_048_000  # 512 × 1000 floats: what a new head on a ResNet-18 replaces
BOUND_BYTES = 5_000_000
_PIECE = 256 * 1024


class CountingProxy:
    """Forwards connections to `port`; `sent` counts the bytes that clients sent, headers included."""

    def __init__(self) -> None:
        self.sent = 0
        self.port = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            hub = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self._forward, args=(client, hub, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(hub, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        try:
            while piece := source.recv(_PIECE):
                target.sendall(piece)
                if counts:
                    self.sent += len(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()


def part_upload(args: argparse.Namespace) -> None:
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(f"{USER}/{args.name}", exist_ok=True)
    api.upload_file(
        repo_id=f"{USER}/{args.name}", path_or_fileobj=args.file, path_in_repo="model.safetensors"
    )


def xet_upload(args: argparse.Namespace, name: str, file: Path, home: Path, url: str, token: str) -> None:
    """From the machine whose home this is."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    kept |= {"HF_HOME": str(home), "HF_XET_CACHE": str(home / "xet"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-m", "bench.dedup", "--part", "upload", "--name", name, "--file", str(file)]
    subprocess.run(command, check=True, cwd=ROOT, env={**kept, "HF_ENDPOINT": url, "HF_TOKEN": token})


def lfs_push(args: argparse.Namespace, name: str, file: Path, home: Path, url: str, token: str) -> None:
    """With git and git-lfs into a repo that is there, from a fresh clone."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1",
        "NO_PROXY": "127.0.0.1", "GIT_AUTHOR_NAME": USER, "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": USER, "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
    work = home / name

    def git(*words: str) -> None:
        subprocess.run(["git", *words], check=True, env=environment, stdout=subprocess.DEVNULL,
                       cwd=work if work.exists() else None)  # fmt: skip

    home.mkdir(exist_ok=True)
    git("clone", "--quiet", f"{url.replace('://', f'://{USER}:{token}@')}/{USER}/{name}", str(work))
    git("lfs", "install", "--local")
    shutil.copyfile(file, work / "model.safetensors")
    git("add", "--all")
    git("commit", "--quiet", "-m", "Add the checkpoint")
    git("push", "--quiet")


def make_checkpoints(work: Path, megabytes: int) -> list[Path]:
    """A parent and three children that share no byte of their last layers, as safetensors."""
    size = megabytes * 1_000_000 // 4 * 4
    shapes = {"body": size - LAST_LAYER_BYTES, "head": LAST_LAYER_BYTES}
    tensors, at = {}, 0
    for name, length in shapes.items():
        tensors[name] = {"dtype": "F32", "shape": [length // 4], "data_offsets": [at, at + length]}
        at += length
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    body = os.urandom(shapes["body"])
    files = []
    for name in ("parent", "child-1", "child-2", "child-3"):
        file = work / f"{name}.safetensors"
        with file.open("wb") as out:
            out.write(struct.pack("<Q", len(header)) + header)
            out.write(body)
            out.write(os.urandom(shapes["head"]))
        files.append(file)
    return files


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    parent, first, second, third = make_checkpoints(args.work, args.megabytes)
    data, proxy = args.work / "data", CountingProxy()
    data.mkdir()
    home, other, last = (args.work / name for name in ("home", "other", "last"))
    steps = [
        ("the parent, by Xet", xet_upload, "parent", parent, home),
        ("a child from the same machine, by Xet", xet_upload, "child-1", first, home),
        ("a child from a machine that never saw the parent, by Xet", xet_upload, "child-2", second, other),
        ("a child by git-lfs", lfs_push, "child-3", third, last),
        ("the same file again by Xet, from a fresh machine", xet_upload, "again", third, last),
        ("the parent again by git-lfs", lfs_push, "parent-2", parent, last),
    ]
    found = []
    with running_hub(data, args.work / "hub.log", HUB_PUBLIC_URL=proxy.url) as (url, token):
        proxy.port = int(url.rsplit(":", 1)[1])
        for what, send, name, file, machine in steps:
            if send is lfs_push:
                ask(url, token, "/api/repos/create", json.dumps({"name": name, "type": "model"}).encode())
            sent, stored = proxy.sent, disk_bytes(data / "xorbs")[0]
            send(args, name, file, machine, proxy.url, token)
            found.append({"what": what, "file_bytes": file.stat().st_size, "sent_bytes": proxy.sent - sent,
                          "stored_bytes": disk_bytes(data / "xorbs")[0] - stored})  # fmt: skip
            print(found[-1], flush=True)
    return found


def markdown(found: list[dict[str, Any]], where: Any) -> str:
    def mb(number: int) -> str:
        return f"{number / 1e6:.2f} MB"

    rows = []
    for row in found:
        sent, stored = f"**{mb(row['sent_bytes'])}**", f"**{mb(row['stored_bytes'])}**"
        rows.append([row["what"], mb(row["file_bytes"]), sent, stored])
    return f"""# A checkpoint that differs in its last layer

`{" ".join(["python -m bench.dedup", *sys.argv[1:]])}` · {where["when"]} · Python {where["python"]};
random weights, which do not compress; they differ in their last {LAST_LAYER_BYTES / 1e6:.2f} MB.
All bytes that clients sent are counted, headers and all requests included; stored is what the folder of
xorbs grew by.

{report.table(["upload", "file", "sent over the network", "stored anew"], rows)}
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=300)
    for hidden, kind in (("--part", str), ("--name", str), ("--file", Path)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        part_upload(args)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        args.work = Path(folder)
        found = measure(args)
    where = report.machine()
    report.write("dedup", {"machine": where, "found": found}, markdown(found, where))
    by_xet = [row["sent_bytes"] for row in found if "child" in row["what"] and "Xet" in row["what"]]
    stored = [row["stored_bytes"] for row in found[1:]]
    return 0 if max(by_xet) < BOUND_BYTES and max(stored) < BOUND_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())

"""Upload and download with the stock client, beside the limits of the machine and of the client.

    python -m bench.transfer                       wants Debian's nginx
    python -m bench.transfer --mebibytes 128 --files 200 --repeat 1    for a quick look
    python -m bench.transfer --mlflow              also against MLflow's artifact server (installed for it)
    python -m bench.transfer --page-cache          also uploads to a hub with HUB_DIRECT_IO=False

One large file and many small ones, each run in a fresh process with a fresh home, in turn, medians:

- upload: to the hub; to `bench.sink`, which accepts and discards everything (the client's own limit);
- download: from the hub, and from nginx serving the same bytes plainly under the same addresses;
- with `--mlflow` both by MLflow's own client from and to its artifact server;
- curl of the large file, assembled on read, against nginx;
- `cp` and `sha256sum` of the large file.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import report
from bench.hub import ROOT, USER, free_port, running_hub
from bench.mlflow_peer import running_mlflow

OID = "0" * 40


def part_upload(args: argparse.Namespace) -> float:
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(f"{USER}/{args.name}", exist_ok=True)
    began = time.perf_counter()
    api.upload_folder(repo_id=f"{USER}/{args.name}", folder_path=args.folder)
    return time.perf_counter() - began


def part_download(args: argparse.Namespace) -> float:
    from huggingface_hub import snapshot_download

    with tempfile.TemporaryDirectory(dir=args.work) as target:
        began = time.perf_counter()
        snapshot_download(f"{USER}/{args.name}", local_dir=target)
        took = time.perf_counter() - began
        check_same(args.folder, Path(target))
    return took


def check_same(folder: Path, target: Path) -> None:
    """Whether all files arrived, or RuntimeError."""
    for path in folder.rglob("*"):
        found = target / path.relative_to(folder)
        if path.is_file() and not filecmp.cmp(path, found, shallow=False):
            raise RuntimeError(f"{found} differs")


PARTS: dict[str, Callable[[argparse.Namespace], float]] = {"upload": part_upload, "download": part_download}


def call(args: argparse.Namespace, part: str, name: str, folder: Path, url: str, token: str) -> float:
    """One part in a process of its own with a fresh home; the seconds it measured."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    with tempfile.TemporaryDirectory(dir=args.work) as home:
        kept |= {"HF_HOME": home, "HF_XET_CACHE": f"{home}/xet", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        kept |= {"HF_ENDPOINT": url, "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-m", "bench.transfer", "--part", part, "--work", args.work]
        command += ["--name", name, "--folder", folder]
        done = subprocess.run(list(map(str, command)), check=True, cwd=ROOT, env=kept, stdout=subprocess.PIPE)
    return float(json.loads(done.stdout.splitlines()[-1]))


def make_content(work: Path, mebibytes: int, files: int) -> dict[str, Path]:
    """A folder with one file that does not compress, and a folder with many small ones."""
    large, small = work / "large", work / "small"
    large.mkdir()
    with (large / "model.bin").open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1024 * 1024))
    for number in range(files):
        place = small / f"part-{number % 20:02d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(f"{number} " * 300)
    return {"large": large, "small": small}


@contextlib.contextmanager
def process(command: list[str], log: Path, **words: Any) -> Iterator[None]:
    """A server, ended by its pid when the block is left."""
    with log.open("wb") as output:
        started = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, **words)
        try:
            time.sleep(1.5)
            if started.poll() is not None:
                raise RuntimeError(f"{command[0]} ended at once:\n{log.read_text()[-2000:]}")
            yield
        finally:
            started.terminate()
            started.wait(20)


@contextlib.contextmanager
def plain_nginx(work: Path, folders: dict[str, Path]) -> Iterator[str]:
    """nginx serving the folders under a hub's addresses: info, tree and files, all of them static."""
    port, root = free_port(), work / "nginx"
    (root / "api").mkdir(parents=True)
    for name, folder in folders.items():
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        info = {"id": f"{USER}/{name}", "sha": OID, "siblings": [{"rfilename": path} for path in names]}
        tree = [
            {"type": "file", "path": path, "oid": OID, "size": (folder / path).stat().st_size}
            for path in names
        ]
        (root / "api" / f"{name}.info").write_text(json.dumps(info))
        (root / "api" / f"{name}.tree").write_text(json.dumps(tree))
    # Started by root, nginx would give up the right to read our files.
    user = "user root;" if os.getuid() == 0 else ""
    (root / "nginx.conf").write_text(f"""
{user} daemon off; worker_processes 2; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000; default_type application/octet-stream;
  client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;
  uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
  server {{
    listen 127.0.0.1:{port};
    add_header X-Repo-Commit {OID} always;
    location ~ ^/api/models/{USER}/([a-z]+)/tree/ {{
      default_type application/json; alias {root}/api/$1.tree; }}
    location ~ ^/api/models/{USER}/([a-z]+)(/revision/.*)?$ {{
      default_type application/json; alias {root}/api/$1.info; }}
    location ~ ^/{USER}/([a-z]+)/resolve/[^/]+/(.*)$ {{ alias {work}/$1/$2; }}
  }}
}}
""")
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    with process([nginx, "-c", str(root / "nginx.conf"), "-p", str(root)], work / "nginx.log"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def sink(work: Path) -> Iterator[str]:
    port = free_port()
    with process([sys.executable, "-m", "bench.sink", "--port", str(port)], work / "sink.log"):
        yield f"http://127.0.0.1:{port}"


def curl(url: str) -> float:
    """Seconds of one download into nothing."""
    done = subprocess.run(
        ["curl", "-sSLf", "-o", "/dev/null", "-w", "%{time_total}", url], check=True, stdout=subprocess.PIPE
    )
    return float(done.stdout)


def timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def swapped(parts: list[Any]) -> list[Any]:
    """Of each pair the second first."""
    return [parts[number ^ 1] for number in range(len(parts))]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything in turn, `--repeat` times over; every list holds seconds."""
    folders = make_content(args.work, args.mebibytes, args.files)
    file = folders["large"] / "model.bin"
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)
        print(f"  {name}: {seconds:.2f} s", flush=True)

    with contextlib.ExitStack() as stack:
        drain = stack.enter_context(sink(args.work))
        nginx = stack.enter_context(plain_nginx(args.work, folders))
        mlflow = stack.enter_context(running_mlflow(args.work)) if args.mlflow else None
        for lap in range(args.repeat):
            data = args.work / f"data-{lap}"
            data.mkdir()
            with running_hub(data, args.work / "hub.log") as (url, token):
                for kind, folder in folders.items():
                    parts = [
                        ("upload", "sink", drain, "hf_x"),
                        ("upload", "hub", url, token),
                        ("download", "nginx", nginx, "hf_x"),
                        ("download", "hub", url, token),
                    ]
                    # Who goes second finds warmer pages: the turns change with the lap.
                    for part, whose, address, key in parts if lap % 2 else swapped(parts):
                        note(f"{kind} {part} {whose}", call(args, part, kind, folder, address, key))
                    if mlflow:
                        run, seconds = mlflow.upload(folder)
                        note(f"{kind} upload mlflow", seconds)
                        target = args.work / "from-mlflow"
                        note(f"{kind} download mlflow", mlflow.download(run, target))
                        check_same(folder, target)
                        shutil.rmtree(target)
                path = f"/{USER}/large/resolve/main/model.bin"
                note("large curl nginx", curl(nginx + path))
                note("large curl hub", curl(url + path))
            shutil.rmtree(data)
            if args.page_cache:
                data.mkdir()
                with running_hub(data, args.work / "hub.log", HUB_DIRECT_IO="False") as (url, token):
                    note("large upload cached", call(args, "upload", "large", folders["large"], url, token))
                shutil.rmtree(data)
            note("large cp", timed(["cp", str(file), str(args.work / "copy")]))
            note("large sha256sum", timed(["sha256sum", str(file)]))
            (args.work / "copy").unlink()
    return {name: {"seconds": laps, "median": statistics.median(laps)} for name, laps in found.items()}


def markdown(args: argparse.Namespace, found: dict[str, Any], where: Any) -> str:
    def seconds(name: str) -> str:
        return f"{found[name]['median']:.2f} s" if name in found else "–"

    def speed(name: str) -> str:
        return f"{args.mebibytes / found[name]['median']:.0f} MiB/s"

    def share(limit: str, ours: str) -> str:
        return f"**{100 * found[limit]['median'] / found[ours]['median']:.0f} %**"

    rows = []
    for kind, what in (
        ("large", f"{args.mebibytes} MiB in one file"),
        ("small", f"{args.files} small files"),
    ):
        up, down = f"{kind} upload", f"{kind} download"
        rows.append([f"upload, {what}", seconds(f"{up} hub"), f"sink {seconds(f'{up} sink')}",
                     share(f"{up} sink", f"{up} hub"), seconds(f"{up} mlflow")])  # fmt: skip
        rows.append([f"download, {what}", seconds(f"{down} hub"), f"nginx {seconds(f'{down} nginx')}",
                     share(f"{down} nginx", f"{down} hub"), seconds(f"{down} mlflow")])  # fmt: skip
    rows.append([f"curl, {args.mebibytes} MiB", speed("large curl hub"), f"nginx {speed('large curl nginx')}",
                 share("large curl nginx", "large curl hub"), "–"])  # fmt: skip
    command = " ".join(["python -m bench.transfer", *sys.argv[1:]])
    cached = seconds("large upload cached")
    page_cache = (
        f"The upload of {args.mebibytes} MiB with `HUB_DIRECT_IO=False`: {cached}.\n\n"
        if args.page_cache
        else ""
    )
    return f"""# Transfer

`{command}` · {where["when"]} · {where["processor"]}, {where["cores"]} cores, Python {where["python"]};
client, hub and limits on the same machine; medians of {args.repeat}, every client process with a fresh home

{report.table(["what", "hub", "limit", "of the limit's speed", "MLflow"], rows)}

{page_cache}The machine itself: `cp` {speed("large cp")}, `sha256sum` {speed("large sha256sum")}.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--mlflow", action="store_true")
    parser.add_argument("--page-cache", action="store_true")
    for hidden, kind in (("--part", str), ("--work", Path), ("--name", str), ("--folder", Path)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(PARTS[args.part](args)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        args.work = Path(folder)
        found = measure(args)
    where = report.machine()
    report.write("transfer", {"machine": where, "found": found}, markdown(args, found, where))
    return 0


if __name__ == "__main__":
    sys.exit(main())

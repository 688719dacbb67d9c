from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bench.assets
from bench.assets.catalogue import ASSETS
from bench.assets.store import check, fetch, forget, place
from training.errors import UserError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.assets",
        description=bench.assets.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="assets; all of them when none is named")
    parser.add_argument("--list", action="store_true", help="say what there is, make nothing")
    parser.add_argument("--check", action="store_true", help="compare what was made with listing and card")
    parser.add_argument("--again", action="store_true", help="make anew what has been made")
    parser.add_argument("--root", type=Path, help="another cache directory")
    args = parser.parse_args(argv)
    names = args.names or list(ASSETS)
    try:
        if args.list:
            return _list(names, args.root)
        if args.check:
            return _check(
                args.names or [name for name in names if place(name, args.root).is_dir()], args.root
            )
        for name in names:
            if args.again:
                forget(name, args.root)
            print(f"{name:24} {fetch(name, args.root)}", flush=True)
    except UserError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


def _list(names: list[str], root: Path | None) -> int:
    for name in names:
        made = "made" if place(name, root).is_dir() else ""
        print(f"{name:24} {ASSETS[name].kind:8} {made:5} {', '.join(ASSETS[name].packages)}")
    return 0


def _check(names: list[str], root: Path | None) -> int:
    wrong = {name: check(name, root) for name in names}
    for name, found in wrong.items():
        print(f"{name:24} {'; '.join(found[:10]) or 'as its card says'}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m training submit recipe.yaml --hub URL`: a run, or with `--axis` a sweep, followed to its end.

`--recipe-repo namespace/name` in place of a file runs a recipe of the hub, for other data with `--dataset`.

Exit status: 0 completed (or left to itself with `--detach`); 1 failed or canceled; 2 refused, each problem on
a line of standard error; 130 left to itself by Ctrl-C. Nothing is uploaded but the recipe.
"""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.axes import MODES, read_axes_text
from training.errors import TrainingError, UserError
from training.following import Screen, best_words, follow_run, follow_sweep, values_words
from training.hubperson import HubAway, HubSaidNo, PersonApi, read_token
from training.recipe import MAX_TEXT_BYTES, RecipeError

SUBMIT_PATIENCE = 120.0
DETACHED = 130


def main(arguments: Sequence[str]) -> int:
    """The command; `arguments` without its name."""
    options = _parser().parse_args(arguments)
    try:
        api = PersonApi(options.hub, read_token(options.token_file))
        kind, body = _request(options)
        return _Submission(api, Screen(), kind, body, options.detach).carry_out()
    except HubSaidNo as refusal:
        _tell(*refusal.problems)
        return 2
    except RecipeError as error:
        _tell(*(problem.message for problem in error.problems))
        return 2
    except UserError as error:
        _tell(error.message)
        return 2
    except TrainingError as error:
        _tell(error.message)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training submit",
        description="Submit a recipe to a hub and follow the run to its end.",
    )
    parser.add_argument("recipe", type=Path, nargs="?", help="a file; or --recipe-repo without one")
    parser.add_argument(
        "--recipe-repo",
        metavar="NAMESPACE/NAME",
        help="the hub's recipe that the file follows, or to run itself",
    )
    parser.add_argument("--dataset", metavar="NAMESPACE/NAME", help="with --recipe-repo: other data")
    parser.add_argument("--base", metavar="NAMESPACE/NAME", help="with --recipe-repo: another base model")
    hub = os.environ.get("HF_ENDPOINT")
    parser.add_argument("--hub", metavar="URL", default=hub, required=hub is None, help="or HF_ENDPOINT")
    parser.add_argument(
        "--target", metavar="[NAMESPACE/]NAME", default="", help="the model repo to publish to"
    )
    parser.add_argument("--flavor", help="kind of hardware")
    parser.add_argument(
        "--private", action="store_true", help="only you, or the organization, see the result"
    )
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="at most this long")
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="may be given several times"
    )
    parser.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="FIELD=VALUES",
        help="values to try, as optim.lr=1e-3,3e-3 or 'optim.lr=1e-4..1e-1 log'; several make a sweep",
    )
    parser.add_argument(
        "--samples", type=int, help="draw so many settings from the axes instead of trying all"
    )
    parser.add_argument("--detach", action="store_true", help="do not wait for the end")
    parser.add_argument("--token-file", type=Path, help="instead of HF_TOKEN and 'hf auth login'")
    return parser


def _request(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """`runs` or `sweeps`, and the body; its `id` makes of a request that arrives twice one run."""
    body: dict[str, Any] = {**_recipe(options), "id": str(uuid.uuid4())}
    labels = dict(_label(text) for text in options.label)
    more = {"flavor": options.flavor, "timeoutSeconds": options.timeout, "labels": labels or None}
    body |= {name: value for name, value in more.items() if value is not None}
    if options.private:
        body["private"] = True
    namespace, _, name = options.target.strip().rpartition("/")
    if not options.axis:
        if options.samples is not None:
            raise UserError("cli:wrong-option", "--samples needs at least one --axis to draw from.")
        return "runs", body | ({"target": options.target} if options.target else {})
    body["axes"] = read_axes_text("\n".join(options.axis))
    body["mode"] = MODES[0] if options.samples is None else MODES[1]
    named = {"samples": options.samples, "name": name or None, "namespace": namespace or None}
    return "sweeps", body | {key: value for key, value in named.items() if value is not None}


def _recipe(options: argparse.Namespace) -> dict[str, Any]:
    """The file's text, or the hub's recipe by its name with what is put in place of its base and its data."""
    shared = {"recipe_repo": options.recipe_repo, "dataset": options.dataset, "base": options.base}
    named = {name: value for name, value in shared.items() if value is not None}
    if options.recipe is None and options.recipe_repo is None:
        raise UserError("cli:wrong-option", "Name a recipe: a file, or --recipe-repo namespace/name.")
    if named and options.axis:
        raise UserError("cli:wrong-option", "--axis needs the recipe as a file, without --recipe-repo.")
    if options.recipe is None:
        return named
    if len(named) > ("recipe_repo" in named):
        raise UserError("cli:wrong-option", "--dataset and --base go with --recipe-repo, without a file.")
    return {"recipe": _recipe_text(options.recipe), **named}


def _recipe_text(path: Path) -> str:
    """As it is in the file: the hub judges it, so an older client takes a newer hub's recipes."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        text = data.decode("utf-8")
    except OSError:
        raise UserError("recipe:not-found", f"The recipe {path} cannot be read.") from None
    except UnicodeDecodeError:
        raise UserError("recipe:invalid", f"The recipe {path} is not text in UTF-8.") from None
    if len(data) > MAX_TEXT_BYTES:
        raise UserError("recipe:invalid", f"The recipe {path} is larger than 64 KiB.")
    return text


def _label(text: str) -> tuple[str, str]:
    key, is_set, value = text.partition("=")
    if not is_set:
        raise UserError("cli:wrong-option", f"--label must be like key=value, got {text[:60]!r}.")
    return key, value


class _Submission:
    """One request and what becomes of it."""

    def __init__(self, api: PersonApi, screen: Screen, kind: str, body: dict[str, Any], detach: bool) -> None:
        self.api, self.screen, self.kind, self.body, self.detach = api, screen, kind, body, detach
        self.path = ""
        self.api.on_silence = self._told_of_silence
        self.pause = 1.0 if screen.is_live else 2.0

    def carry_out(self) -> int:
        """Submit and follow; the exit status."""
        made = self.api.post(f"/api/{self.kind}", self.body, patience=SUBMIT_PATIENCE)
        self.path = f"/api/{self.kind}/{made['id']}"
        self.screen.say(f"{_what(self.kind, made)}: {made['url']}")
        if self.detach:
            print(made["id"])
            return 0
        while True:
            try:
                return self._followed(str(made["id"]))
            except KeyboardInterrupt:
                if not self._is_to_cancel():
                    self.screen.say(f"It goes on without us: {made['url']}")
                    return DETACHED

    def _followed(self, made_id: str) -> int:
        try:
            if self.kind == "runs":
                return self._ended_run(follow_run(self.api, made_id, self.screen, pause=self.pause))
            return self._ended_sweep(follow_sweep(self.api, made_id, self.screen, pause=self.pause))
        except HubSaidNo as refusal:
            self.screen.say(f"It can no longer be followed: {refusal.message}")
            return 1

    def _ended_run(self, run: dict[str, Any]) -> int:
        if run["stage"] != "COMPLETED":
            self.screen.say(run["message"] or f"The run was {_stage(run)}.")
            return 1
        evaluation = (run.get("summary") or {}).get("evaluation") or {}
        metric = evaluation.get("metric") or "accuracy"
        value = evaluation.get(metric, evaluation.get("value"))
        score = f", {metric} {value:.4g}" if isinstance(value, int | float) else ""
        target = (run.get("target") or {}).get("repo", "")
        self.screen.say(f"Completed{score}: {self.api.endpoint}/{target}")
        return 0

    def _ended_sweep(self, sweep: dict[str, Any]) -> int:
        failed = [row for row in sweep["rows"] if row["stage"] != "COMPLETED"]
        for words in best_words(sweep):
            self.screen.say(words[:1].upper() + words[1:])
        for row in failed:
            self.screen.say(f"{values_words(row['values'])}: {_stage(row)}, see {row['url']}")
        self.screen.say(f"{len(sweep['rows']) - len(failed)} of {len(sweep['rows'])} runs completed.")
        return 1 if failed else 0

    def _is_to_cancel(self) -> bool:
        """Ask after Ctrl-C; a second one, or nobody to ask, lets it go on. Canceled is what the hub says."""
        self.screen.clear()
        if not sys.stdin.isatty():
            return False
        try:
            answer = input("Leave it to itself, or cancel it? [l/c] ")
            if not answer.strip().lower().startswith("c"):
                return False
            self.api.post(f"{self.path}/cancel", {}, patience=SUBMIT_PATIENCE)
        except (KeyboardInterrupt, EOFError):
            return False
        except (HubSaidNo, HubAway) as refusal:
            # Most likely it has ended meanwhile, which following it tells.
            self.screen.say(refusal.message)
        return True

    def _told_of_silence(self, why: str | None) -> None:
        text = f"the hub does not answer ({why}); the run goes on, waiting …" if why else "the hub is back"
        self.screen.show(text, text)


def _what(kind: str, made: dict[str, Any]) -> str:
    return f"Sweep of {len(made['rows'])} runs" if kind == "sweeps" else "Run"


def _stage(row: dict[str, Any]) -> str:
    return {"ERROR": "failed", "CANCELED": "canceled"}.get(str(row["stage"]), str(row["stage"]).lower())


def _tell(*problems: str) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)

"""The engine stands alone: no Django, and Celery in the hub's worker only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.house.sources import ROOT

OURS = {"django", "rest_framework", "hub", "accounts", "models_app", "runs", "tests.live"}
# The hub's worker is a Celery consumer; nothing imports it but `python -m training worker`.
MAY = {("training/worker.py", "celery"), ("training/__main__.py", "training.worker")}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{item.name}" for item in node.names)}
    return found


def test_neither_the_engine_nor_its_tests_import_django_or_celery() -> None:
    wrong = set()
    for path in [*(ROOT / "training").rglob("*.py"), *(ROOT / "tests/training").rglob("*.py")]:
        place = path.relative_to(ROOT).as_posix()
        for name in imported(path):
            top = name.split(".")[0]
            if top in OURS or name in OURS or (top == "celery" and (place, "celery") not in MAY):
                wrong.add((place, name))
            if name == "training.worker" and place.startswith("training/") and (place, name) not in MAY:
                wrong.add((place, name))
    assert wrong == set()


def test_every_task_opens_where_django_and_celery_are_absent() -> None:
    code = (
        "import sys\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('django', 'rest_framework', 'celery', 'kombu', 'hub', 'runs'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        "import training.__main__, training.local, training.study, training.evaluate, training.distributed\n"
        "from training.tasks import TASKS, task_kind\n"
        "print(len([task_kind(name) for name in TASKS]) == len(TASKS) > 10)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.stdout.strip() == "True", done.stderr[-3000:]

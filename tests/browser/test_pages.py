"""Every page on a phone and on a desk: no complaint, no sideways scrolling, all images."""

from __future__ import annotations

import io
import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import visit
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]

MODEL_CARD = b"""---
license: mit
pipeline_tag: image-classification
library_name: timm
---
# A network

| a very wide table | with many columns | that do not fit | on a phone at all |
|---|---|---|---|
| abcdefghijklmnopqrstuvwxyz | abcdefghijklmnopqrstuvwxyz | abcdefghijklmnopqrstuvwxyz | 1 |

```python
import a_module_with_a_rather_long_name_that_does_not_fit as something_else_that_is_long_too
```

<img src=x onerror="document.title='owned'"><script>document.title = 'owned'</script>
"""
DATA_CARD = b"---\ntask_categories: [image-classification]\nlicense: mit\n---\n# Digits\n"
EVAL = b"name: Digits\ntasks:\n- {id: digits, split: test, metric: accuracy}\n"
ANONYMOUS = (
    "/",
    "/models",
    "/models?search=zzz",
    "/datasets",
    "/leaderboards",
    "/leaderboards/{data}",
    "/{model}",
    "/{model}/tree/main",
    "/{model}/blob/main/README.md",
    "/{model}/blob/main/config.json",
    "/{model}/commits/main",
    "/{model}/commit/main",
    "/datasets/{data}",
    "/datasets/{data}/tree/main/train",
    "/datasets/{data}/blob/main/train/0/a.png",
    "/runs",
    "/runs/{run}",
    "/alice",
    "/team",
    "/login",
    "/join",
    "/nowhere/at-all",
)
SIGNED_IN = (
    *("/new", "/{model}/finetune", "/settings/profile", "/settings/tokens", "/settings/webhooks", "/device"),
    "/runs?mine=1",
)


@dataclass
class Site:
    """What the stories look at, and the worker's way in."""

    hub: LiveHub
    names: dict[str, str]
    worker: str

    def path(self, template: str) -> str:
        return template.format(**self.names)

    def call(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        """POST JSON to the hub as this token's bearer."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.hub.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.loads(answer.read() or b"{}"))

    def submit(self, target: str) -> str:
        """A run of alice's that waits for its worker; its id."""
        repo, data = self.names["model"], self.names["data"]
        benchmark = {"repo": data, "task_id": "digits", "split": "test"}
        recipe = {"base_model": {"repo": repo}, "dataset": {"repo": data}, "benchmark": benchmark}
        return str(
            self.call("/api/runs", {"recipe": recipe, "target": target}, self.hub.tokens["alice"])["id"]
        )


def picture(shade: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (28, 28), shade).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def site(hub: LiveHub) -> Site:
    """A model, a dataset that is a benchmark, a worker that is this test, one run that waits."""
    from huggingface_hub import CommitOperationAdd

    api = hub.api("alice")
    config = json.dumps({"architecture": "mobilenet_v2", "num_classes": 10}).encode()
    files = {
        ("alice/shown-model", "model"): {
            "README.md": MODEL_CARD,
            "config.json": config,
            "model.safetensors": b"\0" * 64,
        },
        ("alice/shown-digits", "dataset"): {
            "README.md": DATA_CARD,
            "eval.yaml": EVAL,
            **{
                f"{split}/{label}/{n}.png": picture(60 * int(label) + 9)
                for split in ("train", "test")
                for label in "012"
                for n in "abc"
            },
        },
    }
    for (repo_id, repo_type), content in files.items():
        api.create_repo(repo_id, repo_type=repo_type)
        operations = [CommitOperationAdd(path, data) for path, data in content.items()]
        api.create_commit(repo_id, operations, commit_message="Publish", repo_type=repo_type)
    code = "from runs.workers import enroll_worker; print(enroll_worker('here', flavors=['cpu-basic'])[1])"
    worker = hub.manage("shell", "--no-imports", "-c", code).split()[-1]
    made = Site(hub, {"model": "alice/shown-model", "data": "alice/shown-digits"}, worker)
    made.names["run"] = made.submit("alice/shown-result")
    return made


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_every_page_is_sound(browser: Browser, site: Site, width: str, theme: str) -> None:
    visitor = visit(browser, site.hub.url, width=width, theme=theme)
    for template in ANONYMOUS:
        _look(visitor, site.path(template))
    visitor.go("/login")
    visitor.sign_in("alice", "alice-secret-9")
    for template in SIGNED_IN:
        _look(visitor, site.path(template))
    visitor.context.close()


def _look(visitor: Any, path: str) -> None:
    visitor.go(path)
    visitor.page.wait_for_load_state("load")
    page = visitor.page
    assert visitor.complaints == [], path
    assert visitor.overflow() <= 0, f"{path} is {visitor.overflow()} px too wide"
    assert page.locator("h1").first.is_visible(), path
    assert page.title() != "owned"
    assert page.title().endswith(("Tuneyard", "rank models")), path
    broken = "[...document.images].filter(i => i.complete && !i.naturalWidth && !i.closest('.prose')).length"
    assert page.evaluate(broken) == 0, path
    unlabelled = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
        .filter(e => !e.labels?.length && !e.getAttribute('aria-label')).map(e => e.name)"""
    assert page.evaluate(unlabelled) == [], path


def test_the_keyboard_reaches_the_content_first(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    visitor.go("/models")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.textContent") == "Skip to content"
    visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate("location.hash") == "#main"
    visitor.context.close()


def test_the_form_follows_its_strategy_and_keeps_what_was_typed(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    visitor.go(site.path("/{model}/finetune"))
    visitor.sign_in("alice", "alice-secret-9")
    page = visitor.page
    page.locator("#id_name").fill("my-own-name")
    page.get_by_text("More settings").click()
    page.get_by_label("Batch size").fill("16")
    before = str(page.locator("#id_epochs").get_attribute("placeholder"))
    with page.expect_response(lambda response: "strategy=full" in response.url):
        page.get_by_text("Everything", exact=True).click()
    page.locator(f"#id_epochs:not([placeholder='{before}'])").wait_for()
    assert page.locator("#id_name").input_value() == "my-own-name"
    assert page.get_by_label("Batch size").input_value() == "16"
    assert page.get_by_label("Batch size").is_visible()
    page.get_by_label("Learning rate", exact=True).fill("-1")
    page.get_by_role("button", name="Start the run").click()
    page.locator("#id_lr_error").get_by_text("Learning rate must be above 0, got -1.").wait_for()
    assert page.locator("#id_name").input_value() == "my-own-name"
    assert visitor.complaints == []
    visitor.context.close()


def test_a_run_is_watched_while_it_learns_and_canceled(browser: Browser, site: Site) -> None:
    run = site.submit("alice/watched")
    visitor = visit(browser, site.hub.url)
    visitor.go("/login?next=/runs/" + run)
    visitor.sign_in("alice", "alice-secret-9")
    page = visitor.page
    page.get_by_role("status").get_by_text("waiting").wait_for()
    claim = site.call(
        f"/api/runs/{run}/claim", {"worker": "here", "flavors": ["cpu-basic"], "versions": {}}, site.worker
    )
    _report(site, run, claim, step=10)
    page.get_by_role("status").get_by_text("running").wait_for()
    page.get_by_text("step 10 of 40").wait_for()
    page.locator("run-curve path.series").first.wait_for()
    page.locator("run-curve[data-step='10']").first.wait_for()
    _report(site, run, claim, step=20)
    page.locator("run-curve[data-step='20']").first.wait_for()
    page.get_by_text("line at 20").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Stopping…").wait_for()
    assert _report(site, run, claim, step=21)["cancel"] is True
    site.call(f"/api/runs/{run}/finish", {"attempt": claim["attempt"], "outcome": "canceled"}, claim["token"])
    page.get_by_text("The run was canceled.").wait_for()
    page.get_by_role("button", name="Try again").wait_for()
    polls = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/progress')).length"
    )
    page.wait_for_timeout(2600)
    again = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/progress')).length"
    )
    assert again == polls, "polling goes on after the end"
    assert visitor.complaints == []
    visitor.context.close()


def _report(site: Site, run: str, claim: dict[str, Any], *, step: int) -> dict[str, Any]:
    names = ("train/loss", "train/accuracy")
    metrics = [{"step": at, "name": name, "value": 1 / at} for at in range(1, step + 1) for name in names]
    logs = [{"seq": step, "at": "2026-11-22T07:00:00+00:00", "text": f"line at {step}"}]
    body = {
        "attempt": claim["attempt"],
        "activity": "training",
        "step": step,
        "total_steps": 40,
        "metrics": metrics,
        "logs": logs,
    }
    return site.call(f"/api/runs/{run}/report", body, claim["token"])


def test_the_curve_can_be_read_with_the_keyboard(browser: Browser, site: Site) -> None:
    run = site.submit("alice/read-aloud")
    claim = site.call(
        f"/api/runs/{run}/claim", {"worker": "here", "flavors": ["cpu-basic"], "versions": {}}, site.worker
    )
    _report(site, run, claim, step=10)
    visitor = visit(browser, site.hub.url)
    visitor.go(f"/runs/{run}")
    curve = visitor.page.locator("run-curve .frame svg").first
    visitor.page.locator("run-curve path.series").first.wait_for()
    assert "Loss: train" in str(curve.get_attribute("aria-label"))
    curve.focus()
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.get_by_text("step 10", exact=True).wait_for()
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.get_by_text("step 9", exact=True).wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_without_script_the_numbers_stand_in_a_table(browser: Browser, site: Site) -> None:
    run = site.submit("alice/no-script")
    claim = site.call(
        f"/api/runs/{run}/claim", {"worker": "here", "flavors": ["cpu-basic"], "versions": {}}, site.worker
    )
    metrics = [{"step": 5, "name": name, "value": 0.5} for name in ("train/loss", "val/loss", "val/accuracy")]
    body = {"attempt": claim["attempt"], "metrics": metrics, "step": 5, "total_steps": 9}
    site.call(f"/api/runs/{run}/report", body, claim["token"])
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.hub.url}/runs/{run}")
    assert page.get_by_role("cell", name="0.5", exact=True).first.is_visible()
    assert page.get_by_role("cell", name="50.00 %").is_visible()
    context.close()

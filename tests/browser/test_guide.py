"""The five stages in a browser: all the way with a run, back and forth, left and taken up, without script."""

from __future__ import annotations

import io
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Visitor, visit
from tests.browser.site import Site, picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]


def signed_in(browser: Browser, site: Site, **options: str) -> Visitor:
    visitor = visit(browser, site.hub.url, **options)
    visitor.go("/login?next=/start")
    visitor.sign_in("alice", "alice-secret-9")
    visitor.page.get_by_role("heading", name="From a model to your own, in five stages").wait_for()
    return visitor


def begin(page: Page, site: Site) -> None:
    """As far as the third stage, with the site's model and data."""
    page.get_by_role("button", name="Begin").click()
    page.locator("label", has_text=site.names["model"]).click()
    page.get_by_role("button", name="Go on with this model").click()
    page.locator("label", has_text=site.names["data"]).click()
    page.get_by_role("button", name="Go on with these data").click()
    page.get_by_role("heading", name="How thoroughly shall it learn?").wait_for()
    page.wait_for_load_state()


class Work:
    """The worker of one run is this test."""

    def __init__(self, site: Site, run: str) -> None:
        self.site, self.run = site, run
        body = {"worker": "here", "flavors": ["cpu-basic"], "versions": {"torch": "2.14.1"}}
        self.claim = site.call(f"/api/runs/{run}/claim", body, site.worker)

    def report(self, step: int, **metrics: float) -> None:
        told = [
            {"step": step, "name": name.replace("_", "/"), "value": value} for name, value in metrics.items()
        ]
        body = {"attempt": self.claim["attempt"], "activity": "training", "step": step, "total_steps": 30}
        self.call("report", body | {"metrics": told, "logs": []})

    def publish(self, target: str) -> None:
        """Weights and a card as one commit, then the end of the run."""
        from huggingface_hub import CommitOperationAdd, HfApi

        card = b"---\nlicense: mit\npipeline_tag: image-classification\n---\n# Result\n"
        files = {"README.md": card, "config.json": b"{}", "model.safetensors": b"\0" * 64}
        api = HfApi(endpoint=self.site.hub.url, token=self.claim["token"])
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        done = api.create_commit(
            target, operations, commit_message="Fine-tune", commit_description=f"Run {self.run}"
        )
        summary = {"metrics": {"val/accuracy": 0.9}}
        body = {
            "attempt": self.claim["attempt"],
            "outcome": "completed",
            "result_oid": done.oid,
            "summary": summary,
        }
        self.call("finish", body)

    def fail(self, message_id: str, message: str) -> None:
        body = {"outcome": "error", "message_id": message_id, "message": message}
        self.call("finish", {"attempt": self.claim["attempt"], **body})

    def call(self, what: str, body: dict[str, Any]) -> None:
        self.site.call(f"/api/runs/{self.run}/{what}", body, self.claim["token"])


def run_of(page: Page) -> str:
    href = page.get_by_role("link", name="The run's own page, with everything").get_attribute("href")
    return str(href).rpartition("/")[2]


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_all_five_stages_with_a_run(browser: Browser, site: Site, width: str) -> None:
    visitor = signed_in(browser, site, width=width)
    page = visitor.page
    begin(page, site)
    page.locator("label.choice", has_text="Quick look").click()
    page.locator("input[name=was_strength][value=quick]").wait_for(state="attached")
    page.get_by_text("More", exact=False).locator("visible=true").get_by_text("every setting").click()
    assert page.get_by_label("Epochs").input_value() == "10"
    name = f"five-{width}"
    page.get_by_label("Publish the result as").fill(name)
    assert visitor.overflow() == 0
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("The run waits for a worker").wait_for()
    work = Work(site, run_of(page))
    for step, loss in enumerate((2.0, 1.4, 1.0, 0.8), 1):
        work.report(step, train_loss=loss, val_loss=loss + 0.1)
    page.get_by_text("step 4 of 30").wait_for()
    page.locator("run-curve[data-step='4']").first.wait_for()
    assert visitor.overflow() == 0
    work.publish(f"alice/{name}")
    page.get_by_role("heading", name="Is it overfitting?").wait_for()
    page.get_by_text("still getting better").wait_for()
    page.get_by_role("link", name="Go on to publishing").click()
    assert page.get_by_label("Licence").input_value() == "mit"
    page.get_by_label("What it is, in your words").fill("# Five\n\nMade in five stages.")
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("heading", name="Your model is published").wait_for()
    assert visitor.overflow() == 0
    page.get_by_role("link", name="The model's page").click()
    page.get_by_text("Made in five stages.").first.wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_the_back_button_and_another_choice(browser: Browser, site: Site) -> None:
    visitor = signed_in(browser, site)
    page = visitor.page
    begin(page, site)
    page.go_back()
    page.get_by_role("heading", name="What shall it learn from?").wait_for()
    # Another data set stood first before; the browser must not tick by position.
    page.locator("label", has_text=site.names["data"]).locator("input:checked").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Which model do you begin with?").wait_for()
    assert page.locator("label", has_text=site.names["model"]).locator("input").is_checked()
    page.go_forward()
    page.go_forward()
    page.get_by_role("button", name="Start the run").wait_for()
    page.get_by_role("link", name="Choose a model").click()
    page.get_by_text("undoes").wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_left_here_and_taken_up_elsewhere(browser: Browser, site: Site) -> None:
    here = signed_in(browser, site)
    begin(here.page, site)
    here.page.locator("label.choice", has_text="Thorough").click()
    here.page.locator("input[name=was_strength][value=thorough]").wait_for(state="attached")
    address = here.page.url
    here.context.close()
    there = signed_in(browser, site, width="phone", theme="dark")
    page = there.page
    page.locator(f"a[href='{address.removeprefix(site.hub.url).removesuffix('/tune')}']").click()
    page.get_by_role("heading", name="How thoroughly shall it learn?").wait_for()
    assert page.locator("label.choice", has_text="Thorough").locator("input").is_checked()
    assert there.overflow() == 0
    there.context.clear_cookies(name="sessionid")  # the session ends while the page is open
    page.get_by_role("button", name="Start the run").click()
    there.sign_in("alice", "alice-secret-9")
    page.get_by_role("heading", name="How thoroughly shall it learn?").wait_for()
    assert page.url == address
    assert page.locator("label.choice", has_text="Thorough").locator("input").is_checked()
    assert there.complaints == []
    there.context.close()


def test_a_failed_run_is_mended_without_leaving(browser: Browser, site: Site) -> None:
    visitor = signed_in(browser, site)
    page = visitor.page
    begin(page, site)
    page.get_by_label("Publish the result as").fill("mended")
    page.get_by_role("button", name="Start the run").dblclick()
    page.get_by_text("The run waits for a worker").wait_for()
    first = run_of(page)
    Work(site, first).fail("train:out-of-memory", "It took more memory than there is.")
    page.get_by_text("It took more memory than there is.").wait_for()
    page.get_by_role("button", name="Run again with this change").click()
    page.get_by_text("The run waits for a worker").wait_for()
    assert run_of(page) != first
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("The run was canceled.").wait_for()
    visitor.go("/runs?mine=1&q=mended")
    assert page.locator("a[href^='/runs/']", has_text="mended").count() == 2  # pressed twice it was one
    assert visitor.complaints == []
    visitor.context.close()


def test_pictures_are_uploaded_and_chosen(browser: Browser, site: Site) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for label, shade in (("cat", 40), ("dog", 140)):
            for number in range(5):
                packed.writestr(f"pets/{label}/{number}.png", picture(shade + number))
    visitor = signed_in(browser, site)
    page = visitor.page
    page.get_by_role("button", name="Begin").click()
    page.locator("label", has_text=site.names["model"]).click()
    page.get_by_role("button", name="Go on with this model").click()
    page.get_by_text("Upload data of your own").click()
    page.get_by_label("Name of the data set").fill("browser-pets")
    page.get_by_role("button", name="Upload and choose these data").click()
    page.get_by_text("Choose a ZIP archive, or pictures for two classes at least.").wait_for()
    assert page.get_by_label("Name of the data set").input_value() == "browser-pets"
    pets = {"name": "pets.zip", "mimeType": "application/zip", "buffer": stream.getvalue()}
    page.get_by_label("ZIP archive").set_input_files([pets])  # type: ignore[list-item]
    page.get_by_role("button", name="Upload and choose these data").click()
    page.get_by_role("heading", name="What is known of alice/browser-pets").wait_for()
    page.get_by_text("2 classes").first.wait_for()
    page.get_by_role("button", name="Go on with these data").click()
    page.get_by_role("heading", name="How thoroughly shall it learn?").wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_a_folder_is_packed_in_the_browser(browser: Browser, site: Site, tmp_path: Any) -> None:
    for label, shade in (("red", 30), ("blue", 130)):
        (tmp_path / "inks" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "inks" / label / f"{number}.png").write_bytes(picture(shade + number))
    visitor = signed_in(browser, site)
    page = visitor.page
    page.get_by_role("button", name="Begin").click()
    page.locator("label", has_text=site.names["model"]).click()
    page.get_by_role("button", name="Go on with this model").click()
    page.get_by_text("Upload data of your own").click()
    page.wait_for_load_state()
    page.get_by_label("Or a folder with a folder for each class").set_input_files(tmp_path / "inks")
    page.get_by_text("The folder is packed and ready.").wait_for()
    page.get_by_label("Name of the data set").fill("browser-inks")
    page.get_by_role("button", name="Upload and choose these data").click()
    page.get_by_role("heading", name="What is known of alice/browser-inks").wait_for()
    page.get_by_text("train: 6 examples").wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_it_works_without_script(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    visitor = Visitor(context, context.new_page(), site.hub.url)
    visitor.go("/login?next=/start")
    visitor.sign_in("alice", "alice-secret-9")
    page = visitor.page
    begin(page, site)
    page.locator("label.choice", has_text="Quick look").click()
    page.get_by_role("button", name="Show its settings").click()
    page.get_by_text("every setting").click()
    assert page.get_by_label("Epochs").input_value() == "10"
    page.get_by_role("button", name="What will it need?").click()
    page.get_by_text("One real step waits").wait_for()
    page.get_by_label("Publish the result as").fill("no-script")
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("The run waits for a worker").wait_for()
    work = Work(site, run_of(page))
    work.report(1, train_loss=2.0)
    page.get_by_role("link", name="Look again").click()
    page.get_by_text("step 1 of 30").wait_for()
    work.fail("data:one-class", "The dataset has one class only.")
    page.get_by_role("link", name="Look again").click()
    page.get_by_role("link", name="Choose other data").click()
    page.get_by_role("heading", name="What shall it learn from?").wait_for()
    context.close()


def test_help_is_read_searched_and_copied(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    page = visitor.page
    visitor.go("/docs")
    page.get_by_role("link", name="What do the words mean?").click()
    page.get_by_role("heading", name="Is it overfitting?").wait_for()
    assert visitor.overflow() == 0
    search = page.get_by_role("main").get_by_role("searchbox")
    search.fill("backup copy")
    search.press("Enter")
    page.get_by_role("link", name="Backup").first.click()
    page.get_by_role("heading", name="Backup").wait_for()
    visitor.go("/docs/api")
    page.get_by_role("link", name="Runs, sweeps and forecasts").first.click()
    page.locator("#post_api_runs").get_by_text("Examples").click()
    page.locator("#post_api_runs").get_by_text("urllib.request").first.wait_for()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.wait_for_load_state()
    page.locator("#post_api_runs").get_by_role("button", name="Copy").first.click()
    deadline = time.monotonic() + 15
    while "curl -s -X POST" not in (copied := page.evaluate("navigator.clipboard.readText()")):
        assert time.monotonic() < deadline, copied
    assert site.hub.url in copied
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/docs", "/docs/recipes", "/docs/api", "/docs/api/runs"):
        visitor.go(path)
        assert visitor.overflow() == 0, path
    assert visitor.complaints == []
    visitor.context.close()


def test_help_is_in_chinese_where_it_is(browser: Browser, site: Site) -> None:
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(15_000)
    visitor = Visitor(context, context.new_page(), site.hub.url)
    visitor.listen()
    visitor.go("/docs/glossary")
    visitor.page.get_by_role("heading", name="是过拟合吗？").wait_for()
    visitor.go("/docs/sweeps")
    assert visitor.page.locator("article.help-page").get_attribute("lang") == "en"
    assert visitor.page.locator("article.help-page > p.notice").count() == 1
    assert visitor.complaints == []
    context.close()


def test_a_new_member_is_led_and_left_alone(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    page = visitor.page
    visitor.go("/login?next=/")
    visitor.sign_in("carol", "carol-secret-9")
    page.get_by_role("heading", name="Getting started").wait_for()
    page.get_by_role("button", name="Do not show this again").click()
    page.get_by_role("heading", name="Getting started").wait_for(state="detached")
    visitor.go("/")
    assert page.get_by_role("heading", name="Getting started").count() == 0
    assert visitor.complaints == []
    visitor.context.close()


def test_a_visitor_is_asked_to_join(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    visitor.go("/start")
    visitor.page.get_by_role("link", name="Join to begin").wait_for()
    assert visitor.overflow() == 0
    assert visitor.complaints == []
    visitor.context.close()

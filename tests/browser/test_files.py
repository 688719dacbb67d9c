"""Files in a real browser: looked through, edited, uploaded over a broken connection, compared."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import WIDTHS, Visitor, visit
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
PYTHON = b"import os\n\n\ndef main():\n    return os.name\n" + b"# filler\n" * 40
NAMES = [f"part-{number:05}.txt" for number in range(400)]


def person(browser: Browser, hub: LiveHub, name: str, path: str, **looks: str) -> Visitor:
    visitor = visit(browser, hub.url, **looks)
    visitor.go(f"/login?next={path}")
    visitor.sign_in(name, f"{name}-secret-9")
    return visitor


def repo_with(hub: LiveHub, name: str, files: dict[str, bytes]) -> str:
    from huggingface_hub import CommitOperationAdd

    api = hub.api()
    repo_id = str(api.create_repo(name).repo_id)
    operations = [CommitOperationAdd(path, data) for path, data in files.items()]
    api.create_commit(repo_id, operations, commit_message="First files")
    return repo_id


def sound(visitor: Visitor) -> None:
    visitor.page.wait_for_load_state("load")
    assert visitor.complaints == [], visitor.page.url
    assert visitor.overflow() <= 0, f"{visitor.page.url} is {visitor.overflow()} px too wide"


def content(hub: LiveHub, repo_id: str, path: str, revision: str = "main") -> bytes:
    found = hub.api().hf_hub_download(repo_id, path, revision=revision, force_download=True)
    return Path(found).read_bytes()


@pytest.mark.parametrize(("width", "theme"), [("phone", "dark"), ("desk", "light")])
def test_a_folder_is_looked_through_and_a_line_pointed_at(
    browser: Browser, hub: LiveHub, unique: str, client_home: Path, width: str, theme: str
) -> None:
    files = {"app.py": PYTHON, "data.csv": b"name,value\na,1\n", **{f"many/{name}": b"x" for name in NAMES}}
    repo_id = repo_with(hub, unique, files)
    visitor = visit(browser, hub.url, width=width, theme=theme)
    page = visitor.page
    visitor.go(f"/{repo_id}/tree/main")
    sound(visitor)
    page.get_by_role("link", name="many", exact=True).click()
    page.get_by_role("link", name="part-00000.txt", exact=True).wait_for()
    sound(visitor)
    page.get_by_role("searchbox", name="Find a name in this folder").fill("00399")
    page.get_by_text("1 of 400 entries").wait_for()
    page.get_by_role("link", name="part-00399.txt", exact=True).wait_for()
    assert "q=00399" in page.url
    sound(visitor)
    visitor.go(f"/{repo_id}/blob/main/app.py")
    page.locator('a.no[data-line="2"]').click()
    page.locator('a.no[data-line="4"]').click(modifiers=["Shift"])
    assert page.url.endswith("#L2-L4")
    assert page.locator(".line.is-chosen").count() == 3
    page.reload()
    page.locator("#L4.is-chosen").wait_for()
    sound(visitor)
    visitor.go(f"/{repo_id}/blob/main/data.csv")
    page.get_by_role("cell", name="a", exact=True).wait_for()
    page.get_by_role("link", name="Source").click()
    page.get_by_text("name,value").wait_for()
    sound(visitor)
    visitor.context.close()


def test_an_edit_previewed_and_committed(
    browser: Browser, hub: LiveHub, unique: str, client_home: Path
) -> None:
    repo_id = repo_with(hub, unique, {"NOTES.md": b"# Old title\n", "code.py": b"def f():\n    pass\n"})
    alice = person(browser, hub, "alice", f"/{repo_id}/blob/main/NOTES.md")
    page = alice.page
    page.get_by_role("link", name="Edit", exact=True).click()
    area = page.get_by_label("Content")
    area.fill("# New title\n\n<script>document.title = 'owned'</script>\n\nWords.")
    page.get_by_role("tab", name="Preview").click()
    page.get_by_role("heading", name="New title").wait_for()
    page.get_by_role("tab", name="Write").click()
    sound(alice)
    page.get_by_label("What changes, in one line").fill("A better title")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Committed as").wait_for()
    page.get_by_role("link", name="A better title").click()
    page.locator(".diff-lines .add").first.wait_for()
    page.get_by_role("link", name="Side by side").click()
    page.locator(".diff-lines.split .add").first.wait_for()
    sound(alice)
    assert content(hub, repo_id, "NOTES.md").startswith(b"# New title\n")
    alice.go(f"/{repo_id}/edit/main/code.py")
    area = page.get_by_label("Content")
    area.focus()
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.type("return 1")
    assert area.input_value() == "def f():\n    pass\n    return 1\n"
    sound(alice)
    alice.context.close()


def test_what_was_typed_survives_a_stale_form_and_an_ended_session(
    browser: Browser, hub: LiveHub, unique: str, client_home: Path
) -> None:
    repo_id = repo_with(hub, unique, {"notes.txt": b"first\n"})
    alice = person(browser, hub, "alice", f"/{repo_id}/edit/main/notes.txt")
    page = alice.page
    page.get_by_label("Content").fill("mine\n")
    hub.api().upload_file(path_or_fileobj=b"theirs\n", path_in_repo="notes.txt", repo_id=repo_id)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Somebody changed this file while you were editing it.").wait_for()
    assert page.get_by_label("Content").input_value() == "mine\n"
    page.locator(".diff-lines .del").first.wait_for()
    sound(alice)
    alice.context.clear_cookies()
    page.get_by_label("Content").fill("mine, and more\n")
    page.get_by_role("button", name="Save and overwrite").click()
    page.wait_for_load_state("load")
    alice.go(f"/login?next=/{repo_id}/edit/main/notes.txt")
    alice.sign_in("alice", "alice-secret-9")
    page.get_by_role("button", name="Put it back").click()
    assert page.get_by_label("Content").input_value() == "mine, and more\n"
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Committed as").wait_for()
    assert content(hub, repo_id, "notes.txt") == b"mine, and more\n"
    alice.context.close()


def test_a_reader_proposes_a_file(browser: Browser, hub: LiveHub, unique: str, client_home: Path) -> None:
    repo_id = repo_with(hub, unique, {"notes.txt": b"first\n"})
    carol = person(browser, hub, "carol", f"/{repo_id}/tree/main", width="phone")
    page = carol.page
    page.get_by_text("Add files").click()
    page.get_by_role("link", name="Write a new file").click()
    page.get_by_label("Path", exact=True).fill("docs/idea #1.md")
    page.get_by_label("Content").fill("An idea.")
    sound(carol)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The pull request is open.").wait_for()
    page.get_by_text("docs/idea #1.md").first.wait_for()
    sound(carol)
    assert content(hub, repo_id, "docs/idea #1.md", "refs/pr/1") == b"An idea.\n"
    carol.context.close()


def test_an_upload_goes_on_after_a_lost_connection_and_a_reload(
    browser: Browser, hub: LiveHub, unique: str, client_home: Path, tmp_path: Path
) -> None:
    repo_id = repo_with(hub, unique, {"notes.txt": b"first\n"})
    seed = hashlib.sha256(unique.encode()).digest()
    large = b"".join(hashlib.sha256(seed + n.to_bytes(4, "big")).digest() for n in range(20 * 1024 * 32))
    (tmp_path / "weights.bin").write_bytes(large)  # three parts
    (tmp_path / "words.txt").write_bytes("wörds\n".encode())
    alice = person(browser, hub, "alice", f"/{repo_id}/upload/main")
    page = alice.page
    sent: list[str] = []
    broken = {"is": True}

    def on_part(route: Route) -> None:
        number = re.search(r"/parts/(\d+)", route.request.url)[1]  # type: ignore[index]
        if broken["is"] and number != "2":
            route.abort("internetdisconnected")
        else:
            sent.append(number)
            route.continue_()

    page.route("**/lfs/objects/*/parts/*", on_part)
    choose = page.get_by_label("Choose files")
    choose.set_input_files([tmp_path / "weights.bin", tmp_path / "words.txt"])
    page.get_by_role("cell", name="weights.bin", exact=True).wait_for()
    with page.expect_response(lambda answer: "/parts/2" in answer.url):
        page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_text("The connection was lost.").wait_for()
    sound_but_for_the_lost = [told for told in alice.complaints if "ERR_INTERNET_DISCONNECTED" not in told]
    assert sound_but_for_the_lost == []
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.get_by_text("An upload to this folder was interrupted.").wait_for()
    broken["is"] = False
    page.get_by_label("Choose files").set_input_files([tmp_path / "weights.bin", tmp_path / "words.txt"])
    page.get_by_label("What changes, in one line").fill("New weights")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.wait_for_url(f"**/{repo_id}/tree/main", timeout=60_000)
    page.get_by_role("link", name="weights.bin", exact=True).wait_for()
    assert sorted(sent) == ["1", "2", "3"]
    assert hashlib.sha256(content(hub, repo_id, "weights.bin")).digest() == hashlib.sha256(large).digest()
    assert content(hub, repo_id, "words.txt") == "wörds\n".encode()
    assert [one.title for one in hub.api().list_repo_commits(repo_id)].count("New weights") == 1
    alice.context.close()


def test_a_paused_upload_of_dropped_folders_resumes(
    browser: Browser, hub: LiveHub, unique: str, client_home: Path, tmp_path: Path
) -> None:
    repo_id = repo_with(hub, unique, {"notes.txt": b"first\n"})
    folder = tmp_path / "set"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a b#.txt").write_text("deep\n")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "w.bin").write_bytes(b"\0\1" * 5_000_000)
    carol = person(browser, hub, "carol", f"/{repo_id}/upload/main/new", width="phone", theme="dark")
    page = carol.page
    sound(carol)
    page.get_by_label("Choose a folder").set_input_files(folder)
    page.get_by_text("empty file").wait_for()
    sound(carol)
    held: list[Route] = []
    page.route("**/lfs/objects/*/parts/1*", lambda route: held.append(route))
    with page.expect_request(lambda request: "/parts/1" in request.url):
        page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused. What has been sent is kept.").wait_for()
    page.unroute("**/lfs/objects/*/parts/1*")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_url("**/discussions/1", timeout=60_000)
    sound(carol)
    assert content(hub, repo_id, "new/set/w.bin", "refs/pr/1") == b"\0\1" * 5_000_000
    assert content(hub, repo_id, "new/set/deep/a b#.txt", "refs/pr/1") == b"deep\n"
    assert content(hub, repo_id, "new/set/empty.txt", "refs/pr/1") == b""
    carol.context.close()


def test_bad_choices_are_told_beside_the_file(
    browser: Browser, hub: LiveHub, unique: str, tmp_path: Path
) -> None:
    repo_id = repo_with(hub, unique, {"notes.txt": b"first\n"})
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "same.txt").write_text("1")
    alice = person(browser, hub, "alice", f"/{repo_id}/upload/main")
    page = alice.page
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_text("Choose at least one file.").wait_for()
    page.get_by_label("Choose files").set_input_files(tmp_path / "one" / "same.txt")
    page.get_by_label("Choose files").set_input_files(tmp_path / "one" / "same.txt")
    page.get_by_text("Chosen twice").wait_for()
    page.evaluate("document.querySelector('form[data-upload]').dataset.maxBytes = '0'")
    (tmp_path / "big.txt").write_text("22")
    page.get_by_label("Choose files").set_input_files(tmp_path / "big.txt")
    page.get_by_text("Larger than the").wait_for()
    page.get_by_role("button", name="Remove same.txt").click()
    assert page.locator("[data-chosen] tbody tr").count() == 1
    sound(alice)
    alice.context.close()
    assert json.dumps(list(hub.api().list_repo_files(repo_id))).count("big") == 0


def weights(scale: float) -> bytes:
    """Two float32 tensors: one that stays, one that grows with the scale."""
    header = {
        "body.weight": {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]},
        "head.weight": {"dtype": "F32", "shape": [4, 4], "data_offsets": [256, 320]},
    }
    text = json.dumps(header).encode()
    body = struct.pack("<64f", *[1.0] * 64) + struct.pack("<16f", *[scale] * 16)
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_a_history_tells_which_tensors_changed(
    browser: Browser, hub: LiveHub, unique: str, width: str, theme: str
) -> None:
    files = {"model.safetensors": weights(2.0), "config.json": b'{"depth": 3, "width": 8}\n'}
    repo_id = repo_with(hub, unique, files)
    hub.api().upload_file(
        path_or_fileobj=weights(3.0),
        path_in_repo="model.safetensors",
        repo_id=repo_id,
        commit_message="Train on",
    )
    hub.api().upload_file(
        path_or_fileobj=b'{"depth": 4, "width": 8}\n', path_in_repo="config.json", repo_id=repo_id
    )
    visitor = visit(browser, hub.url, width=width, theme=theme)
    page = visitor.page
    visitor.go(f"/{repo_id}/commits/main/model.safetensors")
    sound(visitor)
    page.get_by_role("link", name="Train on").click()
    # The lines of a large file's pointer are nobody's.
    assert page.locator(".diff-head").get_by_text("+").count() == 0
    page.get_by_role("link", name="Which tensors changed, and by how much").click()
    page.get_by_role("rowheader", name="head.weight").wait_for()
    page.get_by_text("50 %").wait_for()
    place = page.get_by_text("50 %").bounding_box()
    assert place is not None
    assert place["x"] + place["width"] <= WIDTHS[width][0] - 16, "the change is to be seen without scrolling"
    assert page.get_by_role("rowheader", name="body.weight").count() == 0
    sound(visitor)
    first = hub.api().list_repo_commits(repo_id)[2].commit_id
    visitor.go(f"/{repo_id}/compare/{first}...main")
    page.get_by_role("rowheader", name="depth").wait_for()
    page.get_by_text("model.safetensors").first.wait_for()
    sound(visitor)
    visitor.context.close()

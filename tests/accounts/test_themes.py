"""Colours and language of one person: chosen without script, kept with the account and in the browser."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_a_browsers_theme_is_written_into_every_page(client: Client, theme: str) -> None:
    answer = client.post("/theme", {"theme": theme, "next": "/models?sort=likes"})
    assert (answer.status_code, answer["Location"]) == (302, "/models?sort=likes")
    assert f'<html lang="en" data-theme="{theme}">' in client.get("/login").content.decode()
    client.post("/theme", {"theme": ""})
    assert '<html lang="en">' in client.get("/login").content.decode()


def test_a_persons_theme_follows_them_to_another_browser(alice: User) -> None:
    first, second = Client(), Client()
    first.force_login(alice)
    first.post("/theme", {"theme": "dark"})
    second.cookies["theme"] = "light"
    second.force_login(User.objects.get(pk=alice.pk))
    assert 'data-theme="dark"' in second.get("/settings/preferences").content.decode()


@pytest.mark.parametrize("theme", ["pink", '"><script>', "x" * 9000, "\0"])
def test_a_made_up_theme_is_the_systems(client: Client, alice: User, theme: str) -> None:
    client.force_login(alice)
    assert client.post("/theme", {"theme": theme}).status_code == 302
    alice.refresh_from_db()
    assert alice.theme == ""


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
@pytest.mark.parametrize("door", ["/theme", "/language"])
def test_the_way_back_is_in_this_hub(client: Client, door: str, target: str) -> None:
    assert client.post(door, {"next": target})["Location"] == "/"


def test_no_theme_is_set_by_a_link(client: Client) -> None:
    assert client.get("/theme?theme=dark").status_code == 405


class TestPreferences:
    def test_they_are_kept(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        sent = {"language": "zh-hans", "theme": "contrast", "machine_gb": "24"}
        answer = client.post("/settings/preferences", sent)
        alice.refresh_from_db()
        assert (answer.status_code, alice.language, alice.theme, alice.machine_gb) == (
            302,
            "zh-hans",
            "contrast",
            24,
        )
        page = client.get("/settings/preferences").content.decode()
        assert 'lang="zh-hans" data-theme="contrast"' in page
        client.post("/settings/preferences", {"language": "", "theme": "", "machine_gb": ""})
        alice.refresh_from_db()
        assert (alice.language, alice.theme, alice.machine_gb) == ("", "", None)
        assert '<html lang="en">' in client.get("/settings/preferences").content.decode()

    @pytest.mark.parametrize("machine_gb", ["0", "-1", "4097", "8.5", "much", "9" * 400, "NaN"])
    def test_no_such_machine(self, client: Client, alice: User, machine_gb: str) -> None:
        client.force_login(alice)
        answer = client.post("/settings/preferences", {"theme": "dark", "machine_gb": machine_gb})
        page = answer.content.decode()
        assert answer.status_code == 400
        assert 'id="id_machine_gb_error"' in page
        assert '<option value="dark" selected>' in page
        alice.refresh_from_db()
        assert (alice.theme, alice.machine_gb) == ("", None)

    @pytest.mark.parametrize("field", ["language", "theme"])
    def test_no_such_choice(self, client: Client, alice: User, field: str) -> None:
        client.force_login(alice)
        answer = client.post("/settings/preferences", {field: "klingon"})
        assert answer.status_code == 400
        assert f'id="id_{field}_error"' in answer.content.decode()

    def test_they_are_for_who_has_an_account(self, client: Client) -> None:
        answer = client.get("/settings/preferences")
        assert answer["Location"] == "/login?next=/settings/preferences"

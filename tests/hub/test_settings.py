"""Settings fail loudly on a bad value; checks name unsafe combinations."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from hub.env import (
    env_bool,
    env_database,
    env_directory,
    env_int,
    env_ints,
    env_prices,
    env_secret,
    env_sizes,
    env_str,
)


class TestEnvironment:
    @pytest.mark.parametrize(("text", "value"), [("True", True), ("False", False), ("", True)])
    def test_switches(self, monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
        monkeypatch.setenv("HUB_X", text)
        assert env_bool("HUB_X", True) is value

    @pytest.mark.parametrize("text", ["true", "1", "yes", "no"])
    def test_a_switch_that_is_neither_is_refused(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("HUB_X", text)
        with pytest.raises(ImproperlyConfigured, match="HUB_X must be True or False"):
            env_bool("HUB_X", True)

    def test_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert env_int("HUB_X", 7) == 7
        monkeypatch.setenv("HUB_X", "12")
        assert env_int("HUB_X", 7) == 12
        monkeypatch.setenv("HUB_X", "12 GB")
        with pytest.raises(ImproperlyConfigured, match="HUB_X must be a whole number"):
            env_int("HUB_X", 7)

    def test_memory_of_flavors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert env_sizes("HUB_X") == {}
        monkeypatch.setenv("HUB_X", "cpu-basic=8GB, gpu-small = 1.5 GiB,")
        assert env_sizes("HUB_X") == {"cpu-basic": 8_000_000_000, "gpu-small": 1_610_612_736}

    def test_prices_of_flavors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert env_prices("HUB_X") == {}
        monkeypatch.setenv("HUB_X", "cpu-basic=0 EUR,gpu-small=0.60 EUR")
        assert env_prices("HUB_X") == {
            "cpu-basic": (Decimal(0), "EUR"),
            "gpu-small": (Decimal("0.60"), "EUR"),
        }

    @pytest.mark.parametrize("text", ["8GB", "cpu-basic=", "=8GB", "cpu-basic=8", "cpu-basic=0GB", "x=-1GB"])
    def test_sizes_that_are_none(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("HUB_X", text)
        with pytest.raises(ImproperlyConfigured, match="HUB_X"):
            env_sizes("HUB_X")

    @pytest.mark.parametrize("text", ["0.60 EUR", "gpu-small=0.60", "gpu-small=EUR", "gpu-small=-1 EUR"])
    def test_prices_that_are_none(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("HUB_X", text)
        with pytest.raises(ImproperlyConfigured, match="HUB_X"):
            env_prices("HUB_X")

    @pytest.mark.parametrize("text", ["0", "-1"])
    def test_numbers_that_are_too_small(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("HUB_X", text)
        assert env_int("HUB_X", 7) == int(text)
        with pytest.raises(ImproperlyConfigured, match=f"HUB_X must be 1 at least, got {text}"):
            env_int("HUB_X", 7, least=1)

    def test_numbers_between_commas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert env_ints("HUB_X", "1,2") == [1, 2]
        monkeypatch.setenv("HUB_X", "7")
        assert env_ints("HUB_X", "1,2") == [7]
        monkeypatch.setenv("HUB_X", "7,soon")
        with pytest.raises(ImproperlyConfigured, match="HUB_X must be whole numbers between commas"):
            env_ints("HUB_X", "1,2")

    def test_an_empty_text_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HUB_X", "")
        assert env_str("HUB_X", "default") == "default"

    def test_databases(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HUB_X", "postgres://hub:p%40ss@db.example.org:5433/tuneyard")
        made = env_database("HUB_X", {})
        assert (made["USER"], made["PASSWORD"], made["HOST"]) == ("hub", "p@ss", "db.example.org")
        assert (made["PORT"], made["NAME"]) == ("5433", "tuneyard")
        monkeypatch.setenv("HUB_X", "mysql://hub@db/x")
        with pytest.raises(ImproperlyConfigured, match="postgres://"):
            env_database("HUB_X", {})

    def test_what_a_database_url_says_beside_the_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HUB_X", "postgres://hub@/tuneyard?host=%2Frun%2FPostgres&sslmode=verify-full")
        made: Any = env_database("HUB_X", {}, 7)
        assert (made["HOST"], made["PORT"], made["OPTIONS"]["sslmode"]) == (
            "/run/Postgres",
            "",
            "verify-full",
        )
        assert made["OPTIONS"]["pool"]["max_size"] == 7
        for url, problem in (
            ("postgres://hub@db/x?sslmod=require", "knows no 'sslmod', only host, sslmode"),
            ("postgres://hub@db", "must end with a database"),
        ):
            monkeypatch.setenv("HUB_X", url)
            with pytest.raises(ImproperlyConfigured, match=problem):
                env_database("HUB_X", {})

    def test_directories_are_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HUB_X", str(tmp_path / "a" / "b"))
        assert env_directory("HUB_X", tmp_path) == tmp_path / "a" / "b"
        assert (tmp_path / "a" / "b").is_dir()
        (tmp_path / "file").touch()
        monkeypatch.setenv("HUB_X", str(tmp_path / "file"))
        with pytest.raises(ImproperlyConfigured, match=r"HUB_X .*file cannot be made"):
            env_directory("HUB_X", tmp_path)


class TestSecret:
    def test_it_is_made_once_for_the_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "secret_key"
        first = env_secret("HUB_X", path)
        assert len(first) >= 50
        assert env_secret("HUB_X", path) == first
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_the_environment_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "named").write_text("from a file\n")
        monkeypatch.setenv("HUB_X_FILE", str(tmp_path / "named"))
        assert env_secret("HUB_X", tmp_path / "secret_key") == "from a file"
        monkeypatch.setenv("HUB_X", "from the environment")
        assert env_secret("HUB_X", tmp_path / "secret_key") == "from the environment"
        assert not (tmp_path / "secret_key").exists()


def found(**settings: object) -> set[str | None]:
    """The ids of the hub's own checks that speak under these settings."""
    with override_settings(**settings):
        return {
            one.id for one in run_checks(include_deployment_checks=True) if str(one.id).startswith("hub.")
        }


class TestChecks:
    def test_a_laptop_is_fine(self) -> None:
        assert found(HUB_PUBLIC_URL="http://127.0.0.1:8000") == set()

    @pytest.mark.parametrize("url", ["hub.example.org", "ftp://hub", "https://", "https://hub/?x=1"])
    def test_a_public_url_that_is_none(self, url: str) -> None:
        assert "hub.E001" in found(HUB_PUBLIC_URL=url)

    def test_a_typo_in_registration(self) -> None:
        assert "hub.E002" in found(HUB_REGISTRATION="close")

    def test_what_others_must_not_reach(self) -> None:
        loose: dict[str, object] = {"DEBUG": True, "ALLOWED_HOSTS": ["*"], "HUB_BROKER_URL": "redis://broker"}
        loose["HUB_PUBLIC_URL"] = "http://hub.example.org"
        assert found(**loose) == {"hub.E003", "hub.W001", "hub.W002"}
        tight: dict[str, object] = {
            "HUB_PUBLIC_URL": "https://hub.example.org",
            "ALLOWED_HOSTS": ["hub.example.org"],
        }
        tight["HUB_BROKER_URL"] = "redis://broker"
        assert found(**tight) == set()

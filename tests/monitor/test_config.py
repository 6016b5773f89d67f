"""The configuration: files, environment, secrets, and a message for every mistake."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.config import load, masked
from monitor.errors import ConfigError
from monitor.pipeline.starter import starter_config

GOOD = """
language = "ru"
time_zone = "Europe/Moscow"
[brands.cafe]
name = "Кофейня"
locations = [{ name = "Мира 12" }]
[sources.feed]
brand = "cafe"
scraper = "rss"
params = { url = "https://example.org/feed" }
interval = "15m"
[channels.mail]
kind = "email"
settings = { host = "smtp.example.org", sender = "monitor@example.org", recipients = ["a@example.org"] }
[[routes]]
channels = ["mail"]
brands = ["cafe"]
"""

HOOK = "[sources.h]\nscraper = 'webhook'\nparams = {secrets = ['YSBzZWNyZXQgb2YgMjQgYnl0ZXMgbm93']"


def write(folder: Path, text: str) -> Path:
    path = folder / "monitor.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistake(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), environ=environ)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_reads_everything(tmp_path: Path) -> None:
    settings = load(write(tmp_path, GOOD), environ={})
    assert settings.brands["cafe"].locations[0].name == "Мира 12"
    assert settings.sources["feed"].interval == timedelta(minutes=15)
    assert settings.zone.key == "Europe/Moscow"
    assert settings.data_dir == tmp_path / "data"  # relative to the file, not to where the daemon was started


def test_files_go_beside_the_store_unless_a_folder_is_named(tmp_path: Path) -> None:
    """As in the image: the configuration lies where nothing may be written, and `init` names no folder."""
    text = '[channels.box]\nkind = "file"\n[channels.other]\nkind = "file"\nsettings = { directory = "there" }\n'
    found = load(write(tmp_path, text), environ={"MONITOR_DATA_DIR": "/srv/data"}).channels
    assert found["box"].settings["directory"] == "/srv/data/outbox"
    assert found["other"].settings["directory"] == str(tmp_path / "there")


def test_environment_wins_and_files_hold_secrets(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n", encoding="utf-8")
    settings = load(
        write(tmp_path, GOOD),
        environ={
            "MONITOR_WEB__PORT": "9000",
            "MONITOR_CHANNELS__MAIL__SETTINGS__PASSWORD_FILE": str(secret),
            "MONITOR_CHANNELS__MAIL__SETTINGS__USERNAME": "monitor",
            "MONITOR_ALERTS__FALSE_ALARMS_PER_WEEK": "2.5",
            "MONITOR_TEST_ANYTHING": "ignored",
            "PATH": "/bin",
        },
    )
    assert settings.web.port == 9000
    assert settings.alerts.false_alarms_per_week == 2.5
    assert settings.channels["mail"].settings["password"] == "hunter2"
    assert "hunter2" not in str(masked(settings))
    assert masked(settings)["channels"]["mail"]["settings"]["host"] == "smtp.example.org"


def test_password_in_database_url_is_masked(tmp_path: Path) -> None:
    settings = load(write(tmp_path, GOOD), environ={"MONITOR_DATABASE_URL": "postgresql://u:s3cret@db/monitor"})
    assert settings.url == "postgresql://u:s3cret@db/monitor"
    assert "s3cret" not in str(masked(settings)) + repr(settings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("langauge = 'ru'", ["langauge", "unknown key", "did you mean 'language'"]),
        ("language = 'xx'", ["language", "'xx'", "'ru' or 'en'"]),
        ("time_zone = 'Moscow'", ["time_zone", "'Moscow'", "Europe/Moscow"]),
        ("[web]\nport = 'http'", ["web.port", "'http'", "integer"]),
        ("[web]\nprot = 1", ["web.prot", "unknown key", "did you mean 'port'"]),
        ("[alerts]\nrepeat_interval = 'soon'", ["alerts.repeat_interval", "'soon'", "15m"]),
        ("[brands.'Café']\nname = 'x'", ["brands", "lower-case"]),
        ("[brands.a]\nnme = 'x'", ["brands.a.nme", "did you mean 'name'"]),
        ("[brands.a]\nname = 'x'\nquery = '(soup OR'", ["brands.a.query", "ends where a word is expected", "(soup OR"]),
        ("[brands.a]", ["brands.a.name", "missing"]),
        (
            "[sources.s]\nscraper = 'rss'\nbrand = 'nobody'\nparams = {url='https://example.org'}",
            ["nobody", "not a brand"],
        ),
        ("[sources.s]\nscraper = 'rsss'", ["sources.s.scraper", "rsss", "rss"]),
        (
            "[sources.s]\nscraper = 'rss'\nparams = {ulr='https://example.org/f'}",
            ["sources.s.params.ulr", "unknown key"],
        ),
        (f"{HOOK}, kind = 'survey'}}", ["sources.h.brand", "which brand"]),
        (f"{HOOK}, kind = 'survey', metric = 'npz'}}", ["sources.h.params", "npz", "nps, csat, ces"]),
        (f"{HOOK}, metric = 'nps'}}", ["sources.h.params", "kind = 'survey'"]),
        (f"{HOOK}, kind = 'survey', mapping = {{text = 'x'}}}}", ["sources.h.params", "'text'", "answered_at"]),
        ("[channels.c]\nkind = 'emial'", ["channels.c.kind", "emial", "email"]),
        ("[channels.c]\nkind = 'email'\nsettings = {hots = 'x'}", ["channels.c.settings.hots", "unknown key"]),
        ("[[routes]]\nchannels = ['nowhere']", ["nowhere", "not a channel"]),
        ("[rules.r]\nkind = 'keywords'", ["rules.r", "needs `words`"]),
        ("[rules.r]\nkind = 'magic'", ["rules.r.kind", "'magic'", "low_ratings"]),
        ("this is not toml", ["not TOML"]),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, expected: list[str]) -> None:
    message = mistake(tmp_path, text)
    for words in expected:
        assert words in message, message
    assert "monitor.toml" in message


def test_several_mistakes_come_together(tmp_path: Path) -> None:
    message = mistake(tmp_path, "language = 'xx'\n[web]\nport = 0\nprot = 1")
    assert len(message.splitlines()) == 3


def test_secret_values_do_not_show_in_mistakes(tmp_path: Path) -> None:
    message = mistake(
        tmp_path,
        "[channels.c]\nkind = 'email'\n[channels.c.settings]\nhost = 'h'\nsender = 's@example.org'\n"
        "recipients = ['r@example.org']\npassword = 12345678",
    )
    assert "12345678" not in message
    message = mistake(
        tmp_path,
        "[channels.c]\nkind = 'email'\n[channels.c.settings]\nhost = 'h'\nsender = 's@example.org'\n"
        "recipients = ['r@example.org']\npassword = 'hunter2'",
    )
    assert "hunter2" not in message
    assert "username and password belong together" in message


def test_unknown_environment(tmp_path: Path) -> None:
    assert "MONITOR_LANGAUGE" in mistake(tmp_path, GOOD, MONITOR_LANGAUGE="ru")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load(tmp_path / "absent.toml", environ={})
    with pytest.raises(ConfigError, match="PASSWORD_FILE"):
        load(
            write(tmp_path, GOOD), environ={"MONITOR_CHANNELS__MAIL__SETTINGS__PASSWORD_FILE": str(tmp_path / "absent")}
        )
    (tmp_path / "empty").write_text("\n")
    for given, said in (("", "is empty: the path of a file"), (str(tmp_path / "empty"), "empty is empty")):
        with pytest.raises(ConfigError, match=f"MONITOR_DATABASE_URL_FILE.*{said}"):
            load(write(tmp_path, GOOD), environ={"MONITOR_DATABASE_URL_FILE": given})


@pytest.mark.parametrize("language", ["ru", "en"])
def test_starter_is_valid_as_it_stands(tmp_path: Path, language: str) -> None:
    settings = load(write(tmp_path, starter_config(brand="Моя «кофейня»", language=language)), environ={})
    assert next(iter(settings.brands.values())).name == "Моя «кофейня»"
    assert settings.channels["folder"].kind == "file"


def test_starter_takes_the_time_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def zone(here: str) -> str:
        monkeypatch.setattr("monitor.pipeline.starter.LOCALTZ", here)
        written: str = tomllib.loads(starter_config(brand="Cafe", language="ru"))["time_zone"]
        return written

    assert zone("Asia/Almaty") == "Asia/Almaty"
    assert [zone(name) for name in ("Etc/UTC", "local", "../etc", "")] == ["Europe/Moscow"] * 4


def test_starter_examples_are_valid_when_uncommented(tmp_path: Path) -> None:
    lines = []
    for line in starter_config(brand="Cafe", language="en").splitlines():
        if (
            line.startswith("# ")
            and any(mark in line for mark in ("[", "="))
            and not line.startswith(("# Configuration", "# secrets", "# Check"))
        ):
            line = line[2:]
        lines.append(line if "=" in line or line.startswith("[") else "")
    text = "\n".join(lines).replace('kind = "slack"', 'kind = "slack"')
    settings = load(write(tmp_path, text), environ={})
    assert {"app_reviews", "news"} <= set(settings.sources)
    assert {"mail", "slack", "folder"} <= set(settings.channels)

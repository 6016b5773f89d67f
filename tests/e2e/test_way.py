"""The whole way against real parts: pages come in, one mail and one Slack message go out, whatever dies between."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.town import Town, kill, monitor, start, town, wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def calm_weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a monitor that has been through two calm months: read, judged, learnt, nothing told."""
    folder = tmp_path_factory.mktemp("calm")
    with town(folder) as place:
        config = place.configure()
        told = monitor("import", place.history(), "--brand", "cafe", "--config", config)
        assert "180 imported" in told.stdout
        monitor("once", "--config", config)
        assert place.mails == [] and place.slack == []  # calm weeks: nothing to say
    return folder / "data"


@pytest.fixture
def config(place: Town, calm_weeks: Path) -> Path:
    """The configuration of a monitor after calm weeks, in a town of its own."""
    shutil.copytree(calm_weeks, place.folder / "data")
    return place.configure()


def rows(place: Town, statement: str) -> list[tuple[object, ...]]:
    path = place.folder / "data" / "monitor.sqlite"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as store:
        try:
            return store.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []  # the tables are not there yet


def test_one_incident_one_mail_one_message(place: Town, config: Path) -> None:
    place.complain()
    result = monitor("once", "--source", "feed", "--config", config)
    assert "14 new" in result.stdout
    assert len(place.mails) == 1 and len(place.slack) == 1
    mail = place.mails[0]
    assert "Cafe Luna" in mail["Subject"]
    plain = mail.get_body(("plain",))
    page = mail.get_body(("html",))
    assert plain is not None and page is not None
    (observed, expected) = rows(place, "SELECT n_observed, n_expected FROM incident")[0]
    assert f"{observed:.0f} negative" in plain.get_content()  # the numbers of the mail are those of the store
    assert observed > 5 * float(expected)  # type: ignore[operator,arg-type]
    assert f"{place.site}/10" in plain.get_content()  # quotes with links
    assert place.slack[0]["blocks"] and f"{observed:.0f} negative" in place.slack[0]["text"]
    monitor("once", "--source", "feed", "--config", config)
    assert len(place.mails) == 1 and len(place.slack) == 1
    assert monitor("db", "check", "--config", config).stdout == "ok\n"
    week = monitor("report", "--config", config, "--format", "md", "--brand", "cafe", "-o", place.folder / "week.md")
    assert week.returncode == 0
    assert "Cafe Luna" in (place.folder / "week.md").read_text(encoding="utf-8")


def test_killed_between_the_steps(place: Town, config: Path) -> None:
    """Killed after the fetch, after the rows, after the judgements, and while the mail is handed over."""
    place.complain()
    running: list[subprocess.Popen[bytes]] = []

    place.on_feed = lambda: kill(running[-1])  # the page is on its way
    running.append(start("once", "--source", "feed", "--config", config))
    running[-1].wait(timeout=120)
    place.on_feed = None
    assert rows(place, "SELECT count(*) FROM mention WHERE external_id LIKE '%post-%'") == [(0,)]

    for reached in (
        "SELECT 1 FROM mention WHERE external_id LIKE '%post-%' AND score_state = 'new' LIMIT 1",
        "SELECT 1 FROM mention WHERE external_id LIKE '%post-%' AND score_state = 'done' LIMIT 1",
        "SELECT 1 FROM incident LIMIT 1",
    ):
        running.append(start("once", "--source", "feed", "--config", config))
        wait_for(lambda reached=reached: bool(rows(place, reached)) or running[-1].poll() is not None)  # type: ignore[misc]
        kill(running[-1])

    place.on_mail = lambda: kill(running[-1])  # accepted by the server, not yet known to us
    running.append(start("once", "--source", "feed", "--config", config))
    running[-1].wait(timeout=120)
    place.on_mail = None

    monitor("once", "--source", "feed", "--config", config)
    assert rows(place, "SELECT count(*), count(DISTINCT external_id) FROM mention") == [(194, 194)]
    assert rows(place, "SELECT count(*) FROM incident") == [(1,)]
    assert rows(place, "SELECT DISTINCT state FROM outbox") == [("sent",)]
    assert monitor("db", "check", "--config", config).stdout == "ok\n"
    ids = {mail["Message-ID"] for mail in place.mails}
    assert len(ids) == 1  # plain SMTP cannot be asked: a copy may come, but never as another message
    assert len(place.mails) <= 2
    assert len(place.slack) == 1


def test_the_daemon_ends_on_request(place: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # as systemd's of `Type=notify`
    supervisor.bind(address := f"\0monitor-test-{os.getpid()}")
    monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
    config = place.configure(more="[schedule]\ncollect = '1s'\nscore = '1s'\ndetect = '1s'\nnotify = '1s'")
    place.complain(3)
    daemon = start("run", "--no-web", "--config", config)
    try:
        wait_for(lambda: rows(place, "SELECT count(*) FROM mention WHERE score_state = 'done'") == [(3,)])
        second = monitor("run", "--no-web", "--config", config, check=75)
        assert "another instance" in second.stderr
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0
    finally:
        kill(daemon)
    assert rows(place, "SELECT count(*) FROM mention WHERE score_state = 'done'") == [(3,)]
    with supervisor:
        supervisor.setblocking(False)
        told = [supervisor.recv(100).decode()]
        with contextlib.suppress(BlockingIOError):
            while True:
                told.append(supervisor.recv(100).decode())
    assert (told[0], told[-1]) == ("READY=1", "STOPPING=1") and set(told[1:-1]) <= {"WATCHDOG=1"}


def test_recorded_pages(place: Town, shared: Path) -> None:
    """Pages that nobody here wrote, served by a local server, go through the same way."""
    recorded = shared / "recorded"
    for name in ("manton.rss", "natasha.xml", "DaringFireball.atom"):
        place.pages[f"/{name}"] = ("application/xml", (recorded / "rss" / name).read_bytes())
    for name in ("tasteofhome_1.html", "bakewithzoha_1.html"):
        place.pages[f"/{name}"] = ("text/html", (recorded / "schema_org" / name).read_bytes())
    place.pages["/s/prstnk"] = ("text/html", (recorded / "telegram" / "tme_s_prstnk_eprst.html").read_bytes())
    more = "".join(
        f'[sources.s{n}]\nbrand = "cafe"\nscraper = "{scraper}"\nparams = {params}\n'
        for n, (scraper, params) in enumerate(
            [
                ("rss", f'{{ url = "{place.site}{path}" }}')
                for path in place.pages
                if path.endswith((".rss", ".xml", ".atom"))
            ]
            + [("schema_org", f'{{ url = "{place.site}{path}" }}') for path in place.pages if path.endswith(".html")]
            + [("telegram", f'{{ channel = "prstnk", base = "{place.site}" }}')]
        )
    )
    config = place.configure(more=more)
    monitor("once", "--config", config, check=None)
    counts = dict(
        rows(place, "SELECT s.scraper, count(*) FROM mention m JOIN source s ON s.id = m.source_id GROUP BY 1")
    )  # type: ignore[arg-type]
    assert counts["rss"] >= 40 and counts["schema_org"] >= 5
    assert counts["telegram"] == 1  # the other post is "Channel created"
    assert rows(place, "SELECT count(*) FROM mention WHERE score_state = 'new'") == [(0,)]
    assert rows(place, "SELECT count(*) FROM source WHERE last_status NOT IN ('ok', 'empty')") == [(0,)]
    before = rows(place, "SELECT count(*) FROM mention")
    monitor("once", *(f"--source=s{n}" for n in range(6)), "--config", config, check=None)
    assert rows(place, "SELECT count(*) FROM mention") == before

"""The pictures of the documents, made anew: the bundled sample, the application, a real Chromium.

    python -m benchmarks.screenshots [--only journey,effect] [--folder /tmp/sample]

Needs Chromium and Playwright (`make test-browser` installs both). The sample ends when the committed files of examples/
end and the clock stands still there: the same code and weights draw the same pictures, with the dates of docs/cx.md.
With --folder the judged sample is kept there and used again; delete it when the weights or the sample change.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
from playwright.sync_api import Browser, sync_playwright
from sqlmodel import col, select

from monitor.cli.common import configure_logs
from monitor.pipeline.context import Context
from monitor.pipeline.sample import _arrange, load_sample, sample_settings
from monitor.store.catalogue import synchronise
from monitor.store.engine import reading, upgrade, writing
from monitor.store.tables import Incident
from monitor.web import accounts
from monitor.web.app import create_app
from monitor.web.server import _listening, _serve, _Server
from monitor.web.visitor import COOKIE

TO = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
MOST_BYTES = 300_000  # of one picture: a clone of the repository carries every version
NAME = "anna"
DESK, WIDE, PHONE = (1280, 900), (1440, 900), (390, 844)
EFFECT = urlencode(
    [("about", "staff"), ("about", "waiting"), ("on", "2026-08-17"), ("at", "Вокзальная 1"), ("at", "Лесная 5")]
)


@dataclass(frozen=True)
class Picture:
    """One page as a visitor sees it first."""

    name: str
    path: str  # {incident}: the identifier of the incident that was opened first
    size: tuple[int, int] = WIDE
    language: str = "en"
    theme: str = "light"


PICTURES = (
    Picture("overview", "/"),
    Picture("overview-dark", "/", theme="dark"),
    Picture("overview-phone-ru", "/", PHONE, language="ru"),
    Picture("incident", "/incidents/{incident}"),
    Picture("mentions", "/mentions"),
    Picture("rules", "/rules?rule=negative_count&more_than=5"),
    Picture("topics", "/topics", language="ru"),
    Picture("journey", "/journey", DESK),
    Picture("effect", f"/effects?{EFFECT}", (1280, 760)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of pictures, separated by commas")
    parser.add_argument("--folder", type=Path, help="keep the judged sample here")
    parser.add_argument("--to", type=Path, default=TO, help="where the pictures go (default: docs/screenshots)")
    given = parser.parse_args()
    only = set(filter(None, given.only.split(",")))
    if unknown := only - {picture.name for picture in PICTURES}:
        parser.error(f"--only: no such picture: {', '.join(sorted(unknown))}")
    wanted = [picture for picture in PICTURES if not only or picture.name in only]
    configure_logs()
    given.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as made, chromium() as browser:
        context = sample(given.folder or Path(made))
        with served(context) as url:
            for picture in wanted:
                file = given.to / f"{picture.name}.png"
                file.write_bytes(taken(browser, context, url, picture))
                print(f"{file}: {file.stat().st_size:,} bytes")
        context.engine.dispose()
    if heavy := [p.name for p in wanted if (given.to / f"{p.name}.png").stat().st_size > MOST_BYTES]:
        raise SystemExit(f"heavier than {MOST_BYTES:,} bytes: {', '.join(heavy)}")


def sample(folder: Path) -> Context:
    """The bundled sample in `folder`, judged there unless it is already."""
    folder.mkdir(parents=True, exist_ok=True)
    until = _arrange().COMMITTED_UNTIL
    context = Context(sample_settings(folder), clock=lambda: until, rng=random.Random(1))
    upgrade(context.engine)
    with writing(context.engine) as session:
        synchronise(session, context.settings, now=until)
    load_sample(context)
    return context


@contextmanager
def served(context: Context) -> Iterator[str]:
    """The application on a free port of this machine."""
    stop = threading.Event()
    config = uvicorn.Config(create_app(context), log_config=None, access_log=False, lifespan="off")
    with _listening("127.0.0.1", 0) as sock:
        thread = threading.Thread(target=lambda: asyncio.run(_serve(_Server(config), sock, stop)))
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise SystemExit("Chromium is not installed (make test-browser)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def taken(browser: Browser, context: Context, url: str, picture: Picture) -> bytes:
    """The picture, as png. An administrator looks, in the picture's language and theme."""
    cookies: list[Any] = [
        {"name": COOKIE, "value": logged_in(context, picture), "url": url},
        {"name": "monitor_theme", "value": picture.theme, "url": url},
    ]
    width, height = picture.size
    window = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    window.add_cookies(cookies)
    page = window.new_page()
    answer = page.goto(url + picture.path.format(incident=first_incident(context)), timeout=120_000)
    if answer is None or not answer.ok:
        raise SystemExit(f"{picture.path}: {answer.status if answer else 'no answer'}")
    page.wait_for_load_state("networkidle")
    png = page.screenshot()
    window.close()
    return png


def logged_in(context: Context, picture: Picture) -> str:
    with writing(context.engine) as session:
        user = accounts.find_user(session, NAME)
        if user is None:
            password = random.SystemRandom().randbytes(16).hex()
            user = accounts.add_user(session, NAME, "admin", password, now=context.now)
        user.language = picture.language
        session.add(user)
        return accounts.open_session(session, user, now=context.now, lifetime=timedelta(days=1)).token


def first_incident(context: Context) -> str:
    with reading(context.engine) as session:
        return session.exec(select(Incident.uid).order_by(col(Incident.opened_at))).first() or ""


if __name__ == "__main__":
    main()

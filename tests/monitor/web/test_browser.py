"""The pages in a real Chromium: what people do with them, with keyboard and screen reader in mind, on desk and phone.

Skipped, with a plain reason, where Playwright or Chromium is missing; `make test-browser` installs both.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from monitor.pipeline.context import Context
from monitor.store.catalogue import synchronise
from monitor.store.engine import reading, writing
from monitor.store.queries import incidents
from monitor.store.tables import Mention
from monitor.web import accounts
from monitor.web.app import create_app
from monitor.web.server import _listening, _serve, _Server
from tests.monitor import support
from tests.monitor.web.conftest import PASSWORD, UID, House, configured

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make test-browser)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (make test-browser)")

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]  # fmt: skip
PATIENCE = 60_000  # ms: the time limit of a hung browser, not of a slow machine
PAGES = (
    "/", "/?period=365d&topic=waiting", "/mentions", "/mentions/1", "/incidents", f"/incidents/{UID}",
    "/rules?rule=negative_count&more_than=2", "/topics", "/topics/price", "/quality", "/sources", "/reports",
    "/reports/1", "/accounts", "/audit", "/settings", "/tokens", "/me", "/satisfaction", "/journey", "/customers",
    "/effects", "/competitors",
)  # fmt: skip
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@dataclass
class Site:
    """A served application and where it is."""

    context: Context
    url: str


def served(context: Context) -> Iterator[Site]:
    stop = threading.Event()
    config = uvicorn.Config(create_app(context), log_config=None, access_log=False, lifespan="off")
    with _listening("127.0.0.1", 0) as sock:
        thread = threading.Thread(target=lambda: asyncio.run(_serve(_Server(config), sock, stop)))
        thread.start()
        yield Site(context, f"http://127.0.0.1:{sock.getsockname()[1]}")
        stop.set()
        thread.join()


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    yield from served(house.context)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (make test-browser)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@dataclass
class Window:
    """A page of the browser, and what it complained of."""

    page: Any
    complaints: list[str]


def window(chromium: Any, **options: Any) -> Window:
    context = chromium.new_context(**{"viewport": DESK, "locale": "en-GB", **options})
    context.set_default_timeout(PATIENCE)
    opened = Window(context.new_page(), [])
    opened.page.on("console", lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None)
    opened.page.on("pageerror", lambda problem: opened.complaints.append(str(problem)))
    return opened


@pytest.fixture
def anna(site: Site, chromium: Any) -> Iterator[Window]:
    """The administrator, logged in through the form."""
    opened = window(chromium)
    page = opened.page
    page.goto(f"{site.url}/login")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site.url}/")
    yield opened
    page.context.close()


def test_the_first_account_through_the_set_up_link(tmp_path: Path, chromium: Any) -> None:
    context = configured(tmp_path)
    support.migrated(context.engine)
    with writing(context.engine) as session:
        synchronise(session, context.settings, now=support.NOW)
        link = accounts.setup_link(session, context.settings, now=support.NOW)
    assert link is not None
    for site in served(context):
        opened = window(chromium)
        opened.page.goto(f"{site.url}/setup?{link.partition('?')[2]}")
        opened.page.get_by_label("Name").fill("olga")
        opened.page.get_by_label("Password", exact=True).fill(PASSWORD)
        opened.page.get_by_label("The password again").fill(PASSWORD)
        opened.page.get_by_role("button", name="Make the account").click()
        opened.page.wait_for_url(f"{site.url}/")
        assert opened.page.get_by_role("link", name="olga").is_visible()
        opened.page.goto(f"{site.url}/setup?{link.partition('?')[2]}")
        assert "does not open" in opened.page.locator("h1").inner_text()
        opened.page.context.close()
    context.engine.dispose()


def test_a_click_on_the_chart_filters_everything(site: Site, anna: Window) -> None:
    page = anna.page
    page.locator("[data-chart=timeline] canvas").first.wait_for()
    box = page.locator("[data-chart=timeline]").bounding_box()
    days = page.evaluate("echarts.getInstanceByDom(document.querySelector('[data-chart=timeline]'))"
                         ".getOption().xAxis[0].data")  # fmt: skip
    x, y = page.evaluate(
        "day => echarts.getInstanceByDom(document.querySelector('[data-chart=timeline]'))"
        ".convertToPixel({xAxisIndex: 0, yAxisIndex: 0}, [day, 0.5])",
        days.index("2026-11-19"),
    )
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.wait_for_url("**from=2026-11-19&to=2026-11-19")
    assert page.get_by_role("link", name="1 mention", exact=False).first.is_visible()
    page.goto(f"{site.url}/")
    page.get_by_role("link", name="Riverside 3").first.click()
    page.wait_for_url("**location=Riverside+3")
    assert page.locator(".chip").inner_text().split() == ["Location:", "Riverside", "3"]
    assert anna.complaints == []


def test_a_label_is_corrected_by_one_click(site: Site, anna: Window) -> None:
    page = anna.page
    page.goto(f"{site.url}/mentions?q=park")
    card = page.locator(".mention")
    assert card.count() == 1
    card.get_by_role("button", name="negative").click()
    page.locator(".mention.negative").wait_for()
    assert "corrected" in page.locator(".mention").inner_text()
    with reading(site.context.engine) as session:
        mention = session.get(Mention, int((card.get_attribute("id") or "")[1:]))
        assert mention is not None
        assert (mention.sentiment, mention.corrected) == ("negative", True)
    assert anna.complaints == []


def test_the_keyboard_goes_through_the_feed(site: Site, anna: Window) -> None:
    page = anna.page
    page.goto(f"{site.url}/mentions")
    for key in ("j", "j", "k", "x"):
        page.keyboard.press(key)
    assert page.locator(".mention.here").get_attribute("id") == page.locator(".mention").first.get_attribute("id")
    assert page.locator("[data-bulk]").is_visible()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"


def test_an_incident_is_acknowledged(site: Site, anna: Window) -> None:
    page = anna.page
    page.goto(f"{site.url}/incidents")
    page.locator(".incident .name").first.click()
    page.get_by_label("Note").first.fill("I look at it")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("status").wait_for()
    assert "I look at it" in page.locator(".log").first.inner_text()
    with reading(site.context.engine) as session:
        row = incidents.by_uid(session, UID)
        assert row is not None
        assert row.state == "acknowledged"


def test_a_rule_is_tried_on_the_past_and_saved(site: Site, anna: Window) -> None:
    page = anna.page
    page.goto(f"{site.url}/rules")
    page.get_by_label("Speak when there are").select_option("low_ratings")
    assert page.get_by_label("Low rating: stars, at most").is_visible()
    assert not page.get_by_label("Mean rating below").is_visible()
    page.get_by_label("More than").fill("1")
    page.get_by_label("Within").select_option("7d")
    page.get_by_role("button", name="Try").click()
    chosen = page.locator("section.card", has=page.locator(".tag.accent"))
    chosen.get_by_label("Name of the rule").fill("one_star")
    chosen.get_by_role("button", name="Save this one").click()
    page.get_by_role("status").wait_for()
    assert "one_star" in page.locator("table").inner_text()


def test_what_is_shown_is_exported(site: Site, anna: Window) -> None:
    page = anna.page
    page.goto(f"{site.url}/mentions?sentiment=negative")
    page.get_by_text("Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    text = Path(waiting.value.path()).read_text("utf-8-sig")
    assert "The waiter was rude" in text
    assert "lovely place" not in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_is_closed_to_a_screen_reader(site: Site, anna: Window, theme: str) -> None:
    """axe-core: no serious or critical finding; contrast is among what it measures."""
    page, found = anna.page, []
    page.emulate_media(color_scheme=theme)
    for path in PAGES:
        page.goto(site.url + path)
        page.wait_for_load_state("networkidle")
        for finding in axe.Axe().run(page).response["violations"]:
            if finding["impact"] in ("serious", "critical"):
                found += [(path, finding["id"], node["html"][:120]) for node in finding["nodes"][:2]]
    assert found == []


def test_no_page_is_wider_than_a_phone_or_complains(house: House, site: Site, anna: Window) -> None:
    """Not even with a word, a place and an author that have no end, or a text that runs from right to left."""
    house.add(support.item("endless", "verylongword" * 40, location="Y" * 120, author="Z" * 80, title="W" * 90),
              support.item("arabic", "الخدمة سيئة rude waiter", title="خدمة سيئة", location="Мира 12"))  # fmt: skip
    page = anna.page
    page.set_viewport_size(PHONE)
    for language in ("ru", "en"):
        page.goto(f"{site.url}/me")
        page.locator("label.button").click()
        page.locator(f"button[name=language][value={language}]").click()
        page.wait_for_load_state("networkidle")
        for path in PAGES:
            page.goto(site.url + path)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
            assert page.locator("html").get_attribute("lang") == language
    assert anna.complaints == []


def test_a_table_that_scrolls_is_reached_by_keys(site: Site, anna: Window) -> None:
    page = anna.page
    page.goto(f"{site.url}/topics")
    table = page.locator(".tablewrap").first
    table.wait_for()
    assert table.get_attribute("tabindex") is None  # it fits the desk: no stop on the way
    page.set_viewport_size(PHONE)
    region = page.get_by_role("region", name="Topics")
    region.wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        if region.evaluate("region => region === document.activeElement"):
            break
    assert region.evaluate("region => region === document.activeElement")
    page.keyboard.press("ArrowRight")
    for _ in range(100):  # scrolling is smooth, and the policy of the page forbids wait_for_function
        if region.evaluate("region => region.scrollLeft") > 0:
            break
        page.wait_for_timeout(50)
    assert region.evaluate("region => region.scrollLeft") > 0

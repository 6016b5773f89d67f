"""Commands about sources: a link or a name is tried, added, started anew."""

from __future__ import annotations

import importlib.util
import json
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from scrapers.base import Page
from scrapers.registry import scrapers_of
from tests.monitor.cli.conftest import Told
from tests.scrapers.imports.mailbox import Mailbox, letter

Run = Callable[..., Told]
FEED = (
    "<rss version='2.0'><channel><title>t</title><item><guid isPermaLink='false'>1</guid><title>Open late</title>"
    "<pubDate>Fri, 20 Nov 2026 10:00:00 GMT</pubDate></item></channel></rss>"
)


@pytest.fixture
def site(httpserver: HTTPServer, tmp_path: Path) -> str:
    """A feed, a page that names it, and a configuration that may read this host."""
    httpserver.expect_request("/robots.txt").respond_with_data("", status=404)
    httpserver.expect_request("/feed").respond_with_data(FEED, content_type="application/rss+xml")
    httpserver.expect_request("/blog").respond_with_data(
        "<!DOCTYPE html><html><head><link rel='alternate' type='application/rss+xml' href='/feed'></head></html>",
        content_type="text/html",
    )
    base = f"http://{httpserver.host}:{httpserver.port}"
    (tmp_path / "monitor.toml").write_text(
        f'[brands.cafe]\nname = "Cafe"\n[http]\nallow_private = ["{httpserver.host}:{httpserver.port}"]\n'
    )
    return base


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def configuration() -> dict[str, Any]:
    return tomllib.loads(Path("monitor.toml").read_text())


class TestTest:
    def test_a_link(self, run: Run, site: str) -> None:
        told = run("source", "test", f"{site}/feed")
        assert told.code == 0
        assert json.loads(told.out)["title"] == "Open late"
        assert "status: ok, items: 1" in told.err
        assert not Path("data/monitor.sqlite").exists(), "nothing is stored"

    def test_a_page_that_names_its_feed_says_so(self, run: Run, site: str) -> None:
        told = run("source", "test", f"{site}/blog")
        assert told.code == 3
        assert f"it names a feed, which the scraper rss reads: {site}/feed" in told.err

    def test_a_configured_source_with_its_secrets(self, run: Run, site: str, box: Mailbox) -> None:
        box.messages = {1: letter(1, "late again")}
        Path("monitor.toml").write_text(
            Path("monitor.toml").read_text() + '[sources.mail]\nscraper = "imap"\nbrand = "cafe"\n'
            f'params = {{ host = "127.0.0.1", port = {box.port}, user = "me", password = "right", tls = false }}\n'
        )
        told = run("source", "test", "mail")
        assert told.code == 0
        assert json.loads(told.out)["text"] == "late again 1"
        assert "right" not in told.err

    @pytest.mark.parametrize(
        ("link", "code", "words"),
        [
            ("https://www.amazon.de/dp/B000000001", 1, "`monitor parse amazon FILE`"),
            ("nothing", 2, "neither a full http(s) link that a scraper knows nor a configured source"),
            ("https://vk.com/durov", 1, "the parameter `access_token` is missing"),
        ],
    )
    def test_what_cannot_be_read_says_what_to_do(self, run: Run, site: str, link: str, code: int, words: str) -> None:
        told = run("source", "test", link)
        assert told.code == code
        assert words in told.err


class TestAdd:
    def test_a_link_becomes_a_source(self, run: Run, site: str) -> None:
        assert run("source", "add", f"{site}/feed", "--brand", "cafe").code == 0
        again = run("source", "add", f"{site}/feed", "--brand", "cafe")
        assert "try it: `monitor source test cafe_rss_2`" in again.err
        assert configuration()["sources"] == {
            name: {"brand": "cafe", "scraper": "rss", "params": {"url": f"{site}/feed"}}
            for name in ("cafe_rss", "cafe_rss_2")
        }

    def test_secrets_it_needs_are_named(self, run: Run, site: str) -> None:
        told = run("source", "add", "https://vk.com/durov", "--brand", "cafe", "--name", "vk")
        assert told.code == 0
        assert "MONITOR_SOURCES__VK__PARAMS__ACCESS_TOKEN" in told.err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["https://www.amazon.de/dp/B000000001", "--brand", "cafe"], "`monitor import FILE`"),
            (["https://vk.com/durov", "--brand", "nobody"], "allowed: cafe"),
            (["word", "--brand", "cafe"], "full http(s) link"),
        ],
    )
    def test_what_cannot_be_added_changes_nothing(
        self,
        run: Run,
        site: str,
        arguments: list[str],
        words: str,
    ) -> None:
        before = Path("monitor.toml").read_bytes()
        told = run("source", "add", *arguments)
        assert told.code == 2
        assert words in told.err
        assert Path("monitor.toml").read_bytes() == before


class TestNew:
    def test_a_new_scraper_reads_its_sample(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "sites").mkdir()
        (tmp_path / "samples").mkdir()
        told = run("source", "new", "tea_house", "--url", "https://tea.example/reviews", "--folder", "sites",
                   "--samples", "samples")  # fmt: skip
        assert told.code == 0
        spec = importlib.util.spec_from_file_location("tea_house", tmp_path / "sites" / "tea_house.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        (kind,) = scrapers_of(module)
        scraper = kind()
        page = (tmp_path / "samples" / "tea_house" / "page.html").read_bytes()
        expected = json.loads((tmp_path / "samples" / "tea_house" / "page.expected.json").read_text())
        parsed = scraper.parse(Page(page, url=expected["url"]))
        assert [one.external_id for one in parsed.items] == [one["external_id"] for one in expected["items"]]
        assert parsed.items[0].text == expected["items"][0]["text"]
        assert parsed.next_cursor == "https://tea.example/reviews?page=2"
        assert scraper.match("https://tea.example/reviews") is not None
        again = run("source", "new", "tea_house", "--folder", "sites", "--samples", "samples")
        assert (again.code, "is there already" in again.err) == (2, True)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["Tea"], "lower-case letters"),
            (["tea", "--url", "tea.example"], "full http(s) link"),
            (["tea", "--folder", "nowhere"], "no such folder"),
        ],
    )
    def test_mistakes_are_named(self, run: Run, arguments: list[str], words: str) -> None:
        told = run("source", "new", *arguments)
        assert told.code == 2
        assert words in told.err


def test_the_list_may_be_narrowed(run: Run) -> None:
    told = run("source", "list", "vk", "--verbose")
    assert told.out.startswith("vk ")
    assert "access_token" in told.out
    assert "amazon" not in told.out
    assert run("source", "list", "vkk").code == 2

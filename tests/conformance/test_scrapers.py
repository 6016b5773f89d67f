# ruff: noqa: E501  (tables of junk)
"""One test over every registered reader: declaration, links, samples, recordings, and any bytes at all."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrapers import registry
from scrapers.base import Page, Parsed, Scraper, Status
from scrapers.errors import LoginNeeded, UnknownScraper
from scrapers.item import KINDS, Item
from tests.conftest import shared_directory
from tests.recorded.expect import page_of, row

RECORDED = Path(__file__).resolve().parent.parent / "recorded"
EXAMPLES = int(os.environ.get("MONITOR_TEST_MUTATIONS", "25"))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SCRAPERS = registry.all()
NOT_SITES = {"blocked_pages"}  # a folder of walls, for every reader
WALLS = {Status.BLOCKED, Status.CAPTCHA, Status.LOGIN}


def samples() -> list[tuple[str, Path, Path]]:
    found = []
    for expected in sorted(RECORDED.glob("*/*.expected.json")):
        stem = expected.name.removesuffix(".expected.json")
        pages = [one for one in expected.parent.glob(f"{stem}.*") if one != expected]
        assert len(pages) == 1, f"{expected} needs exactly one page {stem}.*, found {pages}"
        if expected.parent.name not in NOT_SITES:
            found.append((expected.parent.name, pages[0], expected))
    return found


SAMPLES = samples()


def recordings() -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for file in sorted(RECORDED.glob("*/recordings.json")):
        for name, entry in json.loads(file.read_text()).items():
            found.append((file.parent.name, name, entry))
    return found


def identity(value: Any) -> str:
    return "-".join(str(one.name if isinstance(one, Path) else one) for one in value[:2])


def plain(value: Any) -> Any:
    """An item's field as JSON shows it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return value


def agree(expected: Any, actual: Any, where: str) -> None:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            assert key in actual, f"{where} has no {key}"
            agree(value, actual[key], f"{where}.{key}")
        return
    if isinstance(expected, str) and isinstance(actual, str) and re.match(r"\d{4}-\d\d-\d\dT", expected):
        assert datetime.fromisoformat(expected) == datetime.fromisoformat(actual), where
        return
    assert actual == expected, where


def check(parsed: Parsed, scraper: Scraper) -> None:
    """What holds for any result of any reader on any bytes."""
    assert isinstance(parsed, Parsed)
    assert isinstance(parsed.status, Status)
    if parsed.status is not Status.OK:
        assert not parsed.items, f"status {parsed.status} with {len(parsed.items)} items"
    if parsed.status not in (Status.OK, Status.EMPTY):
        assert parsed.note, f"status {parsed.status} says nothing in words"
    twice = [key for key, n in Counter(one.external_id for one in parsed.items).items() if n > 1]
    assert not twice, f"ids given twice: {twice[:3]}"
    for item in parsed.items:
        check_item(item, scraper)


def check_item(item: Item, scraper: Scraper) -> None:
    assert item.kind in KINDS
    assert item.kind in scraper.meta.kinds, f"{item.kind} is not among the declared kinds {scraper.meta.kinds}"
    for when in (item.published_at, item.edited_at, item.reply.published_at if item.reply else None):
        assert when is None or when.utcoffset() == UTC.utcoffset(None), f"not UTC: {when!r}"
    if item.published_at:
        assert item.published_precision, "a time without its precision"
    if item.rating is not None:
        assert item.rating_raw and item.rating_scale, "a rating without its raw value and scale"
    texts = [item.text, item.title, item.author, item.subject, item.location, item.reply.text if item.reply else None]
    for value in texts:
        if value:
            assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", value), (
                repr(value[:80])
            )
            assert value == value.strip()
    if item.url is not None:
        assert re.match(r"https?://[^\s/]", item.url), item.url
    if item.language is not None:
        assert re.fullmatch(r"[a-z]{2,3}", item.language), item.language
    for n in (item.n_likes, item.n_views, item.n_replies):
        assert n is None or n >= 0


@pytest.mark.parametrize("scraper", SCRAPERS, ids=lambda one: one.meta.name)
class TestDeclaration:
    def test_names_kinds_terms_and_limits(self, scraper: Scraper) -> None:
        meta = scraper.meta
        assert re.fullmatch(r"[a-z0-9][a-z0-9_]*", meta.name)
        assert meta.title
        assert len(meta.terms) > 20, "the terms note says what the site allows"
        assert meta.access in "ABCD"
        assert meta.kinds and set(meta.kinds) <= set(KINDS)
        assert meta.min_interval_seconds <= meta.interval_seconds
        assert meta.host_interval_seconds > 0
        assert all(re.fullmatch(r"(\*\.)?[a-z0-9.-]+", host) for host in meta.hosts)
        if meta.rating_scale:
            assert meta.rating_scale[0] < meta.rating_scale[1]
        for credential in meta.credentials:
            assert credential.name in scraper.params_type.model_fields
            assert credential.url.startswith("https://")

    def test_parameters_refuse_unknown_keys_and_describe_themselves(self, scraper: Scraper) -> None:
        schema = scraper.params_type.model_json_schema()
        assert schema.get("additionalProperties") is False
        for name, one in schema.get("properties", {}).items():
            assert one.get("description"), f"{scraper.meta.name}.{name} has no description"

    def test_links_give_the_declared_parameters(self, scraper: Scraper) -> None:
        for url, expected in scraper.meta.url_examples.items():
            params = scraper.match(url)
            assert params is not None, f"{url} is not recognised"
            agree(dict(expected), params.model_dump(mode="json"), url)
            found = registry.match(url)
            assert found is not None and found[0] is scraper, f"{url} goes to {found and found[0].meta.name}"
            for part in scraper.slices(params):
                try:
                    request = scraper.request(params, part, None)
                except LoginNeeded:  # a link carries no credentials
                    assert scraper.meta.credentials
                    continue
                if request is not None:
                    assert request.url.startswith(("https://", "http://"))
        for wrong in ("", "not a link", "https://", "mailto:a@example.org", "https://example.org:x/", "http://[::1"):
            assert scraper.match(wrong) is None, wrong

    def test_has_a_sample_with_items(self, scraper: Scraper) -> None:
        own = [expected for name, _, expected in SAMPLES if registry.get(name) is scraper]
        assert any(json.loads(one.read_text()).get("items") for one in own), (
            f"tests/recorded/{scraper.meta.name} has no sample with items"
        )

    def test_any_wrong_page_gives_a_status(self, scraper: Scraper) -> None:
        for body in WRONG_PAGES:
            for code in (200, 403, 404, 429):
                parsed = scraper.parse(Page(body, url="https://example.org/x", fetched_at=NOW, status_code=code))
                check(parsed, scraper)
                assert parsed.status is not Status.OK or parsed.items


WRONG_PAGES = (
    b"",
    b"\x00\xff\xfe\x00junk" * 50,
    b"{}",
    b"[]",
    b"null",
    b"[[[[[[[[1]]]]]]]]",
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"data": [1, "x", null, {"id": {}}], "items": "no", "results": 5, "reviews": [null], "response": {"items": [[]]}}',
    b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works</h1></body></html>",
    b"<html><body>" + b"<div>" * 3_000 + b"deep",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
    b"<?xml version='1.0'?><rss version='2.0'><channel><title>x",
    "<html><body>\ud83d</body></html>".encode("utf-8", "surrogatepass"),
    b"\x1f\x8b\x08\x00not really gzip",
)


@pytest.mark.parametrize(("name", "page", "expected"), SAMPLES, ids=[identity(one) for one in SAMPLES])
class TestSample:
    def test_gives_what_is_expected(self, name: str, page: Path, expected: Path) -> None:
        scraper, entry = registry.get(name), json.loads(expected.read_text())
        parsed = scraper.parse(page_of(page, entry))
        check(parsed, scraper)
        assert parsed.status == entry["status"], parsed.note
        if "next_cursor" in entry:
            assert parsed.next_cursor == entry["next_cursor"]
        if "gone" in entry:
            assert list(parsed.gone) == entry["gone"]
        if "facts" in entry:
            assert dict(parsed.facts) == entry["facts"]
        assert len(parsed.items) == len(entry.get("items", []))
        for number, (item, wanted) in enumerate(zip(parsed.items, entry.get("items", []), strict=True)):
            agree(wanted, plain(item), f"item {number}")

    def test_twice_gives_the_same(self, name: str, page: Path, expected: Path) -> None:
        scraper, entry = registry.get(name), json.loads(expected.read_text())
        assert scraper.parse(page_of(page, entry)) == scraper.parse(page_of(page, entry))

    def test_truncated_anywhere_gives_a_status(self, name: str, page: Path, expected: Path) -> None:
        scraper, entry = registry.get(name), json.loads(expected.read_text())
        whole = page_of(page, entry)
        for part in range(20):
            cut = Page(whole.body[: len(whole.body) * part // 20], whole.url, whole.fetched_at, 200, whole.headers)
            check(scraper.parse(cut), scraper)

    def test_mutated_gives_a_status(self, name: str, page: Path, expected: Path) -> None:
        scraper, entry = registry.get(name), json.loads(expected.read_text())
        whole = page_of(page, entry)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=EXAMPLES <= 40,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
        )
        @given(mutations(whole.body))
        def run(body: bytes) -> None:
            check(scraper.parse(Page(body, whole.url, whole.fetched_at, 200, whole.headers)), scraper)

        run()


JUNK = st.sampled_from(
    [
        b"", b"null", b"-1", b"1e400", b'"', b"<", b">", b"&", b"{}", b"[]", b"{", b"}", b"[", b"]", b"true", b'"x"', b"\\ud800", b"\x00", b"\xff\xfe",
        b"99999999999999999999", b"<br>", b"</div>", b"&#0;", b"\xe2\x80\xae", b"0", b"NaN", b'{"a":null}', b"[null]", b"]]>", b"<!--", b"1970-01-01",
        b"9999-99-99", b"javascript:alert(1)", b"http://[", b"\xd0\xb3\xd0\xbe\xd0\xb4 \xd0\xbd\xd0\xb0\xd0\xb7\xd0\xb0\xd0\xb4",
    ]
)  # fmt: skip
# What stands between marks: values of JSON, attributes, text of elements.
_VALUE = re.compile(
    rb'"(?:[^"\\]|\\.){0,300}"|(?<=[:\[,])\s*(?:-?\d+(?:\.\d+)?|true|false|null)|(?<=>)[^<>]{1,200}(?=<)|(?<==")[^"<>]{1,200}(?=")'
)


@st.composite
def mutations(draw: st.DrawFn, body: bytes) -> bytes:
    """The page with some bytes or values replaced, removed, doubled or moved."""
    spans = [one.span() for one in _VALUE.finditer(body)] or [(0, len(body))]
    for _ in range(draw(st.integers(1, 5))):
        how = draw(st.integers(0, 5))
        if how <= 2:
            start, end = draw(st.sampled_from(spans))
            start, end = min(start, len(body)), min(end, len(body))
        else:
            start = draw(st.integers(0, max(0, len(body))))
            end = min(len(body), start + draw(st.integers(0, 60)))
        if how in (0, 1, 3):
            body = body[:start] + draw(JUNK) + body[end:]
        elif how == 2:
            body = body[:start] + body[end:]
        elif how == 4:
            body = body[:end] + body[start:]
        else:
            body = body[:start] + draw(st.binary(max_size=12)) + body[end:]
    return body


RECORDINGS = recordings()


@pytest.mark.parametrize(("folder", "file", "entry"), RECORDINGS, ids=[identity(one) for one in RECORDINGS])
def test_real_page_gives_what_is_expected(folder: str, file: str, entry: dict[str, Any], shared: Path) -> None:
    if folder in NOT_SITES:
        pytest.skip("belongs to the tests of the imports")
    scraper = registry.get(entry.get("scraper", folder))
    page = page_of(shared / "recorded" / folder / file, entry)
    parsed = scraper.parse(page)
    check(parsed, scraper)
    assert parsed.status == entry["status"], parsed.note
    assert list(parsed.gone) == entry.get("gone", [])
    actual = [row(one) for one in parsed.items]
    for number, (wanted, got) in enumerate(zip(entry["rows"], actual, strict=False)):
        assert got == wanted, f"item {number}"
    assert len(actual) == len(entry["rows"])


def _folders() -> list[str]:
    shared = shared_directory()
    return sorted(one.name for one in (shared / "recorded").iterdir() if one.is_dir()) if shared else []


@pytest.mark.parametrize("folder", [one for one in _folders() if one not in NOT_SITES])
def test_every_recorded_page_has_an_expectation(folder: str, shared: Path) -> None:
    registry.get(folder)
    here = {one.name for one in (shared / "recorded" / folder).iterdir() if one.suffix != ".md"}
    known = {file for name, file, _ in RECORDINGS if name == folder}
    assert here == known


@pytest.mark.parametrize("scraper", SCRAPERS, ids=lambda one: one.meta.name)
def test_a_recorded_wall_is_a_wall_for_every_reader(scraper: Scraper, shared: Path) -> None:
    for file in sorted((shared / "recorded" / "blocked_pages").iterdir()):
        parsed = scraper.parse(Page(file.read_bytes(), url="https://example.org/", fetched_at=NOW))
        check(parsed, scraper)
        assert parsed.status in WALLS, f"{file.name}: {parsed.status}"


def test_an_unknown_name_is_told_near_ones() -> None:
    with pytest.raises(UnknownScraper, match="app_store"):
        registry.get("apstore")


def test_names_and_aliases_do_not_collide() -> None:
    names = registry.names()
    assert len(set(names)) == len(names)
    assert not set(registry.aliases()) & set(names)
    for alias, name in registry.aliases().items():
        assert registry.get(alias) is registry.get(name)

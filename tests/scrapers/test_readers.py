# ruff: noqa: E501  (tables)
"""The small readers that all sites share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from scrapers.base import Page, Status
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, identity, json_data, numbers, rating, text, walls, xml

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def day(year: int, month: int, number: int, *clock: int) -> datetime:
    return datetime(year, month, number, *clock, tzinfo=UTC)


class TestDates:
    @pytest.mark.parametrize(
        ("raw", "languages", "at", "precision"),
        [
            ("2026-11-18T09:30:00-07:00", (), day(2026, 11, 18, 16, 30), "second"),
            ("2026-11-18T09:30Z", (), day(2026, 11, 18, 9, 30), "minute"),
            (
                "2026-11-18 09:30:15.250000+0300",
                (),
                day(2026, 11, 18, 6, 30, 15) + timedelta(milliseconds=250),
                "second",
            ),
            ("20261118T093000Z", (), day(2026, 11, 18, 9, 30), "second"),
            ("2026-11-18", (), day(2026, 11, 18), "day"),
            ("2026-11", (), day(2026, 11, 1), "month"),
            ("2026-11-18T24:00:00Z", (), day(2026, 11, 19), "second"),
            ("2020/1/10 14:33:00", (), day(2020, 1, 10, 14, 33), "second"),
            ("Wed, 18 Nov 2026 12:30:00 +0300", (), day(2026, 11, 18, 9, 30), "second"),
            ("Mon, 06 Sep 2021 00:01:00 PDT", (), day(2021, 9, 6, 7, 1), "second"),
            ("18 Nov 26 12:30 GMT", (), day(2026, 11, 18, 12, 30), "second"),
            (1763458200, (), day(2025, 11, 18, 9, 30), "second"),
            ("1763458200000", (), day(2025, 11, 18, 9, 30), "second"),
            ("15.02.2026", (), day(2026, 2, 15), "day"),
            ("15.02.26 14:05", (), day(2026, 2, 15, 14, 5), "minute"),
            ("03/04/2026", ("de",), day(2026, 4, 3), "day"),
            ("03/04/2026", ("en",), day(2026, 3, 4), "day"),
            ("03/25/2026", (), day(2026, 3, 25), "day"),
            ("сегодня в 14:05", ("ru",), day(2026, 11, 20, 14, 5), "minute"),
            ("вчера", ("ru",), day(2026, 11, 19), "day"),
            ("Опубликовано: 3 недели назад", ("ru",), day(2026, 10, 30), "relative"),
            ("2 часа назад", ("ru",), day(2026, 11, 20, 10, 30), "relative"),
            ("год назад", ("ru",), day(2025, 11, 20), "relative"),
            ("15 февраля 2026 г.", ("ru",), day(2026, 2, 15), "day"),
            ("24 декабря", ("ru",), day(2025, 12, 24), "day"),
            ("1 bulan lalu", ("id",), day(2026, 10, 20), "relative"),
            ("vor 2 Tagen", ("de",), day(2026, 11, 18), "relative"),
            ("25 de agosto de 2017", ("es",), day(2017, 8, 25), "day"),
            ("il y a 3 mois", ("fr",), day(2026, 8, 20), "relative"),
            ("2 日前", ("ja",), day(2026, 11, 18), "relative"),
            ("August 2025", ("en",), day(2025, 8, 1), "month"),
            ("Reviewed: January 5, 2024", ("en",), day(2024, 1, 5), "day"),
            ("yesterday at 5pm", ("en",), day(2026, 11, 19, 17), "minute"),
        ],
    )
    def test_whatever_a_site_writes(
        self, raw: object, languages: tuple[str, ...], at: datetime, precision: str
    ) -> None:
        found = dates.read(raw, NOW, languages=languages)
        assert (found.at, found.precision) == (at, precision)
        assert found.raw == str(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            "garbage",
            "2020-02-30",
            "32.01.2026",
            "2569-01-01",
            "1447-05-20",
            "03/04/2026",
            "99999999999999999999",
            "12",
            "0",
            None,
            True,
            [],
            "5 звёзд",
            "٢٠٢٦",
        ],
    )
    def test_no_guesses(self, raw: object) -> None:
        assert dates.read(raw, NOW).at is None

    def test_relative_words_need_an_anchor(self) -> None:
        assert dates.read("2 дня назад", None, languages=("ru",)).at is None
        assert dates.read("15 февраля 2026", None, languages=("ru",)).at == day(2026, 2, 15)

    def test_the_zone_of_the_site(self) -> None:
        assert dates.read("2026-11-18 09:30", zone="Europe/Moscow").at == day(2026, 11, 18, 6, 30)
        assert dates.read("сегодня в 14:05", NOW, languages=("ru",), zone="Europe/Moscow").at == day(
            2026, 11, 20, 11, 5
        )
        assert dates.read("2026-11-18", zone="Europe/Moscow").at == day(2026, 11, 18), "a bare date keeps its day"
        assert dates.zone_of("Mars/Olympus") is UTC

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.text(max_size=40) | st.integers() | st.floats() | st.dates().map(str) | st.datetimes().map(str))
    def test_nothing_raises(self, raw: object) -> None:
        found = dates.read(raw, NOW, languages=("ru", "en"))
        assert found.at is None or (found.at.tzinfo is UTC and found.precision)


class TestNumbers:
    @pytest.mark.parametrize(
        ("raw", "value"),
        [
            ("1,2 тыс.", 1200),
            ("10.5M", 10.5e6),
            ("1 234", 1234),
            ("1\u00a0234,5", 1234.5),
            ("1.234", 1234),
            ("1.234,5", 1234.5),
            ("1,234,567", 1234567),
            ("4,0", 4),
            ("0.125", 0.125),
            ("1.2万", 12000),
            ("٣٫٥", 3.5),
            ("-7", -7),
            ("3 млн просмотров", 3e6),
            (5, 5),
            ("12 отзывов", 12),
        ],
    )
    def test_as_people_write_them(self, raw: object, value: float) -> None:
        assert numbers.number(raw) == pytest.approx(value)

    @pytest.mark.parametrize("raw", [None, True, "", "нет", float("nan"), float("inf"), [], 10**400])
    def test_no_number(self, raw: object) -> None:
        assert numbers.number(raw) is None

    def test_counts_are_whole_and_not_negative(self) -> None:
        assert numbers.count("1.2K") == 1200
        assert numbers.count("-3") is None
        assert numbers.count(1e300) is None


class TestRating:
    @pytest.mark.parametrize(
        ("raw", "best", "worst", "value", "scale"),
        [
            ("4,0 de 5", None, None, 4.0, "1..5"),
            ("4 из 5", None, None, 4.0, "1..5"),
            ("8/10", None, None, 4.1111, "1..10"),
            ("10", None, None, 5.0, "1..10"),
            ("★★★★☆", None, None, 4.0, "1..5"),
            ("★★★", None, None, 3.0, "1..5"),
            ("80%", None, None, 4.2, "0..100"),
            ("4.5", "5", "1", 4.5, "1..5"),
            (9, 10, 0, 4.6, "0..10"),
            ("1", 1, 0, 5.0, "0..1"),
            ("0", None, None, None, "1..5"),
            ("6", "5", None, None, "1..5"),
            ("4.125", 5, None, 4.125, "1..5"),
        ],
    )
    def test_any_scale(self, raw: object, best: object, worst: object, value: float | None, scale: str) -> None:
        found = rating.read(raw, best, worst)
        assert found is not None
        assert (found.value, found.raw, found.scale) == (value, str(raw), scale)

    def test_none(self) -> None:
        assert rating.fields(None) == {"rating": None, "rating_raw": None, "rating_scale": None}
        assert rating.read("без оценки") is None
        assert rating.read({"a": 1}) is None


class TestText:
    @pytest.mark.parametrize(
        ("raw", "clean"),
        [
            ("<p>a<br>b &amp; c</p><p>d<script>x</script> e</p>", "a\nb & c\n\nd e"),
            ("one<br/><br/>two", "one\n\ntwo"),
            ("<ul><li>1<li>2</ul>", "1\n2"),
            ("a &lt;b&gt; c", "a <b> c"),
            ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
            ("<pre>a\n  b</pre>", "a\nb"),
            ("a<!-- no -->b", "ab"),
            ("x <b>y</b>z <a href=1>link</a>.", "x yz link."),
            ("<div><div>a</div><div>b</div></div>", "a\nb"),
            ('<img class="emoji" alt="😀"> hi', "😀 hi"),
            ("<svg><title>no</title></svg>yes", "yes"),
            ("unclosed <b>bold", "unclosed bold"),
            ("&nbsp;a&nbsp;&nbsp;b", "a b"),
        ],
    )
    def test_html(self, raw: str, clean: str) -> None:
        assert text.from_html(raw) == clean

    def test_dirt_goes_and_what_people_need_stays(self) -> None:
        assert text.plain("a\u202eb\u200bc\ufeffd\x00e\x07f") == "abcdef"
        assert text.plain("👩\u200d👧 می\u200cخواهم") == "👩\u200d👧 می\u200cخواهم"
        assert text.plain("a\u200d\u200d\u200d b\u200c") == "a b"
        assert text.plain("e\u0301") == "é"
        assert text.plain("a\r\n\r\n\r\n\r\nb \t c") == "a\n\nb c"
        assert text.plain("\ud83d\ude00 \ud83d") == "😀 \ufffd"
        assert text.plain(None) == ""
        assert text.line("a\nb") == "a b"
        assert text.optional("  ") is None and text.optional({"a": 1}) is None

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.text(alphabet=st.characters() | st.sampled_from("<>&;/ab \n\"'="), max_size=80))
    def test_any_text_comes_out_clean_and_stays_so(self, raw: str) -> None:
        for made in (text.plain(raw), text.from_html(raw)):
            assert text.plain(made) == made
            made.encode()

    def test_deep_nesting_is_read(self) -> None:
        assert "deep" in text.from_html("<div>" * 5000 + "deep")


class TestHtml:
    @pytest.mark.parametrize(
        ("body", "header", "expected"),
        [
            ("Привет".encode(), "text/html; charset=iso-8859-1", "Привет"),
            ("Привет".encode("cp1251"), "text/html; charset=windows-1251", "Привет"),
            (
                '<meta charset="windows-1251">Привет'.encode("cp1251"),
                "text/html",
                '<meta charset="windows-1251">Привет',
            ),
            (
                "<?xml version='1.0' encoding='koi8-r'?>Привет".encode("koi8-r"),
                "",
                "<?xml version='1.0' encoding='koi8-r'?>Привет",
            ),
            ("\ufeffПривет".encode("utf-16-le"), "", "Привет"),
            ("caf\u00e9".encode("latin-1"), "text/html; charset=iso-8859-1", "café"),
            ("“quoted”".encode("cp1252"), "text/html; charset=iso-8859-1", "“quoted”"),
            (
                "Привет, как дела? Доставка опоздала на три часа".encode("cp1251"),
                "text/html; charset=utf-8",
                "Привет, как дела? Доставка опоздала на три часа",
            ),
            ("Привет"[:6].encode()[:-1], "", "Приве\ufffd"),
            (b"a\xffb" + b"c" * 400, "text/html; charset=utf-8", "a\ufffdb" + "c" * 400),
            (b"x", "text/html; charset=no-such-thing", "x"),
        ],
    )
    def test_charsets(self, body: bytes, header: str, expected: str) -> None:
        assert html.decode(Page(body, headers={"content-type": header})) == expected

    def test_trees_soups_and_texts(self) -> None:
        page = Page(b"<html lang='pt-BR'><body><p class='a b'>x<br>y</p><p class='ab'>z</p></body></html>")
        root = html.tree(page)
        assert root is not None
        assert [html.text_of(one) for one in html.by_class(root, "a")] == ["x\ny"]
        assert html.language(root) == "pt"
        assert html.first(root, "//p/@class") == "a b"
        assert html.first(root, "//h1") is None
        assert html.text_of(html.soup(page).select_one("p.b")) == "x\ny"
        assert html.tree(b"") is None and html.tree(b"  \x00 ") is None

    def test_addresses(self) -> None:
        assert html.absolute("/a?b=1", "https://x.example/c/d") == "https://x.example/a?b=1"
        for wrong in ("javascript:alert(1)", "data:text/html,x", "", None, 5, "http://[::1", "https://x.example:port/"):
            assert html.absolute(wrong, "") is None

    def test_languages(self) -> None:
        assert [html.language_code(one) for one in ("pt-BR", "EN_us", "zho", "und", "x", None, "russian!")] == [
            "pt",
            "en",
            "zho",
            None,
            None,
            None,
            None,
        ]


class TestJson:
    def test_prefixes_depth_and_junk(self) -> None:
        assert json_data.loads(b')]}\'\n{"a": 1}') == {"a": 1}
        assert json_data.loads(b"for(;;);[1]") == [1]
        assert json_data.loads('{"a": "line\nbreak", "n": NaN}') == {"a": "line\nbreak", "n": None}
        assert json_data.loads(b"[" * 200 + b"]" * 200) is None
        assert json_data.loads(b"[" * 1_000_000) is None
        assert json_data.loads(b"{} x") is None
        assert json_data.loads(b"1" * 10_000) is None

    def test_lookups(self) -> None:
        data = {"a": [{"b": None, "c": 0}]}
        assert json_data.dig(data, "a", 0, "c") == 0
        assert json_data.dig(data, "a", 0, "b", default=7) == 7
        assert json_data.dig(data, "a", 5, "b") is None and json_data.dig(None, "a") is None
        assert json_data.dicts([1, {"x": 1}, None]) == [{"x": 1}] and json_data.items("no") == []
        assert [json_data.integer(one) for one in ("12", 3.9, True, "x", float("inf"))] == [12, 3, None, None, None]
        assert list(json_data.walk({"k": 1, "a": [{"k": 2}, {"b": {"k": 3}}]}, "k")) == [1, 2, 3]

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda one: st.lists(one) | st.dictionaries(st.text(), one),
            max_leaves=12,
        ),
        st.data(),
    )
    def test_a_document_cut_anywhere_is_salvaged_or_given_up(self, value: object, data: st.DataObject) -> None:
        whole = json.dumps({"items": [value, value]})
        json_data.salvage(whole[: data.draw(st.integers(0, len(whole)))])
        assert json_data.salvage(whole) == json.loads(whole)

    def test_what_was_whole_before_the_cut_is_kept(self) -> None:
        assert json_data.salvage('{"items": [{"a": 1}, {"a": "tw') == {"items": [{"a": 1}, {"a": "tw"}]}
        assert json_data.salvage('{"items": [{"a": 1}, {"a"') == {"items": [{"a": 1}, {}]}
        assert json_data.salvage('{"items": [1, 2') == {"items": [1, 2]}


class TestXml:
    def test_entities_are_not_followed(self) -> None:
        assert (
            xml.parse(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>') is None
        )
        assert xml.parse(b"<!DOCTYPE a [<!ENTITY a '" + b"x" * 100 + b"'>]><a/>") is None
        assert xml.parse(b"no xml") is None

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
    def test_entities_that_are_not_seen_at_once_do_not_unfold(self, encoding: str) -> None:
        tens = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
        hidden = (
            f"<?xml version='1.0' encoding='{encoding}'?><!--{'x' * 20_000}--><!DOCTYPE a [<!ENTITY a0 'ha'>{tens}]>"
        )
        root = xml.parse(f"{hidden}<a><b of='&a8;'>whole &a8;</b></a>".encode(encoding))
        assert root is not None
        assert sum(len(etree.tostring(one)) for one in root) < 1000

    def test_damage_is_read_as_far_as_it_goes(self) -> None:
        root = xml.parse(b"<a><b>1</b><b>2</b><b>3")
        assert root is not None and [one.text for one in root] == ["1", "2", "3"]


class TestIdentity:
    def test_ids_from_content_are_stable(self) -> None:
        assert identity.content_id("Shop", "Анна ", NOW, "Текст  отзыва") == identity.content_id(
            "shop", "анна", NOW.replace(hour=3), "текст отзыва"
        )
        assert identity.content_id("a", None) != identity.content_id(None, "a")
        assert identity.content_id("x").startswith("h:") and len(identity.content_id("x")) == 34

    def test_a_hash_sees_edits_and_replies_and_not_likes(self) -> None:
        base = Item(kind="review", external_id="1", text="a  b", n_likes=1)
        same = Item(kind="review", external_id="2", text="a b", n_likes=9)
        assert identity.content_hash(base) == identity.content_hash(same)
        replied = Item(kind="review", external_id="1", text="a b", reply=Reply("thanks"))
        edited = Item(kind="review", external_id="1", text="a c")
        assert len({identity.content_hash(one) for one in (base, replied, edited)}) == 3

    def test_one_address_for_a_page(self) -> None:
        assert identity.canonical_url("HTTPS://Shop.example:443/a?utm_source=x&b=1#top") == "https://shop.example/a?b=1"
        assert identity.canonical_url("http://[::1") == "http://[::1"


class TestWalls:
    @pytest.mark.parametrize(
        ("body", "code", "status"),
        [
            ("<html><head><title>Just a moment...</title></head></html>", 403, Status.CAPTCHA),
            ("<html><title>Attention Required! | Cloudflare</title>" + "x" * 20_000, 403, Status.BLOCKED),
            ("<html><title>DDoS-Guard</title>", 200, Status.BLOCKED),
            ("<html><body><form action='/errors/validateCaptcha'>", 200, Status.CAPTCHA),
            ("<html><title>Ой!</title><form action='/checkcaptcha?key=1'>Вы не робот?", 200, Status.CAPTCHA),
            ("<html><body>Our systems have detected unusual traffic from your network", 200, Status.CAPTCHA),
            ("<html><head><title>Доступ ограничен</title></head>", 200, Status.BLOCKED),
            ("<html><body><h1>Access Denied</h1>Reference #18.2f</body></html>", 200, Status.BLOCKED),
            ("<html><body>Please sign in to continue</body></html>", 200, Status.LOGIN),
            ("<html><title>404 Not Found</title>", 200, Status.NOT_FOUND),
            ("", 401, Status.LOGIN), ("{}", 403, Status.BLOCKED), ("", 404, Status.NOT_FOUND), ("", 410, Status.NOT_FOUND), ("", 429, Status.BLOCKED), ("", 451, Status.BLOCKED),
        ],
    )  # fmt: skip
    def test_walls(self, body: str, code: int, status: Status) -> None:
        found = walls.recognise(Page(body.encode(), status_code=code))
        assert found is not None and found.status is status and found.note

    def test_pages_with_words_about_captchas_are_no_walls(self) -> None:
        words = "<p>" + "We tried the new captcha and were asked to sign in to continue. " * 60 + "</p>"
        page = Page(
            f"<html><title>A story</title><script src='https://www.google.com/recaptcha/api.js'></script>{words}</html>".encode()
        )
        assert walls.recognise(page) is None
        assert walls.otherwise(page, "nothing known").status is Status.CHANGED
        assert walls.recognise(Page(b'{"error": "access denied"}')) is None, "data is for the reader to judge"

    def test_how_long_to_wait(self) -> None:
        assert walls.retry_after("120") == 120
        assert walls.retry_after("Fri, 20 Nov 2026 12:30:30 GMT", NOW) == 30
        assert walls.retry_after("Fri, 20 Nov 2026 12:00:00 GMT", NOW) == 0
        assert walls.retry_after("soon") is None and walls.retry_after(None) is None
        found = walls.recognise(Page(b"", status_code=429, headers={"retry-after": "60"}))
        assert found is not None and found.retry_after == 60


HOSTILE = {
    "open tags": "<p " * 50_000,
    "open scripts": "<script>" * 20_000,
    "open comments": "<!--" * 40_000,
    "opening marks": "<" * 200_000,
    "spaces": "a" + " " * 200_000 + "b",
    "spaces between tags": "<p>a" + " " * 100_000 + "</p>",
    "line breaks": "<br>" * 30_000 + "x",
    "ampersands": "&" * 200_000 + "<b>",
    "ld+json": "<html>schema.org" + "ld+json" * 20_000,
    "ld+json scripts": '<script type="application/ld+json">{' * 5_000,
    "itemtypes": "schema.org<div itemtype=" * 7_000,
    "quotes": '{"items": [' + '"' * 100_000,
    "brackets": '{"feed_url": "x", "items": [' + "[{" * 100 + " " * 100_000,
    "commas": "1,2." * 100_000,
    "words": "a-" * 200_000 + "@",
    "joiners": "\u200d" * 100_000 + "a",
    "entities": "&lt;" * 40_000,
    "digits": "9" * 200_000,
    "numbers": "1 of " * 40_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_length_of_hostile_text_and_not_with_its_square(name: str) -> None:
    """A fifth of a megabyte each: whatever is quadratic would not end within the patience of anybody."""
    from scrapers import duplicates, registry
    from scrapers.imports import mail

    source = HOSTILE[name]
    text.from_html(source)
    text.plain(source)
    numbers.number(source)
    rating.read(source)
    dates.read(source)
    duplicates.normalised_hash(source)
    json_data.salvage(source)
    mail.without_quotes(source)
    for one in ("schema_org", "rss", "telegram", "mastodon", "app_store"):
        for start in ("", "<html><body>", "<?xml version='1.0'?><rss><channel><item><description>"):
            registry.get(one).parse(Page((start + source).encode(), url="https://example.org/", fetched_at=NOW))

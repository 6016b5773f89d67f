"""What people read: numbers in the text equal numbers in the message, in both languages, whatever strangers wrote."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import render, sentences
from alerts.errors import BadRule
from alerts.message import (
    Attachment,
    Confounder,
    ConfounderKind,
    Driver,
    Envelope,
    Facts,
    Kind,
    Link,
    LinkKind,
    Message,
    Phrase,
    Quote,
    Scope,
    TopicCount,
    dumps,
    loads,
)
from alerts.text import clean, shorten
from alerts.words import LOCALE_DIRECTORY, Words, languages
from tests.alerts import sample_messages as samples
from tests.alerts.block_kit import validate

PACKAGE = Path(render.__file__).parent
LANGUAGES = ["en", "ru"]
NBSP = re.compile("[\u00a0\u202f]")


class Reader(HTMLParser):
    """Visible text of a mail, its tags balanced, its links and images."""

    VOID = frozenset({"meta", "img", "br", "link", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a":
            self.links.append(values.get("href") or "")
        if tag == "img":
            self.images.append(values)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(NBSP.sub(" ", " ".join(self.words)).split())


def numbers(text: str) -> list[float]:
    """Every number of a text that is not part of a date, a time or a link."""
    text = re.sub(r"https?://\S+", "", NBSP.sub("", text))
    text = re.sub(r"\d{1,2} (?:November|ноября)(?:, \d\d:\d\d)?", "", text)
    return [float(found.replace(",", ".")) for found in re.findall(r"\d+(?:[.,]\d+)?", text)]


def test_the_headline_is_one_sentence_with_the_numbers() -> None:
    assert render.headline(samples.opened("en")) == (
        "Luna Coffee · Delivery · Arbat: 18 negative mentions since 14 November, "
        "where 4.1 would be expected (usually 1 to 9): 4.4 times as many."
    )
    assert render.headline(samples.opened("ru")) == (
        "Кофейня «Луна» · Доставка · Арбат: 18 негативных упоминаний с 14 ноября, "
        "ожидалось 4,1 (обычно от 1 до 9): в 4,4 раза больше обычного."
    )
    assert render.headline(samples.resolved("en")) == (
        "Luna Coffee · Delivery · Arbat is back to normal: 31 negative mentions in 4 days, "
        "where 8.4 would be expected; the peak was 12 on 15 November."
    )
    ended = samples.resolved("en")
    thin = replace(ended, facts=replace(ended.facts, life_observed=34, life_expected=38.0))
    assert render.headline(thin) == (
        "Luna Coffee · Delivery · Arbat is back to normal; the peak was 12 on 15 November."
    )
    assert "bove expectation" in render.plain(ended)
    assert "bove expectation" not in render.plain(thin)
    assert render.headline(samples.rating("ru")) == (
        "Кофейня «Луна» · Доставка · Арбат: средняя оценка с 14 ноября — 3,1 (37 отзывов), обычно 4,4."
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    observed=st.integers(0, 5000),
    expected=st.floats(0.5, 3000),
    low=st.integers(0, 3000),
    width=st.integers(0, 500),
    language=st.sampled_from(LANGUAGES),
)
def test_numbers_in_the_headline_are_those_of_the_facts(
    observed: int, expected: float, low: int, width: int, language: str
) -> None:
    facts = Facts(n_observed=observed, n_expected=expected, low=low, high=low + width, since_at=samples.SINCE)
    message = replace(samples.opened(language), brand="Luna", scope=Scope(), facts=facts)
    told = numbers(_joined(render.headline(message), language))
    assert told[0] == observed
    assert told[1] == pytest.approx(expected, abs=0.5 if expected >= 9.95 else 0.0501)
    usual = [] if low <= observed <= low + width else [low, low + width]  # "8, usually 0 to 20" is not said
    assert told[2 : 2 + len(usual)] == usual
    times = told[2 + len(usual) :]
    if observed / expected >= 1.05:
        ratio = observed / expected
        assert times == [pytest.approx(ratio, abs=0.5 if ratio >= 9.95 else 0.0501)]
    else:
        assert times == []


def _joined(text: str, language: str) -> str:
    """Without the signs between thousands."""
    return (
        re.sub(r"(?<=\d),(?=\d{3})", "", text)
        if language == "en"
        else re.sub(r"(?<=\d)\s(?=\d{3})", "", NBSP.sub(" ", text))
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_text_and_slack_say_the_same_numbers(language: str) -> None:
    message = samples.opened(language, chart=True)
    parts = render.email(message)
    read = Reader(parts.html).text
    slack = json.dumps(render.slack(message), ensure_ascii=False)
    headline = render.headline(message)
    for shown in (read, " ".join(NBSP.sub(" ", parts.text).split()), NBSP.sub(" ", slack)):
        assert NBSP.sub(" ", headline) in shown
        for quote in message.quotes:
            assert quote.text in shown
        for driver in message.drivers:
            assert driver.name in shown
        assert "39%" in shown or "39 %" in shown or shown == NBSP.sub(" ", slack)
    words = Words(language, message.time_zone)
    for driver in message.drivers:
        counts = [words.number(driver.n_observed), words.number(driver.n_expected), words.signed(driver.n_excess)]
        assert " ".join([driver.name, *counts]) in read


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("n", range(19))
def test_every_kind_and_signal_renders_everywhere(language: str, n: int) -> None:
    message = samples.all_of(language)[n]
    parts = render.email(message)
    read = Reader(parts.html)
    assert "\n" not in parts.subject and parts.subject
    assert len(parts.html.encode()) < 100_000
    assert NBSP.sub(" ", render.headline(message)) in read.text
    assert "None" not in read.text and "%(" not in read.text and "{{" not in read.text
    assert "None" not in parts.text and "%(" not in parts.text
    assert render.plain(message) == parts.text
    for interactive in (False, True):
        validate(render.slack(message, interactive=interactive))
    assert loads(dumps(render.envelope(message))) == render.envelope(message)


def test_the_sample_has_one_of_each_kind() -> None:
    assert len(samples.all_of("en")) == 20
    assert {message.kind for message in samples.all_of("en")} == set(Kind)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_leaks_into_the_other(language: str) -> None:
    russian = re.compile("[а-яё]", re.IGNORECASE)
    for message in samples.all_of("en") if language == "en" else []:
        assert not russian.search(render.plain(message))
    for message in samples.all_of("ru") if language == "ru" else []:
        if message.kind in (Kind.OPERATOR, Kind.REPORT):
            continue  # their sentences come from outside
        labels = re.sub(
            r"https?://\S+|App Store|Google Maps|Telegram|Europe/Moscow|UTC|Luna", "", render.plain(message)
        )
        assert not re.search("[a-zA-Z]{2,}", labels), labels


HOSTILE = [
    "<script>alert(1)</script>",
    "<!channel> <@U123> <https://evil.example|click>",
    "*bold* _it_ ~no~ `code` @here",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }} {% raw %}",
    "%(place)s %s %d 100%",
    "\u202egnp.exe \x00\x07\x1b[31m",
    "\ud800 lone",
    "a" * 9000,
    "строка\r\nBcc: x@y.example\r\n\r\nтело",
    "👨‍👩‍👧‍👦" * 300,
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_strangers_words_are_only_words(text: str) -> None:
    message = replace(
        samples.opened("en"),
        brand=text[:200] or "Luna",
        scope=Scope(topic=text[:200] or None),
        quotes=(Quote(text=text, url=f"javascript:{text}", author=text, source=text, location=text),),
        drivers=(Driver("topic", text, 5, 1.0),),
        topics=(TopicCount(text, 3),),
        phrases=(Phrase(text, 2),),
        confounders=(Confounder(ConfounderKind.HOLIDAY, name=text),),
        links=(
            Link(LinkKind.DASHBOARD, "javascript:alert(1)"),
            Link(LinkKind.ACKNOWLEDGE, "https://m.example/" + "x" * 4000),
        ),
    )
    parts = render.email(message)
    read = Reader(parts.html)
    assert "script" not in read.open and not any(link.startswith("javascript") for link in read.links)
    assert [image for image in read.images if image.get("src") != "cid:chart"] == []
    assert "<script" not in parts.html and "onerror=alert" not in re.sub(
        "&[a-z0-9#]+;", "", read.text.replace(text, "")
    )
    assert not re.search("[\x00\x07\x1b\u202e]", parts.html + parts.text + parts.subject)
    assert "\n" not in parts.subject and "\r" not in parts.subject
    parts.html.encode()
    payload = render.slack(message)
    json.dumps(payload).encode()
    validate(payload)
    assert_no_markup(payload)


def assert_no_markup(payload: dict[str, Any]) -> None:
    """Strangers' words are never where Slack parses them: no mrkdwn at all, and the fallback text is escaped."""

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            assert value.get("type") != "mrkdwn"
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(payload["blocks"])
    assert "<" not in payload["text"] and ">" not in payload["text"]


def test_the_chart_has_words_for_those_who_do_not_see_it() -> None:
    message = samples.opened("ru", chart=True)
    (image,) = Reader(render.email(message).html).images
    assert image["src"] == "cid:chart"
    assert (
        image["alt"]
        == "График с 26 октября по 15 ноября: наибольшее число — 10 (15 ноября), последнее — 10 (обычно от 0 до 5)."
    )


def test_dark_mode_survives_inlining() -> None:
    html = render.email(samples.opened()).html
    assert 'name="color-scheme" content="light dark"' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert html.count("style=") > 50


@pytest.mark.parametrize(("language", "told"), [("en", "anna is on it."), ("ru", "В работе у: anna.")])
def test_somebody_is_on_it(language: str, told: str) -> None:
    worse = replace(samples.opened(language), kind=Kind.ESCALATED, acknowledged_by="anna")
    asks = sentences.next_steps(samples.opened(language), Words(language))[-2]
    text = render.plain(worse)
    assert told in text and asks not in text and asks in render.plain(samples.opened(language))


def test_places_that_are_hit_alike_are_no_place_to_begin_with() -> None:
    alike = replace(samples.opened("en"), drivers=(
        Driver("location", "Arbat", 6, 1.0), Driver("location", "Pushkin", 6, 1.6), Driver("source", "2GIS", 4, 1.0),
    ))  # fmt: skip
    assert "Look for what they have in common: “Arbat” and “Pushkin” are hit alike." in render.plain(alike)
    uneven = replace(alike, drivers=(Driver("location", "Arbat", 6, 1.0), Driver("location", "Pushkin", 3, 1.0)))
    assert "Begin with “Arbat”: 5 of" in render.plain(uneven)


def test_times_are_those_of_the_reader() -> None:
    message = samples.opened("en")  # its window begins at midnight in Moscow
    assert "since 14 November," in render.headline(message)
    assert "since 13 November, 21:00" in render.headline(replace(message, time_zone="UTC"))
    assert "since 13 November, 16:00" in render.email(message, time_zone="America/New_York").text
    with pytest.raises(BadRule, match="Europe/Moscow"):
        render.plain(message, time_zone="Mars/Olympus")


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(BadRule, match="'de'; allowed is en, ru"):
        Words("de")


@pytest.mark.parametrize(
    ("n", "text"),
    [(1, "1 негативное упоминание"), (2, "2 негативных упоминания"), (5, "5 негативных упоминаний"),
     (11, "11 негативных упоминаний"), (21, "21 негативное упоминание"), (1.5, "1,5 негативных упоминания")],
)  # fmt: skip
def test_russian_counts(n: float, text: str) -> None:
    words = Words("ru")
    assert sentences.counted(n, sentences.Signal.NEGATIVE, words) == text
    assert text.endswith(" " + sentences.noun_of(n, sentences.Signal.NEGATIVE, words)), "below the large number"


def test_spans_and_numbers() -> None:
    english, russian = Words("en"), Words("ru")
    assert english.span(dt.timedelta(days=3)) == "3 days"
    assert english.span(dt.timedelta(days=1)) == "1 day"
    assert english.span(dt.timedelta(hours=30)) == "30 hours"
    assert russian.span(dt.timedelta(minutes=21)) == "21 минуту"
    assert [english.number(value) for value in (18, 4.1, 9.94, 9.96, 0.04, 1234.5, 0)] == [
        "18",
        "4.1",
        "9.9",
        "10",
        "0.04",
        "1,234",
        "0",
    ]
    assert english.percent(0.391) == "39%" and english.percent(0.004) == "0.4%"
    assert russian.signed(-2.5) == "−2,5"


def _messages() -> set[Any]:
    found: set[Any] = set()
    for path in PACKAGE.glob("*.py"):
        found |= {
            message for _, message, _, _ in extract_from_file("python", path, keywords={"say": None, "many": (1, 2)})
        }
    options = {"trim_blocks": "true", "lstrip_blocks": "true"}
    for path in (PACKAGE / "templates").glob("*.jinja"):
        rows = extract_from_file("jinja2.ext:babel_extract", path, keywords={"_": None}, options=options)
        found |= {message for _, message, _, _ in rows}
    return found


@pytest.mark.parametrize("language", languages())
def test_every_sentence_is_in_every_catalogue_and_none_is_left_over(language: str) -> None:
    with (LOCALE_DIRECTORY / language / "LC_MESSAGES" / "alerts.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    entries = {message.id: message for message in catalogue if message.id}
    assert set(entries) == _messages()
    for key, message in entries.items():
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        if language == "en":
            assert not any(texts)  # English is what the code says
            continue
        assert all(texts), key
        if not isinstance(key, tuple):
            wanted = set(re.findall(r"%\((\w+)\)s", key))
            assert set(re.findall(r"%\((\w+)\)s", texts[0])) == wanted, key


def test_an_envelope_survives_the_outbox() -> None:
    full = replace(
        render.envelope(samples.opened("ru", chart=True)),
        attachments=(Attachment("report.pdf", "application/pdf", bytes(range(256))),),
        reply_to="C1:1.2",
    )
    assert loads(dumps(full)) == full
    assert loads(dumps(render.envelope(samples.digest("ru")))).message == samples.digest("ru")
    with pytest.raises(ValueError, match="unknown_key"):
        loads(dumps(full).replace('"subject"', '"unknown_key":1,"subject"', 1))
    with pytest.raises(ValueError, match="JSON"):
        loads("{")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.text(), limit=st.integers(0, 60))
def test_texts_are_cut_within_their_limit(text: str, limit: int) -> None:
    cut = shorten(text, limit)
    assert len(cut) <= limit or cut == text
    assert cut == text or cut.endswith("…") or limit == 0
    once = clean(text)
    assert clean(once) == once
    once.encode()


def test_texts_are_cut_at_a_word() -> None:
    assert shorten("The courier never came to us", 20) == "The courier never…"
    family = "ok 👨‍👩‍👧"
    assert shorten(family + " and more", 7) in ("ok 👨…", "ok…", "ok 👨‍👩…")


def test_an_empty_envelope_is_an_envelope() -> None:
    bare = Envelope(dedup_key="k", subject="s", text="t")
    assert loads(dumps(bare)) == bare


def test_the_longest_mail_there_can_be_is_not_clipped() -> None:
    long = "Доставка опоздала и никто не извинился. " * 100
    item = replace(samples.opened("ru"), headline=long)
    full = replace(
        samples.opened("ru"),
        brand=long,
        headline=long,
        note=long,
        scope=Scope(topic=long, location=long),
        quotes=tuple(
            Quote(text=long, url="https://r.example/" + "x" * 300, author=long, source=long) for _ in range(9)
        ),
        drivers=tuple(Driver("topic", long, 9, 1) for _ in range(30)),
        topics=tuple(TopicCount(long, 3) for _ in range(30)),
        phrases=tuple(Phrase(long, 3) for _ in range(30)),
    )
    for message in (full, replace(samples.digest("ru"), items=(item,) * 100)):
        assert len(render.email(message).html.encode()) < 100_000
        validate(render.slack(message))


@pytest.mark.parametrize("kind", list(ConfounderKind))
@pytest.mark.parametrize("language", LANGUAGES)
def test_confounders_speak_with_and_without_their_number(kind: ConfounderKind, language: str) -> None:
    words = Words(language)
    message = replace(samples.opened(language), confounders=(Confounder(kind), Confounder(kind, 12, "Easter")))
    bare, full = sentences.cautions(message, words)
    assert numbers(bare) == [] and "None" not in bare + full
    assert "Easter" in full or numbers(full)


def test_a_message_without_numbers_still_says_who_and_what() -> None:
    message = Message(
        kind=Kind.OPENED,
        dedup_key="x",
        brand="Luna",
        at=samples.NOW,
        signal="rule",
        note="More than 5 one-star reviews today",
    )
    assert render.headline(message) == "Luna: More than 5 one-star reviews today"

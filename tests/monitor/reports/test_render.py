"""The report in all its forms: whole, safe, small enough, readable without pictures."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from monitor.i18n import translator
from monitor.metrics.metric import Interval
from monitor.metrics.sentiment import Tally
from monitor.metrics.survey import nps
from monitor.reports.charts import charts
from monitor.reports.quotes import Candidate, pick, shorten
from monitor.reports.render import (
    MAIL_LIMIT,
    PdfMissing,
    chat_envelope,
    mail_envelope,
    to_chat,
    to_html,
    to_mail,
    to_markdown,
    to_pdf,
    to_text,
)
from monitor.reports.view import heat_colour, view
from monitor.reports.weekly import ExperienceLine, Line, PlaceLine, Quote, WeeklyData
from tests.monitor.reports.sample_week import a_quiet_week, a_week, an_empty_week

VOID = {"meta", "img", "br", "link", "hr", "input"}
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{7*7}} javascript:alert(3)'


class Page(HTMLParser):
    """Collects what matters and checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.unbalanced.append(tag)


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.unbalanced == []
    assert page.stack == []
    return page


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("week", [a_week, a_quiet_week, an_empty_week])
def test_every_form_of_every_week(week: object, language: str) -> None:
    data: WeeklyData = week()  # type: ignore[operator]
    page = parsed(to_html(data, language, link="https://monitor.example/r"))
    for tag, attributes in page.tags:
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/png;base64,")
            assert len(attributes["alt"] or "") > 20
        assert tag != "script"
    mail = to_mail(data, language, link="https://monitor.example/r")
    cids = {attributes["src"] for tag, attributes in parsed(mail.html).tags if tag == "img"}
    assert cids == {f"cid:{name}" for name in mail.inline}
    assert len(mail.html.encode()) < MAIL_LIMIT
    for form in (mail.text, to_markdown(data, language), to_chat(data, language)):
        assert "{" not in form
        assert "None" not in form
        assert mail.subject in form or data.brand in form


def test_what_changed_for_customers_stands_in_every_form_and_nothing_where_nothing_did() -> None:
    lines = (
        ExperienceLine("metric", "nps", {}, now=nps([10] * 30 + [3] * 10), change=32.0, interval=Interval(9.0, 51.0)),
        ExperienceLine("effect", "Training", {}, change=-0.2, interval=Interval(-0.3, -0.1), rising_is_good=False,
                       verdict="fell", verdict_before="cannot_tell", words={"en": "It fell.", "ru": "Стало меньше."}),
    )  # fmt: skip
    data = replace(a_week(), experience=lines)
    for language, said in (("en", "Training. It fell."), ("ru", "Training. Стало меньше.")):
        for form in (to_html(data, language), to_mail(data, language).html, to_mail(data, language).text,
                     to_markdown(data, language)):  # fmt: skip
            assert said in " ".join(form.split()) and "+32" in form
    assert "It fell" not in to_html(a_week(), "en")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = to_html(a_week(), "en")
    assert re.findall(r"(?:src|href)=\"(?!data:|https://example\.org)[^\"]*\"", html) == []
    assert "@import" not in html
    assert "url(" not in html


def test_the_mail_is_styled_inline_and_keeps_its_dark_side() -> None:
    html = to_mail(a_week(), "ru").html
    assert 'style="' in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme" content="light dark"' in html
    assert "<style>body" not in html


def test_strangers_texts_stay_texts() -> None:
    quote = Quote(EVIL, "negative", EVIL, a_week().built_at, EVIL, "javascript:alert(1)", 1.0, (EVIL,))
    place = PlaceLine(Line(EVIL, {"en": EVIL}, Tally(10, 10, 10), Tally(10, 10, 10)))
    data = replace(a_week(), brand=EVIL, worst=(quote,), places=(place, *a_week().places))
    for html in (to_html(data, "en"), to_mail(data, "en").html):
        page = parsed(html)
        assert not any(tag == "script" for tag, _ in page.tags)
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert not any("javascript:" in (attributes.get("href") or "") for _, attributes in page.tags)
        assert "49" not in re.findall(r"alert\(2\)&gt; (\S+)", html)
    assert "\\<script\\>" in to_markdown(data, "en")


def test_markdown_tables_hold_together() -> None:
    place = PlaceLine(Line("a|b", {"en": "a|b\nc"}, Tally(10, 10, 10), Tally(10, 10, 10)))
    text = to_markdown(replace(a_week(), places=(place, *a_week().places)), "en")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert any("a\\|b c" in row for row in rows)
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(blocks) >= 5
    for block in blocks:
        widths = {len(re.sub(r"\\\|", "", line).split("|")) for line in block.splitlines()}
        assert len(widths) == 1


def test_a_crowded_mail_is_shortened_below_the_limit() -> None:
    long = Quote("слово " * 3000, "negative", "источник " * 40, a_week().built_at)
    places = tuple(
        PlaceLine(Line(f"{i}", {"en": f"Очень длинное название места {i} " * 12}, Tally(10, 10, 10), Tally(9, 9, 9)))
        for i in range(120)
    )
    mail = to_mail(replace(a_week(), worst=(long,) * 3, best=(long,) * 3, places=places), "ru")
    assert len(mail.html.encode()) < MAIL_LIMIT
    parsed(mail.html)


def test_charts_are_pictures_with_words() -> None:
    drawn = charts(a_week(), translator("ru"))
    assert [chart.name for chart in drawn] == ["topics", "days", "trend", "places", "sources", "voice"]
    for chart in drawn:
        assert chart.png.startswith(b"\x89PNG")
        assert len(chart.png) < 120_000
    alt = drawn[0].alt
    assert "Ожидание 31 (было 12)" in alt
    assert charts(an_empty_week(), translator("en")) == []


def test_a_name_in_a_script_without_font_does_not_break_a_chart() -> None:
    place = PlaceLine(Line("x", {"en": "北京市朝阳区 🍜 ጤና"}, Tally(10, 10, 10), Tally(9, 9, 9)))
    drawn = charts(replace(a_week(), places=(place, *a_week().places)), translator("en"))
    assert "北京市朝阳区" in next(chart.alt for chart in drawn if chart.name == "places")


def test_envelopes_for_mail_and_chat() -> None:
    mail = mail_envelope(view(a_week(), "ru"), dedup_key="report:cafe:2026-W46")
    assert mail.subject == "Кофе у дома, 9–15 ноября 2026: 287 упоминаний, негатив 32\u00a0%"
    assert set(mail.inline) == {"topics", "days"}
    assert mail.language == "ru"
    chat = chat_envelope(view(a_week(), "en"), dedup_key="report:cafe:2026-W46", link="https://monitor.example/r")
    assert chat.text.splitlines()[0] == chat.subject
    assert chat.text.endswith("Full report: https://monitor.example/r")
    assert len(chat.text) < 3000
    assert not chat.html


def test_plain_text_has_aligned_tables() -> None:
    text = to_text(a_week(), "en")
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("Topic ") and "Mentions" in line)
    assert len({line.rstrip()[-2:] for line in lines[head : head + 3]}) >= 1
    assert lines[head].index("Mentions") + len("Mentions") == lines[head + 1].index("38") + 2


def test_the_sample_says_that_it_is_one() -> None:
    data = replace(a_week(), written_sample=True)
    for form in (
        to_html(data, "en"),
        to_mail(data, "en").html,
        to_text(data, "en"),
        to_markdown(data, "en"),
        to_chat(data, "en"),
    ):
        assert "written and arranged" in form


def test_a_week_that_is_not_over_says_so() -> None:
    data = replace(a_week(), until=a_week().incidents[0].opened_at)
    assert (
        "The week is not over: both weeks are counted up to the same moment (Thursday, 12 November, 12:30)."
        in view(data, "en", with_images=False).notice
    )


@pytest.mark.parametrize("language", ["en", "ru"])
def test_nothing_of_the_pdf_lies_beyond_the_edge_of_its_pages(language: str) -> None:
    """A table that scrolls on a screen is cut on paper: the newest week of the journey was."""
    weasyprint = pytest.importorskip("weasyprint", reason="needs the extra pdf", exc_type=ImportError)
    document = weasyprint.HTML(string=to_html(a_week(), language)).render()
    beyond = [
        box.text
        for shown in document.pages
        for box in shown._page_box.descendants()
        if getattr(box, "text", "") and box.position_x + box.width > shown.width
    ]
    assert beyond == []


def test_pdf_without_its_library_says_what_to_install() -> None:
    if importlib.util.find_spec("weasyprint") is not None:
        assert to_pdf(a_week(), "ru").startswith(b"%PDF-")
    else:
        with pytest.raises(PdfMissing, match=r"feedback-monitor\[pdf\]"):
            to_pdf(a_week(), "ru")


def test_heat_colours_keep_contrast_aa() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for net in range(-100, 101, 5):
        light, dark = sorted((luminance(colour) for colour in heat_colour(net)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_quotes_are_representative_and_different() -> None:
    waiting = [f"Очередь на кассе, ждали {n} минут, работает одна касса" for n in (20, 30, 40, 50)]
    candidates = [Candidate(i, text, 0.9) for i, text in enumerate(waiting)]
    candidates += [
        Candidate(9, "ужас!!", 0.99),
        Candidate(10, "Кофе холодный, а баристе всё равно, вернусь не скоро", 0.9),
    ]
    candidates += [Candidate(11, "слово " * 400, 0.9)]
    chosen = pick(candidates, 3)
    assert chosen[0].id in {0, 1, 2, 3}
    assert sum(1 for candidate in chosen if candidate.id < 4) == 1
    assert 10 in {candidate.id for candidate in chosen}
    assert pick(list(reversed(candidates)), 3) == chosen
    assert pick([], 3) == []
    assert pick([Candidate(1, "!!! ... ???", 0.5)], 1) != []


def test_quotes_are_cut_at_a_sentence_or_a_word() -> None:
    assert shorten("Раз. Два.") == "Раз. Два."
    cut = shorten("Первое предложение достаточно длинное. " * 20, 100)
    assert cut.endswith(". …")
    assert len(cut) <= 102
    assert shorten("слово " * 100, 50).endswith("слово…")
    assert len(shorten("а" * 500, 50)) == 50

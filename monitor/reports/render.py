"""A report in each of its forms: page, mail, plain text, Markdown, PDF, chat summary."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from markupsafe import Markup

from alerts.message import Envelope
from monitor.errors import MonitorError
from monitor.i18n import translator
from monitor.reports.charts import Chart
from monitor.reports.view import Table, View, view
from monitor.reports.weekly import WeeklyData

MAIL_LIMIT = 100_000  # bytes of HTML; Gmail clips at 102 kB
MAIL_ROWS = 8
MAIL_IMAGES = ("topics", "days")
HIDDEN_WHEN_NARROW = {
    "topics": (3, 6, 7),
    "day": (2, 6),
    "places": (3, 6, 7),
    "brands": (4, 5, 7),
    "surveys": (2,),
    "experience": (4,),
}  # columns from 1
CHAT_SENTENCES = 6


class PdfMissing(MonitorError):
    """PDF was asked for and its library or what it stands on is not installed."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail: subject, plain text, HTML with `cid:` images, and these images by content id."""

    subject: str
    text: str
    html: str
    inline: dict[str, bytes]


def to_html(data: WeeklyData, language: str, *, link: str | None = None) -> str:
    """The whole report as one self-contained page: styles and images inside, no script."""
    return page(view(data, language), link=link)


def page(shown: View, *, link: str | None = None) -> str:
    """The page of a view; images become `data:` addresses."""
    return _render("weekly.html.j2", shown, link=link, source=_data_address, css=_file("weekly.css"))


def to_mail(data: WeeklyData, language: str, *, link: str | None = None) -> Mail:
    """The report as a mail, styles inlined, under 100 kB of HTML; `link` leads to the full page.

    Should long names and quotes exceed the limit, tables and quotes are shortened until it fits.
    """
    return mail(view(data, language), link=link)


def mail(shown: View, *, link: str | None = None) -> Mail:
    """The mail of a view, which must have its images."""
    for rows, quotes in ((MAIL_ROWS, 3), (MAIL_ROWS, 2), (5, 1), (3, 0)):
        html = _mail_html(shown, link=link, rows=rows, quotes=quotes)
        if len(html.encode()) < MAIL_LIMIT:
            break
    inline = {chart.name: chart.png for chart in shown.images if chart.name in MAIL_IMAGES}
    return Mail(shown.subject, text(shown, link=link), html, inline)


def subject(data: WeeklyData, language: str) -> str:
    """The subject line: brand, week, mentions, negative share."""
    return view(data, language, with_images=False).subject


def to_text(data: WeeklyData, language: str, *, link: str | None = None) -> str:
    """Plain text: what a mail client without HTML shows, and screen readers like best."""
    return text(view(data, language, with_images=False), link=link)


def text(shown: View, *, link: str | None = None) -> str:
    """The plain text of a view."""
    rendered = _render("weekly.txt.j2", shown, link=link, aligned=_aligned)
    return re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"


def to_markdown(data: WeeklyData, language: str, *, link: str | None = None) -> str:
    """Markdown with pipe tables, without images."""
    return markdown(view(data, language, with_images=False), link=link)


def markdown(shown: View, *, link: str | None = None) -> str:
    """The Markdown of a view."""
    rendered = _render("weekly.md.j2", shown, link=link, md=_escape_markdown)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", rendered, flags=re.MULTILINE)).strip() + "\n"


def to_pdf(data: WeeklyData, language: str, *, link: str | None = None) -> bytes:
    """PDF through WeasyPrint. Raises PdfMissing with what to install. Nothing is fetched from anywhere."""
    return pdf(view(data, language), link=link)


def pdf(shown: View, *, link: str | None = None) -> bytes:
    """The PDF of a view; see `to_pdf`."""
    try:
        import weasyprint
        import weasyprint.urls
    except (ImportError, OSError) as problem:  # OSError: the wheel is there, Pango is not
        raise PdfMissing(
            f"PDF needs WeasyPrint and Pango ({problem}); install them with `pip install 'feedback-monitor[pdf]'` and "
            "your system's package of Pango (Debian: libpango-1.0-0 libpangoft2-1.0-0), or use --format html"
        ) from problem

    fetcher = weasyprint.urls.URLFetcher(allowed_protocols={"data"})
    document = weasyprint.HTML(string=page(shown, link=link), url_fetcher=fetcher)
    written: bytes = document.write_pdf()
    return written


def to_chat(data: WeeklyData, language: str, *, link: str | None = None) -> str:
    """The summary for Slack, Telegram and the like: plain lines, the most important sentences, a link."""
    return chat(view(data, language, with_images=False), link=link)


def chat(shown: View, *, link: str | None = None) -> str:
    """The summary of a view."""
    marks = {"worse": "▲", "better": "▼", "neutral": "•", "warning": "!"}
    lines = [shown.subject]
    if shown.notice:
        lines.append(shown.notice)
    lines += [f"{marks[sentence.tone]} {sentence.text}" for sentence in shown.sentences[:CHAT_SENTENCES]]
    if link:
        lines.append(f"{shown.lead_to}: {link}")
    return "\n".join(lines)


def mail_envelope(shown: View, *, dedup_key: str, link: str | None = None) -> Envelope:
    """The report for a channel that carries HTML; the view must have its images."""
    made = mail(shown, link=link)
    return Envelope(
        dedup_key=dedup_key,
        subject=made.subject,
        text=made.text,
        html=made.html,
        language=_envelope_language(shown.language),
        inline=made.inline,
    )


def chat_envelope(shown: View, *, dedup_key: str, link: str | None = None) -> Envelope:
    """The report for a channel that carries a short text."""
    return Envelope(
        dedup_key=dedup_key, subject=shown.subject, text=chat(shown, link=link),
        language=_envelope_language(shown.language),
    )  # fmt: skip


def _envelope_language(language: str) -> Any:
    return language if language in {"ru", "en"} else "en"


def _mail_html(shown: View, *, link: str | None, rows: int, quotes: int) -> str:
    import css_inline

    rendered = _render(
        "weekly_mail.html.j2",
        shown,
        link=link,
        images=[chart for chart in shown.images if chart.name in MAIL_IMAGES],
        topics=_shortened(shown.table("topics") or shown.table("day"), rows),
        places=_shortened(shown.table("places"), rows),
        brands=_shortened(shown.table("brands"), rows),
        surveys=_shortened(shown.table("surveys"), rows),
        experience=_shortened(shown.table("experience"), rows),
        worst=shown.worst[:quotes],
        best=shown.best[: max(0, quotes - 1)],
        css=_file("weekly_mail.css"),
        dark_css=_file("weekly_mail_dark.css"),
        narrow=HIDDEN_WHEN_NARROW,
    )
    inliner = css_inline.CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)
    return re.sub(r">\s*\n\s*<", ">\n<", inliner.inline(rendered))


def _shortened(table: Table | None, rows: int) -> Table | None:
    if table is None or len(table.rows) <= rows:
        return table
    return Table(table.key, table.title, table.columns, table.rows[:rows], table.note)


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("monitor.reports"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(name: str, shown: View, **values: Any) -> str:
    """A template with the view and the words of its language; `gettext` by bare name, so that messages are found."""
    t = translator(shown.language)
    rendered: str = _environment().get_template(name).render(v=shown, gettext=t.gettext, pgettext=t.pgettext, **values)
    return rendered


@cache
def _file(name: str) -> Markup:
    """A style sheet of ours, unescaped."""
    from pathlib import Path

    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _data_address(chart: Chart) -> str:
    return "data:image/png;base64," + base64.b64encode(chart.png).decode("ascii")


def _aligned(table: Table) -> str:
    """A table in columns of plain text."""
    rows = [table.columns, *(tuple(cell.text for cell in row) for row in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]

    def line(row: tuple[str, ...]) -> str:
        first, *numbers = row
        return "  ".join(
            [first.ljust(widths[0]), *(n.rjust(width) for n, width in zip(numbers, widths[1:], strict=True))]
        ).rstrip()

    return "\n".join(line(row) for row in rows)


def _escape_markdown(text: str) -> str:
    """Text of strangers inside Markdown: nothing in it becomes a link, an image, HTML or a table bar."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", flat)

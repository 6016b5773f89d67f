"""The charts of a report as PNG images, each with a text that says what it shows.

Drawn with matplotlib's Agg canvas, without pyplot and without global state. Colours carry over to greyscale and to the
common kinds of colour blindness; the background is white in light and dark mail clients alike.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from monitor.i18n import Translator
from monitor.metrics.metric import Interval
from monitor.metrics.proportion import wilson
from monitor.metrics.voice import share_of_voice
from monitor.reports.facts import change_of_complaints
from monitor.reports.weekly import Line, WeeklyData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEGATIVE = "#D1495B"
NEUTRAL = "#C3C9D4"
POSITIVE = "#2A9D8F"
INK = "#1D2433"
MUTED = "#667085"
RULE = "#E4E7EC"
BEFORE = "#98A2B3"
ACCENT = "#3538CD"

WIDTH = 6.4  # inches; 640 CSS pixels at 100 per inch, drawn at twice that
DPI = 200
MAX_ROWS = 12
_FONTS = ("Inter", "Noto Sans", "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei")
_lock = threading.Lock()  # matplotlib's text layout is not safe in threads


@dataclass(frozen=True, slots=True)
class Chart:
    """An image, its alternative text, and its width in CSS pixels."""

    name: str
    png: bytes
    alt: str
    title: str
    width: int = 640


def charts(data: WeeklyData, t: Translator) -> list[Chart]:
    """All charts that the data are enough for, in the order of the page."""
    drawn = [
        topic_chart(data, t),
        day_chart(data, t),
        trend_chart(data, t),
        share_chart(
            "places", t.gettext("Negative share by place"), [place.line for place in data.places], t, total=data.total
        ),
        share_chart("sources", t.gettext("Negative share by source"), data.sources, t, total=data.total),
        voice_chart(data, t),
    ]
    return [chart for chart in drawn if chart is not None]


def topic_chart(data: WeeklyData, t: Translator) -> Chart | None:
    """Complaints by topic: this week as bars, the week before as ticks, clear changes in words."""
    rows = [topic.line for topic in data.topics if topic.line.now.n_negative or topic.line.before.n_negative]
    rows = sorted(rows, key=lambda line: (-line.now.n_negative, -line.before.n_negative, line.key))[:MAX_ROWS]
    if not rows:
        return None
    title = t.gettext("Complaints by topic")
    with _drawing():
        figure, axes = _figure(0.9 + 0.34 * len(rows))
        positions = range(len(rows))
        axes.barh(positions, [line.now.n_negative for line in rows], height=0.58, color=NEGATIVE, zorder=2)
        for position, line in zip(positions, rows, strict=True):
            axes.plot(
                [line.before.n_negative] * 2, [position - 0.42, position + 0.42], color=INK, linewidth=2, zorder=3
            )
            change = change_of_complaints(line, data)
            difference = line.now.n_negative - line.before.n_negative
            clear = change is not None and change.clear
            axes.annotate(
                f"{t.number(line.now.n_negative)}  ({t.signed(difference)})" if data.total.before.n else
                t.number(line.now.n_negative),
                (max(line.now.n_negative, line.before.n_negative), position),
                xytext=(7, 0), textcoords="offset points", va="center", fontsize=9,
                color=INK if clear else MUTED, fontweight="bold" if clear else "normal",
            )  # fmt: skip
        _rows(axes, [_short(line.name(t.language)) for line in rows])
        longest = max(max(line.now.n_negative, line.before.n_negative) for line in rows)
        axes.set_xlim(0, longest * 1.18 + 0.5)
        legend = [(NEGATIVE, "bar", t.gettext("this week"))]
        if data.total.before.n:
            legend.append((INK, "tick", t.gettext("week before")))
        _legend(axes, legend)
        png = _png(figure)
    said = "; ".join(
        t.gettext(
            "{name} {now} (before {before})",
            name=line.name(t.language), now=t.number(line.now.n_negative), before=t.number(line.before.n_negative),
        )
        for line in rows
    )  # fmt: skip
    return Chart("topics", png, f"{title}: {said}.", title)


def day_chart(data: WeeklyData, t: Translator) -> Chart | None:
    """Mentions per day by sentiment; hatched where hours were not collected, marked where an incident began."""
    days = data.days
    if not days or not any(day.tally.n for day in days):
        return None
    title = t.gettext("Mentions per day")
    with _drawing():
        figure, axes = _figure(2.5)
        positions = list(range(len(days)))
        bottom = [0] * len(days)
        for colour, values in (
            (NEGATIVE, [day.tally.n_negative for day in days]),
            (NEUTRAL, [day.tally.n_neutral for day in days]),
            (POSITIVE, [day.tally.n_positive for day in days]),
        ):
            axes.bar(positions, values, bottom=bottom, width=0.72, color=colour, zorder=2)
            bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        top = max(bottom) or 1
        for position, day in zip(positions, days, strict=True):
            if day.coverage is not None and day.coverage < 0.9:
                axes.bar(
                    position,
                    top * 1.12,
                    width=1.0,
                    facecolor="none",
                    edgecolor=BEFORE,
                    hatch="////",
                    linewidth=0,
                    zorder=1,
                )
        began = {incident.since_at.astimezone(data.zone).date() for incident in data.incidents}
        for position, day in zip(positions, days, strict=True):
            if day.day in began:
                axes.annotate(
                    "▼", (position, bottom[position]), xytext=(0, 3), textcoords="offset points", ha="center",
                    fontsize=9, color=ACCENT,
                )  # fmt: skip
        axes.set_xticks(positions, [f"{t.weekday(day.day)}\n{day.day.day}" for day in days])
        axes.set_ylim(0, top * 1.18)
        axes.set_xlim(-0.7, len(days) - 0.3)
        if len(days) > 7:
            axes.axvline(len(days) - 7.5, color=BEFORE, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
        _plain(axes, grid="y")
        legend = [
            (NEGATIVE, "bar", t.gettext("negative")),
            (NEUTRAL, "bar", t.gettext("neutral")),
            (POSITIVE, "bar", t.gettext("positive")),
        ]
        if any(day.day in began for day in days):
            legend.append((ACCENT, "mark", t.gettext("incident begins")))
        if any(day.coverage is not None and day.coverage < 0.9 for day in days):
            legend.append((BEFORE, "hatch", t.gettext("not fully collected")))
        _legend(axes, legend)
        png = _png(figure)
    said = "; ".join(
        t.gettext(
            "{day}: {n}, negative {negative}",
            day=t.day(day.day, "d MMM"),
            n=t.number(day.tally.n),
            negative=t.number(day.tally.n_negative),
        )
        for day in days[-7:]
    )
    return Chart("days", png, f"{title}: {said}.", title)


def trend_chart(data: WeeklyData, t: Translator) -> Chart | None:
    """Negative share of the last weeks with its interval, over the volume."""
    points = [point for point in data.weeks if point.tally.n]
    if len(points) < 3:
        return None
    title = t.gettext("Negative share, last weeks")
    shares = [point.tally.negative_share or 0.0 for point in points]
    intervals = [wilson(point.tally.n_negative, point.tally.n) for point in points]
    with _drawing():
        figure, axes = _figure(2.3)
        positions = [(point.week.monday - points[0].week.monday).days / 7 for point in points]
        volume = axes.twinx()
        volume.bar(positions, [point.tally.n for point in points], width=0.7, color="#EEF0F4", zorder=0)
        volume.set_ylim(0, max(point.tally.n for point in points) * 2.6)
        volume.axis("off")
        axes.set_zorder(volume.get_zorder() + 1)
        axes.patch.set_visible(False)
        low, high = [i.low * 100 for i in intervals], [i.high * 100 for i in intervals]
        axes.fill_between(positions, low, high, color=NEGATIVE, alpha=0.16, linewidth=0, zorder=2)
        axes.plot(positions, [s * 100 for s in shares], color=NEGATIVE, linewidth=2, marker="o", markersize=4, zorder=3)
        axes.plot(positions[-1:], [shares[-1] * 100], color=NEGATIVE, marker="o", markersize=8, zorder=4)
        axes.annotate(
            t.percent(shares[-1]), (positions[-1], shares[-1] * 100), xytext=(0, 9), textcoords="offset points",
            ha="center", fontsize=10, fontweight="bold", color=INK,
        )  # fmt: skip
        step = max(1, len(points) // 7)
        shown = list(range(len(points) - 1, -1, -step))
        axes.set_xticks([positions[i] for i in shown], [t.day(points[i].week.monday, "d MMM") for i in shown])
        axes.set_ylim(0, min(100.0, max(high) * 1.15 + 3))
        axes.yaxis.set_major_formatter(lambda value, _position: t.percent(value / 100))
        _plain(axes, grid="y")
        _legend(
            axes,
            [(NEGATIVE, "line", t.gettext("negative share and interval")), ("#D9DDE5", "bar", t.gettext("mentions"))],
        )
        png = _png(figure)
    said = t.gettext(
        "from {first} in the week of {day} to {last} (interval {low} to {high})",
        first=t.percent(shares[0]), day=t.day(points[0].week.monday, "d MMMM"), last=t.percent(shares[-1]),
        low=t.percent(intervals[-1].low), high=t.percent(intervals[-1].high),
    )  # fmt: skip
    return Chart("trend", png, f"{title}: {said}.", title)


def share_chart(name: str, title: str, lines: Sequence[Line], t: Translator, *, total: Line) -> Chart | None:
    """Negative share per row with its interval; the whole as a dashed line."""
    rows = [line for line in lines if line.now.n >= 5]
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda line: (-(line.now.negative_share or 0.0), line.key))[:MAX_ROWS]
    shares = [line.now.negative_share or 0.0 for line in rows]
    intervals = [wilson(line.now.n_negative, line.now.n) for line in rows]
    labels = [f"{_short(line.name(t.language), 26)}  ·  {t.number(line.now.n)}" for line in rows]
    with _drawing():
        png = _dots(
            t, labels, shares, intervals,
            before=[line.before.negative_share if line.before.n >= 5 else None for line in rows],
            whole=total.now.negative_share, whole_label=t.gettext("all mentions"),
            colour=NEGATIVE,
        )  # fmt: skip
    said = "; ".join(
        t.gettext(
            "{name} {share} (interval {low} to {high}, n = {n})",
            name=line.name(t.language), share=t.percent(share), low=t.percent(interval.low),
            high=t.percent(interval.high), n=t.number(line.now.n),
        )
        for line, share, interval in zip(rows, shares, intervals, strict=True)
    )  # fmt: skip
    return Chart(name, png, f"{title}: {said}.", title)


def voice_chart(data: WeeklyData, t: Translator) -> Chart | None:
    """Share of voice of the brand and its competitors."""
    if len(data.brands) < 2 or not any(brand.now.n for brand in data.brands):
        return None
    title = t.gettext("Share of voice")
    before = {brand.name: brand.before.n for brand in data.brands}
    voices = share_of_voice({brand.name: brand.now.n for brand in data.brands}, before=before)[:MAX_ROWS]
    voices = [voice for voice in voices if voice.share.shown]
    if not voices:
        return None
    total_before = sum(before.values())
    shares = [voice.share.value or 0.0 for voice in voices]
    intervals = [voice.share.interval or Interval(0.0, 1.0) for voice in voices]
    own = {brand.name for brand in data.brands if brand.own}
    with _drawing():
        png = _dots(
            t, [f"{_short(voice.brand, 26)}  ·  {t.number(round(share * voices[0].share.n))}"
                for voice, share in zip(voices, shares, strict=True)],
            shares, intervals,
            before=[before[voice.brand] / total_before if total_before else None for voice in voices],
            whole=None, whole_label="", colour=ACCENT, bold=[voice.brand in own for voice in voices],
        )  # fmt: skip
    said = "; ".join(
        t.gettext(
            "{name} {share} (interval {low} to {high}, n = {n})",
            name=voice.brand, share=t.percent(share), low=t.percent(interval.low), high=t.percent(interval.high),
            n=t.number(round(share * voice.share.n)),
        )
        for voice, share, interval in zip(voices, shares, intervals, strict=True)
    )  # fmt: skip
    return Chart("voice", png, f"{title}: {said}.", title)


def _dots(
    t: Translator,
    labels: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[Interval],
    *,
    before: Sequence[float | None],
    whole: float | None,
    whole_label: str,
    colour: str,
    bold: Sequence[bool] | None = None,
) -> bytes:
    """Rows of a dot with its interval, a tick for the week before, and the overall value as a line."""
    figure, axes = _figure(0.95 + 0.32 * len(labels))
    positions = range(len(labels))
    for position, share, interval, old in zip(positions, shares, intervals, before, strict=True):
        axes.plot([interval.low * 100, interval.high * 100], [position] * 2, color=colour, alpha=0.30, linewidth=6,
                  solid_capstyle="round", zorder=2)  # fmt: skip
        if old is not None:
            axes.plot([old * 100] * 2, [position - 0.26, position + 0.26], color=INK, linewidth=1.8, zorder=3)
        axes.plot([share * 100], [position], color=colour, marker="o", markersize=8, zorder=4)
        axes.annotate(t.percent(share), (interval.high * 100, position), xytext=(9, 0), textcoords="offset points",
                      va="center", fontsize=9, color=INK, zorder=5,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    if whole is not None:
        axes.axvline(whole * 100, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    _rows(axes, labels, bold=bold)
    reach = max([i.high for i in intervals] + [old for old in before if old is not None])
    axes.set_xlim(0, min(108.0, reach * 112 + 4))
    axes.xaxis.set_major_formatter(lambda value, _position: t.percent(value / 100))
    axes.tick_params(axis="x", labelbottom=True, labelsize=8, colors=MUTED, length=0)
    axes.xaxis.grid(True, color=RULE, linewidth=0.8, zorder=0)
    legend = [(colour, "dot", t.gettext("share and interval"))]
    if any(old is not None for old in before):
        legend.append((INK, "tick", t.gettext("week before")))
    if whole is not None:
        legend.append((MUTED, "dash", whole_label))
    _legend(axes, legend)
    return _png(figure)


@cache
def _fonts() -> list[str]:
    """The families there are, so that matplotlib does not search in vain for each text."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in _FONTS if name in known] or ["DejaVu Sans"]


@contextmanager
def _drawing() -> Iterator[None]:
    """One chart at a time, in our fonts, whatever a user's matplotlibrc says."""
    import matplotlib as mpl

    with _lock, mpl.rc_context({"font.family": _fonts(), "font.size": 9, "hatch.linewidth": 0.6}):
        yield


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor("white")
    return figure, axes


def _rows(axes: Axes, labels: Sequence[str], *, bold: Sequence[bool] | None = None) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    _plain(axes, grid=None)
    axes.tick_params(axis="y", labelsize=9.5, colors=INK, length=0)
    axes.tick_params(axis="x", labelbottom=False, length=0)
    for label, strong in zip(axes.get_yticklabels(), bold or [False] * len(labels), strict=True):
        label.set_fontweight("bold" if strong else "normal")


def _plain(axes: Axes, *, grid: str | None) -> None:
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=8.5, colors=MUTED)
    axes.set_axisbelow(True)
    if grid == "y":
        axes.yaxis.grid(True, color=RULE, linewidth=0.8, zorder=0)
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)  # type: ignore[call-arg]


def _legend(axes: Axes, entries: Sequence[tuple[str, str, str]]) -> None:
    """One line of keys above the chart."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for colour, shape, _label in entries:
        if shape == "bar":
            handles.append(Patch(facecolor=colour))
        elif shape == "hatch":
            handles.append(Patch(facecolor="white", edgecolor=colour, hatch="////", linewidth=0))
        elif shape == "tick":
            handles.append(Line2D([], [], color=colour, marker="|", markersize=9, markeredgewidth=2, linestyle="none"))
        elif shape == "dot":
            handles.append(Line2D([], [], color=colour, marker="o", markersize=6, linewidth=4, alpha=0.8))
        elif shape == "mark":
            handles.append(Line2D([], [], color=colour, marker="v", markersize=6, linestyle="none"))
        else:
            handles.append(Line2D([], [], color=colour, linewidth=2, linestyle="--" if shape == "dash" else "-"))
    axes.legend(
        handles, [label for _colour, _shape, label in entries], loc="lower left", bbox_to_anchor=(0.0, 1.0),
        ncols=len(entries), frameon=False, fontsize=8.5, labelcolor=MUTED, handlelength=1.2, handletextpad=0.5,
        columnspacing=1.4, borderpad=0.2, borderaxespad=0.2,
    )  # fmt: skip


def _png(figure: Figure) -> bytes:
    """The figure as PNG. A name in a script that no font here has shows as boxes in the chart, never as an error; its
    alternative text has the name."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _short(name: str, limit: int = 32) -> str:
    return name if len(name) <= limit else name[: limit - 1].rstrip() + "…"

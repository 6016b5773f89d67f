"""Draws the counts of a series with the range that is usual, as a small PNG that any mail program shows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.words import Words

WIDTH, HEIGHT, DPI = 5.3, 2.2, 200  # inches: 1060 x 440 pixels, sharp on dense screens, about 20 kB
INK, GREY, BAND, LINE, HOT = "#1b2230", "#64748b", "#dfe5ef", "#8b98ad", "#c4281c"
CALM = "#7d8ca3"


@dataclass(frozen=True, slots=True)
class Point:
    """One step: what was seen and what would be usual. `observed` None means that nothing was collected."""

    at: datetime
    observed: float | None
    expected: float | None = None
    low: float | None = None
    high: float | None = None


def band(
    points: Sequence[Point],
    *,
    language: str = "en",
    time_zone: str = "UTC",
    hot_since: datetime | None = None,
    title: str = "",
) -> bytes:
    """PNG of `points` (oldest first): bars of counts, the usual range behind them, the incident in another colour.

    Colour is never alone: the incident's bars are also labelled with their counts. Raises ValueError without points.
    """
    if not points:
        raise ValueError("a chart needs at least one point")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    words = Words(language, time_zone)
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(points))
    hot = [hot_since is not None and point.at >= hot_since for point in points]
    known = [n for n in places if points[n].low is not None and points[n].high is not None]
    for run in _runs(known):
        # steps, as wide as the bars, so that a range belongs to its bar
        edges = [x for n in run for x in (n - 0.5, n + 0.5)]
        axes.fill_between(
            edges,
            [points[n].low or 0.0 for n in run for _ in range(2)],
            [points[n].high or 0.0 for n in run for _ in range(2)],
            color=BAND,
            linewidth=0,
            zorder=1,
            label=words.say("usual range") if run[0] == known[0] else None,
        )
    foreseen = [n for n in places if points[n].expected is not None]
    for run in _runs(foreseen):
        edges = [x for n in run for x in (n - 0.5, n + 0.5)]
        heights = [points[n].expected or 0.0 for n in run for _ in range(2)]
        label = words.say("expected") if run[0] == foreseen[0] else None
        axes.plot(edges, heights, color=LINE, linewidth=1.2, zorder=3, label=label)
    heights = [point.observed or 0.0 for point in points]
    axes.bar(places, heights, width=0.62, color=[HOT if flag else CALM for flag in hot], zorder=2)
    for n in places:
        if points[n].observed is None:
            axes.text(n, 0, "×", ha="center", va="bottom", color=GREY, fontsize=8, zorder=4)
        elif hot[n] and sum(hot) <= 8:
            axes.text(
                n, heights[n], words.number(heights[n]), ha="center", va="bottom", color=INK, fontsize=8, zorder=4
            )
    _dress(axes, points, words)
    if title:
        axes.set_title(title, fontsize=8, color=GREY, loc="left")
    if known:
        figure.legend(
            loc="outside upper right", ncols=2, fontsize=7.5, frameon=False, labelcolor=GREY, handlelength=1.2
        )
    out = io.BytesIO()
    # no software or date: the same points give the same bytes
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def describe(points: Sequence[Point], *, language: str = "en", time_zone: str = "UTC") -> str:
    """The chart in words, for those who do not see it: first and last day, the highest count, the newest."""
    words = Words(language, time_zone)
    seen = [point for point in points if point.observed is not None]
    if not seen:
        return words.say("Chart of the counts with the range that is usual")
    highest = max(seen, key=lambda point: point.observed or 0.0)
    last = seen[-1]
    text = words.say(
        "Chart from %(first)s to %(last)s: the highest count is %(highest)s on %(day)s, the newest is %(newest)s",
        first=words.day(points[0].at),
        last=words.day(points[-1].at),
        highest=words.number(highest.observed or 0.0),
        day=words.day(highest.at),
        newest=words.number(last.observed or 0.0),
    )
    if last.low is not None and last.high is not None:
        text += words.say(" (usually %(low)s to %(high)s)", low=words.number(last.low), high=words.number(last.high))
    return text + "."


def _runs(places: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for n in places:
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return runs


def _dress(axes: object, points: Sequence[Point], words: Words) -> None:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    assert isinstance(axes, Axes)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(BAND)
    axes.tick_params(axis="both", colors=GREY, labelsize=7.5, length=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
    axes.grid(axis="y", color="#eef0f4", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    hourly = len(points) > 1 and (points[-1].at - points[0].at).total_seconds() / (len(points) - 1) < 20 * 3600
    every = max(1, -(-len(points) // 7))
    shown = list(range(len(points) - 1, -1, -every))[::-1]
    axes.set_xticks(shown)
    axes.set_xticklabels([words.tick(points[n].at, hourly=hourly) for n in shown])
    axes.set_xlim(-0.6, len(points) - 0.4)
    top = max([point.observed or 0.0 for point in points] + [point.high or 0.0 for point in points] + [1.0])
    axes.set_ylim(0, top * 1.18)

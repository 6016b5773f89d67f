"""What the detector of days says of each brand as a whole on a file of dated texts: quick, without the store.

    monitor score steam.csv -o judged.jsonl
    python -m benchmarks.alerts_timeline steam.csv judged.jsonl --since 2013-06-01 --until 2019-02-05

The file has the columns published_at and brand; `judged.jsonl` has a line for each of its rows, in order. Topics,
places and hours are left out: `monitor replay` is the whole of it. The budget is one false alarm a week, divided among
the brands and, within each, among `--series` series.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gzip
import io
import json
from pathlib import Path

import numpy as np

from alerts.panel import Panel
from alerts.settings import Settings
from alerts.threshold import threshold
from monitor.pipeline.evidence import FLOOD_LEAST, FLOOD_RATIO, FLOOD_SHARE, FLOOD_SPAN

COOL = 3  # days without an alarm after which the next one is a new story


def main() -> None:
    """Print a line per alarm, and how many brand-weeks were watched."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("judged", type=Path)
    parser.add_argument("--since", type=dt.date.fromisoformat, required=True)
    parser.add_argument("--until", type=dt.date.fromisoformat, required=True)
    parser.add_argument("--series", type=int, default=25, help="series of a brand that share its budget")
    args = parser.parse_args()
    raw = args.file.read_bytes()
    text = (gzip.decompress(raw) if args.file.suffix == ".gz" else raw).decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    judged = [json.loads(line)["sentiment"] for line in args.judged.read_text(encoding="utf-8").splitlines()]
    if len(judged) != len(rows):
        parser.error(f"{len(rows)} rows, but {len(judged)} judgements")
    names = sorted({row["brand"] for row in rows})
    length = (args.until - args.since).days + 1
    negative, total = np.zeros((length, len(names))), np.zeros((length, len(names)))
    begun: dict[str, dt.date] = {}
    for row, sentiment in zip(rows, judged, strict=True):
        day = dt.datetime.fromisoformat(row["published_at"]).date()
        begun[row["brand"]] = min(begun.get(row["brand"], day), day)
        at = (day - args.since).days
        if 0 <= at < length and sentiment is not None:
            column = names.index(row["brand"])
            total[at, column] += 1
            negative[at, column] += sentiment == "negative"
    panel, ones, told_at = Panel(len(names), Settings()), np.ones(len(names)), np.full(len(names), -COOL)
    needed = threshold(1 / len(names) / args.series)
    watched, span = 0.0, FLOOD_SPAN.days
    for place in range(length):
        day = args.since + dt.timedelta(days=place)
        here = np.array([float(begun[name] <= day) for name in names])
        watched += here.sum() / 7
        verdicts = panel.tick(
            negative[place], total[place] - negative[place], here,
            weekday=ones * day.weekday(), hour=ones * 0, holiday=ones * 0,
        )  # fmt: skip
        usual = negative[max(0, place - span) : place].sum(axis=0) / span
        least = np.maximum(np.maximum(FLOOD_LEAST, FLOOD_SHARE * total[place]), FLOOD_RATIO * (1 + usual))
        flood = negative[place] >= least
        for column in map(int, np.flatnonzero(((verdicts.news >= needed) & verdicts.enough) | flood)):
            if place - told_at[column] >= COOL:
                week = int(negative[max(0, place - 6) : place + 1, column].sum())
                print(
                    f"{day} {names[column]}: {negative[place, column]:.0f} of {total[place, column]:.0f} negative, "
                    f"{week} in seven days, score {verdicts.news[column]:.1f}{', a flood' if flood[column] else ''}",
                    flush=True,
                )
            told_at[column] = place
    print(f"{watched:.0f} brand-weeks, needed score {needed:.2f}")


if __name__ == "__main__":
    main()

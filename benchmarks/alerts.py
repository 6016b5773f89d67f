"""Figures of docs/alerts.md: the detector on the alert benchmark, on harder counts, on bursts, and on many series.

    python -m benchmarks.alerts bench --seed N [--peer negbin_dow]   the benchmark in the shared folder, our row
    python -m benchmarks.alerts panel --seed N                       the same figures through one panel: quick
    python -m benchmarks.alerts hard [--seed N] [--peers]            scenarios of our own, generator in this file
    python -m benchmarks.alerts promise [--seed N]                   false alarms promised and measured
    python -m benchmarks.alerts bursts [--seed N]                    hourly volume with heavy tails, scored as NAB does
    python -m benchmarks.alerts late [--seeds N ...]                 late arrivals, rows rewritten as the monitor does
    python -m benchmarks.alerts scale [--series 100000]              time and memory of a tick

The shared folder is looked for beside the checkout, or at MONITOR_SHARED.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alerts.detector import detect
from alerts.panel import Panel
from alerts.settings import Settings
from alerts.threshold import threshold

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MONITOR_SHARED", ROOT.parent / "shared")) / "bench" / "alerts"
START = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - the benchmark's rows carry no zone
WATCHED = 42
SCENARIOS = ("plain", "autocorrelated", "news_cycles", "bot_floods", "classifier_drift", "chatter_in_crisis")


def bench(args: argparse.Namespace) -> None:
    """Run the benchmark's own script on our detector, or on one of its peers."""
    spec = f"peers:{args.peer}" if args.peer else "alerts.detector:detect"
    command = [sys.executable, str(SHARED / "run.py"), "--detector", spec, "--seed", str(args.seed)]
    command += [flag for flag, wanted in (("--quick", args.quick), ("--late", args.late)) if wanted]
    raise SystemExit(subprocess.call(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}))


def panel_bench(args: argparse.Namespace) -> None:
    """The same series, metrics and table through a panel: the same decisions as `bench`, in a tenth of the time."""
    simulate, metrics, run = _shared("simulate"), _shared("metrics"), _shared("run")
    began = time.time()
    main_block = simulate.main_block(args.seed, 5)
    probes = {name: simulate.probe_block(args.seed, name, 1) for name in ("campaign", "share", "zeros")}
    every = [*main_block, *(one for block in probes.values() for one in block)]
    cpu = time.process_time()
    outputs = together(every)
    cpu = time.process_time() - cpu
    result = metrics.summarise(metrics.Panel(main_block, outputs[: len(main_block)], simulate.RECOVERY), boot=300)
    threshold = result["budget_1_per_20"]["threshold"]
    done, result["probes"] = len(main_block), {}
    for name, block in probes.items():
        result["probes"][name] = metrics.alarm_share(block, outputs[done : done + len(block)], threshold)
        done += len(block)
    rows = sum(len(one.rows) for one in every)
    result |= {"detector": "alerts.panel", "seed": args.seed, "quick": False, "nab": None, "not_causal": 0}
    result |= {"seconds": round(time.time() - began, 1), "ms_per_decision": 1000 * cpu / rows}
    print(run.table(result))


def together(series: list[Any]) -> list[list[tuple[dt.datetime, float, bool]]]:
    """(timestamp, news, alarm) of every row of every series, as `detect` gives them, from one panel of all series."""
    n, steps = len(series), max(len(one.rows) for one in series)
    shape = (steps, n)
    negative, others, here = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    weekday, holiday = np.zeros(shape), np.zeros(shape)
    for column, one in enumerate(series):
        for step, (at, count, total) in enumerate(one.rows, start=steps - len(one.rows)):
            weekday[step, column], holiday[step, column] = at.weekday(), at.date() in one.holidays
            if count is not None:
                negative[step, column], others[step, column], here[step, column] = count, total - count, 1.0
    panel = Panel(n)
    needed = threshold(panel.settings.rate)
    news = np.full(shape, -np.inf)
    for step in range(steps):
        verdicts = panel.tick(
            negative[step], others[step], here[step], weekday=weekday[step], hour=here[step] * 0, holiday=holiday[step]
        )
        news[step] = np.where(verdicts.enough, verdicts.news, np.minimum(verdicts.news, 0.0))
    return [
        [
            (at, float(news[step, column]), bool(news[step, column] >= needed))
            for step, (at, _, _) in enumerate(one.rows, start=steps - len(one.rows))
        ]
        for column, one in enumerate(series)
    ]


# ---- harder counts


@dataclass
class Series:
    """One series, in the shape the benchmark's metrics want."""

    rows: list[tuple[dt.datetime, int | None, int | None]]
    eval_start: int
    start: int
    end: int
    info: dict[str, Any] = field(default_factory=dict)
    holidays: list[dt.date] = field(default_factory=list)


def harder(scenario: str, seed: int, number: int) -> Series:
    """Counts the benchmark's README calls missing: what real feedback does and gamma noise does not.

    autocorrelated: the log level follows a first-order process (0.8 a day, sd 0.25), half of it common to all mentions.
    news_cycles: bumps of two to four weeks that raise or lower the share by a third. bot_floods: single days with
    three to ten times the other mentions, once a fortnight. classifier_drift: from a random day on, 5 to 15 % of the
    other mentions are judged negative, faded in over 30 days, or at once when the model was replaced.
    chatter_in_crisis: an outbreak also brings twice as many other mentions as negatives.
    """
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario), number])
    history = int(rng.choice([56, 120, 180]))
    n = history + WATCHED
    level = float(np.exp(rng.uniform(np.log(0.3), np.log(80))))
    share = float(rng.choice([0.1, 0.2, 0.4]))
    phi = float(rng.choice([1.0, 1.5, 2.5, 4.0]))
    weekday = np.exp(0.3 * rng.uniform() * np.cos(2 * np.pi * (np.arange(n) % 7 - 1) / 7))
    trend = np.exp(np.linspace(0, rng.uniform(-0.4, 0.5), n))
    common, own = np.ones(n), np.ones(n)
    if scenario == "autocorrelated":
        for target in (common, own):
            noise = np.zeros(n)
            for day in range(1, n):
                noise[day] = 0.8 * noise[day - 1] + 0.25 * np.sqrt((1 - 0.64) / 2) * rng.standard_normal()
            target *= np.exp(noise)
    if scenario == "news_cycles":
        for _ in range(max(1, n // 60)):
            first, length = int(rng.integers(n)), int(rng.integers(14, 28))
            bump = np.sin(np.linspace(0, np.pi, length))[: n - first]
            own[first : first + length] *= np.exp(rng.choice([-1, 1]) * 0.3 * bump)
            common[first : first + length] *= np.exp(rng.uniform(0, 0.5) * bump)
    mean = level * weekday * trend * common * own
    other_mean = level * (1 - share) / share * weekday * trend * common
    spread = (phi - 1) / level
    negative = rng.poisson(mean * (rng.gamma(1 / spread, spread, n) if spread > 0 else 1.0))
    others = rng.poisson(other_mean * rng.gamma(20, 1 / 20, n))
    if scenario == "bot_floods":
        for flooded in np.flatnonzero(rng.random(n) < 1 / 14):
            others[flooded] += rng.poisson(other_mean[flooded] * rng.uniform(2, 9))
    if scenario == "classifier_drift":
        first, rate = int(rng.integers(history // 2, n - 10)), rng.uniform(0.05, 0.15) * share
        grown = np.clip((np.arange(n) - first) / (30 if rng.random() < 0.5 else 1), 0, 1)
        moved = rng.binomial(others, rate * grown)
        negative, others = negative + moved, others - moved
    start = history + int(rng.integers(14, 35))
    length = int(rng.choice([1, 3, 7]))
    size = float(rng.choice([4, 6, 10]))
    deviation = np.sqrt(phi * level)
    extra = rng.multinomial(max(4, rng.poisson(size * deviation * np.sqrt(length))), np.full(length, 1 / length))
    extra[0] = max(extra[0], 1)
    negative[start : start + length] += extra
    if scenario == "chatter_in_crisis":
        others[start : start + length] += rng.poisson(2 * extra)
    last = start + int(np.argmax(np.cumsum(extra) >= 0.95 * extra.sum()))
    rows = [(START + dt.timedelta(days=i), int(negative[i]), int(negative[i] + others[i])) for i in range(n)]
    info = {"level": level, "phi": phi, "hist": history, "season": 0, "trend": 0, "past": 0, "shape": "", "k": size}
    return Series(rows, history, start, last, info)  # type: ignore[arg-type]


def hard(args: argparse.Namespace) -> None:
    """POD at one false notification per 20 series-weeks, and our own alarm, for each scenario."""
    metrics, peers = _shared("metrics"), _shared("peers") if args.peers else None
    detectors: dict[str, Callable[..., Any]] = {"ours": together}
    for name in ("negbin_dow", "binom_share", "rolling_z_floor") if peers is not None else ():
        detectors[name] = getattr(peers, name)
    print(f"{'scenario':20s}{'detector':18s}{'POD 1/20':>9s}{'POD 1/50':>9s}{'own false/wk':>13s}{'own POD':>8s}")
    for scenario in args.scenarios or SCENARIOS:
        series = [harder(scenario, args.seed, number) for number in range(args.number)]
        for name, function in detectors.items():
            panel = metrics.Panel(
                series, function(series) if name == "ours" else [function(one.rows) for one in series]
            )
            result = metrics.summarise(panel, boot=2)
            own = result["as_shipped"]
            print(
                f"{scenario:20s}{name:18s}{result['fom']:9.3f}{result['budget_1_per_50']['pod']:9.3f}"
                f"{own['fa_per_week']:13.3f}{own['pod']:8.3f}",
                flush=True,
            )


# ---- the promise


def promise(args: argparse.Namespace) -> None:
    """What is promised (false notifications per series-week) against what clean weeks of the benchmark give."""
    simulate, metrics = _shared("simulate"), _shared("metrics")
    series = [one for seed in range(args.seed, args.seed + args.blocks) for one in simulate.main_block(seed, 5)]
    panel = metrics.Panel(series, together(series), simulate.RECOVERY)
    weeks = panel.clean.sum() / 7
    print(f"daily rows, {len(series)} series, {weeks:.0f} clean series-weeks")
    for rate in (1 / 5, 1 / 10, 1 / 20, 1 / 50, 1 / 100):
        false, _, found, _ = panel.evaluate(panel.score >= threshold(rate))
        print(f"  promised {rate:.3f}, measured {false.sum() / weeks:.3f}, POD {found.mean():.3f}", flush=True)
    score, hours = hourly(args.seed, n=args.hourly, weeks=10), 3600
    print(f"hourly rows, {score.shape[1]} series, {score.size / 168:.0f} series-weeks, nothing planted")
    for rate in (1 / 5, 1 / 20, 1 / 100):
        needed, count = threshold(rate, step_seconds=hours), 0
        last = np.full(score.shape[1], -999)
        for hour, values in enumerate(score):
            told = (values >= needed) & (hour - last >= 72)
            last[told] = hour
            count += int(told.sum())
        print(f"  promised {rate:.3f}, measured {count / (score.size / 168):.3f}", flush=True)


def hourly(seed: int, *, n: int, weeks: int) -> np.ndarray:
    """News of clean hourly series (hours, n) after three weeks: rhythm, weekends, good and bad days, slow noise."""
    rng = np.random.default_rng(seed)
    length = weeks * 168
    hours = np.arange(length)[:, None]
    level = np.exp(rng.uniform(np.log(0.05), np.log(30), n))
    share = rng.choice([0.1, 0.2, 0.4], n)
    rhythm = np.exp(rng.uniform(0.3, 1.2, n) * np.cos(2 * np.pi * (hours - rng.integers(0, 24, n)) / 24))
    weekend = np.where((hours // 24) % 7 > 4, rng.uniform(0.5, 1.1, n), 1.0)
    days = rng.gamma(20, 1 / 20, (length // 24 + 1, n))[np.arange(length) // 24]
    deviation, noise = rng.uniform(0, 0.25, n), np.zeros((length, n))
    for hour in range(1, length):
        noise[hour] = 0.8 * noise[hour - 1] + 0.6 * deviation * rng.standard_normal(n)
    mean = level * rhythm / rhythm.mean(axis=0) * weekend * days * np.exp(noise - deviation**2 / 2)
    negative = rng.poisson(mean * rng.gamma(50, 1 / 50, (length, n))).astype(float)
    others = rng.poisson(mean * (1 - share) / share).astype(float)
    panel, ones = Panel(n, Settings(step_seconds=3600)), np.ones(n)
    news = np.full((length, n), -np.inf)
    for hour in range(length):
        verdicts = panel.tick(
            negative[hour], others[hour], ones,
            weekday=ones * ((hour // 24) % 7), hour=ones * (hour % 24), holiday=ones * 0,
        )  # fmt: skip
        news[hour] = np.where(verdicts.enough, verdicts.news, np.minimum(verdicts.news, 0.0))
    return news[3 * 168 :]


# ---- bursts


def bursty(
    seed: int, *, varied: bool = False
) -> tuple[list[tuple[dt.datetime, int, None]], list[tuple[dt.datetime, dt.datetime]]]:
    """55 days of hourly volume with daily rhythm, log-normal noise and routine bursts; and the windows to be found.

    The tail of routine bursts falls with the power of two; where `varied`, with one of 1.2 to 4 for each series.
    """
    rng = np.random.default_rng(seed)
    power, largest = (rng.uniform(1.2, 4.0), 12.0) if varied else (2.0, 8.0)
    n = 1320
    hours = np.arange(n)
    level = np.exp(rng.uniform(np.log(8), np.log(1500)))
    rhythm = np.exp(rng.uniform(0.2, 1.0) * np.cos(2 * np.pi * (hours % 24 - rng.integers(24)) / 24))
    weekend = np.where((hours // 24) % 7 >= 5, rng.uniform(0.6, 1.1), 1.0)
    deviation, stays, noise = rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.9), np.zeros(n)
    for hour in range(1, n):
        noise[hour] = stays * noise[hour - 1] + deviation * np.sqrt(1 - stays**2) * rng.standard_normal()
    mean = level * rhythm / rhythm.mean() * weekend * np.exp(noise - deviation**2 / 2)
    for began in np.flatnonzero(rng.random(n) < rng.uniform(0.01, 0.06)):
        size = level * min(largest, 0.4 * (rng.pareto(power) + 0.5))
        mean[began:] += size * np.exp(-np.arange(n - began) / rng.uniform(0.5, 4))
    number = int(rng.integers(2, 5))
    width = int(n * 0.1 / number)
    events: list[int] = []
    for _ in range(200):
        at = int(rng.integers(260, n - 60))
        if len(events) < number and all(abs(at - other) > width + 10 for other in events):
            events.append(at)
    for at in events:
        size, lasts = level * np.exp(rng.uniform(np.log(2.5), np.log(15))), rng.uniform(1, 14)
        after = np.arange(n - at)
        mean[at:] += size * (np.exp(-after / lasts) if rng.random() < 0.7 else np.where(after < 2 * lasts, 0.8, 0))
    counts = rng.poisson(mean)
    rows = [(START + dt.timedelta(hours=int(hour)), int(counts[hour]), None) for hour in hours]
    half = width // 2
    return rows, [(rows[max(0, at - half)][0], rows[min(n - 1, at + half)][0]) for at in sorted(events)]


def bursts(args: argparse.Namespace) -> None:
    """NAB's score with the best threshold on these series, beside mean + 3 sd of 28 days, the peer that does best."""
    nab, peers = _shared("nab"), _shared("peers")
    made = [bursty(1000 * args.seed + number, varied=args.varied) for number in range(args.number)]
    for name, function in (("ours", detect), ("rolling_z_floor", peers.rolling_z_floor)):
        files = []
        for rows, windows in made:
            scores = np.array([score if np.isfinite(score) else -np.inf for _, score, _ in function(rows)])
            files.append((scores, nab.prepare([row[0] for row in rows], windows, "")))
        flat = nab.collect(files)
        best = {profile: round(float(nab.sweep(flat, profile)[0]), 1) for profile in nab.PROFILES}
        print(f"{name:18s}{json.dumps(best)}", flush=True)


# ---- late arrivals


def late(args: argparse.Namespace) -> None:
    """The benchmark's `--late` series through one panel: each evening the last rows are rewritten, then one is new.

    60, 85 and 95 % of a day are known after 0, 1 and 2 days. As in the benchmark, 56 days of history; a day is told
    when the new row is an alarm, or one rewritten this evening.
    """
    simulate, metrics = _shared("simulate"), _shared("metrics")
    for arrived in ((), (0.6, 0.85, 0.95)):
        found = false = 0
        weeks = 0.0
        n_series = 0
        for seed in args.seeds:
            series = [simulate.make_series(seed, 8, scenario, 0) for scenario in range(0, 60, 2)]
            n_series += len(series)
            for one, told in zip(series, _evenings(simulate, series, seed, arrived), strict=True):
                found += bool(told[one.start : one.end + 3].any())
                last = -9
                for day in range(one.eval_start, len(one.rows)):
                    if one.start <= day <= one.end + simulate.RECOVERY:
                        continue
                    weeks += 1 / 7
                    if told[day] and day - last >= metrics.COOLDOWN:
                        false, last = false + 1, day
        label = f"delay curve {arrived}" if arrived else "no delay curve"
        print(f"{label}: {n_series} series, POD {found / n_series:.3f}, false a week {false / weeks:.4f}", flush=True)


def _evenings(simulate: Any, series: list[Any], seed: int, arrived: tuple[float, ...]) -> list[Any]:
    """For each series whether each day told something."""
    known = [dict(simulate.as_of(one, seed)) for one in series]
    panel = Panel(len(series), Settings(arrived=arrived))
    needed = threshold(panel.settings.rate)
    told = [np.zeros(len(one.rows), bool) for one in series]

    def row(offset: int, evening: int) -> dict[str, np.ndarray]:
        names = ("negative", "others", "coverage", "weekday", "hour", "holiday")
        values = {name: np.zeros(len(series)) for name in names}
        for place, one in enumerate(series):
            day = one.eval_start + offset
            if day < 0:
                continue
            at, negative, total = known[place].get(one.eval_start + evening, one.rows)[day]
            values["weekday"][place], values["holiday"][place] = at.weekday(), at.date() in one.holidays
            if negative is not None:
                values["negative"][place], values["others"][place] = negative, total - negative
                values["coverage"][place] = 1.0
        return values

    def alarms(verdicts: Any) -> Any:
        return (verdicts.news >= needed) & verdicts.enough

    for offset in range(-56, WATCHED):
        rewritten = np.zeros(len(series), bool)
        if offset > 0:
            for age in (2, 1):
                panel.put(age - 1, **row(offset - age, offset))
            rewritten = alarms(panel.judge())
        new = alarms(panel.tick(**row(offset, offset)))
        for place, one in enumerate(series):
            if offset >= 0:
                told[place][one.eval_start + offset] = new[place] or rewritten[place]
    return told


# ---- many series


def scale(args: argparse.Namespace) -> None:
    """One daily tick of many series: seconds, bytes of state, and the same after ten times the history."""
    rng = np.random.default_rng(1)
    n, chunk = args.series, 5_000
    settings = Settings(n_series=n)
    panels = [Panel(min(chunk, n - first), settings) for first in range(0, n, chunk)]
    level = np.exp(rng.uniform(np.log(0.02), np.log(20), n))
    day = 0

    def tick() -> float:
        nonlocal day
        negative, others = rng.poisson(level).astype(float), rng.poisson(4 * level).astype(float)
        began = time.process_time()
        for place, panel in enumerate(panels):
            part = slice(place * chunk, place * chunk + panel.state.n)
            ones = np.ones(panel.state.n)
            panel.tick(negative[part], others[part], ones, weekday=ones * (day % 7), hour=ones * 0, holiday=ones * 0)
        day += 1
        return time.process_time() - began

    def measure(label: str, days: int) -> None:
        while day < days - 2:
            tick()
        seconds = min(tick(), tick())
        size = sum(array.nbytes for panel in panels for array in panel.state.arrays.values())
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, allow_pickle=False, **{k: v.astype("f4") for k, v in panels[0].state.arrays.items()}
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{label}: {n} series, {seconds:.2f} s a tick ({1e6 * seconds / n:.0f} us a series), "
            f"{size / n:.0f} bytes of state a series in memory, "
            f"{len(buffer.getvalue()) / panels[0].state.n:.0f} stored, "
            f"peak memory {peak:.0f} MiB",
            flush=True,
        )

    measure(f"after {args.days} days", args.days)
    measure(f"after {10 * args.days} days", 10 * args.days)


def _shared(name: str) -> Any:
    if not SHARED.is_dir():
        raise SystemExit(f"{SHARED} is not there: set MONITOR_SHARED to the shared folder")
    if str(SHARED) not in sys.path:
        sys.path.append(str(SHARED))
    return importlib.import_module(name)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("bench")
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--peer")
    one.add_argument("--quick", action="store_true")
    one.add_argument("--late", action="store_true")
    one.set_defaults(run=bench)
    five = commands.add_parser("panel")
    five.add_argument("--seed", type=int, required=True)
    five.set_defaults(run=panel_bench)
    six = commands.add_parser("promise")
    six.add_argument("--seed", type=int, default=1)
    six.add_argument("--blocks", type=int, default=4)
    six.add_argument("--hourly", type=int, default=100)
    six.set_defaults(run=promise)
    two = commands.add_parser("hard")
    two.add_argument("--seed", type=int, default=1)
    two.add_argument("--number", type=int, default=120)
    two.add_argument("--peers", action="store_true")
    two.add_argument("--scenarios", nargs="*", choices=SCENARIOS)
    two.set_defaults(run=hard)
    three = commands.add_parser("bursts")
    three.add_argument("--seed", type=int, default=1)
    three.add_argument("--number", type=int, default=40)
    three.add_argument("--varied", action="store_true", help="tails that differ between series")
    three.set_defaults(run=bursts)
    seven = commands.add_parser("late")
    seven.add_argument("--seeds", type=int, nargs="*", default=[77001, 77002, 77003, 77004, 77005, 77006])
    seven.set_defaults(run=late)
    four = commands.add_parser("scale")
    four.add_argument("--series", type=int, default=100_000)
    four.add_argument("--days", type=int, default=10)
    four.set_defaults(run=scale)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

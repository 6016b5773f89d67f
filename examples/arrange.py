"""Decides when, where and under which invented name each text of the café sample appears.

The texts in `texts/` were written for this project; this script only arranges them: a day and an hour,
a place, a source, a nickname, a link on example.org. It also invents the orders and the survey scores.
Everything follows from two arguments, `until` and `seed`: the same two give the same rows, byte for byte.
Standard library only, so that it can be run alone or loaded by its path.

    python examples/arrange.py                        write the four files as committed (until 2026-11-22)
    python examples/arrange.py --until 2027-03-01     the same story, ending on another day
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

BRAND = "Полдень"
ALIASES = ("Кофейня «Полдень»", "Polden", "Polden Coffee")
RIVAL = "Третий гудок"
RIVAL_ALIASES = ("Гудок", "Third Whistle")
COMMITTED_UNTIL = datetime(2026, 11, 22, 20, 59, tzinfo=UTC)
COMMITTED_SEED = 7
N_DAYS = 182  # 26 weeks; the last day is the day of `until`

SOURCES = ("google_maps", "2gis", "yandex_maps", "app_store", "telegram")
FEEDBACK_COLUMNS = (
    "published_at", "source", "kind", "external_id", "url", "author", "language",
    "location", "rating", "title", "text", "reply", "brand",
)  # fmt: skip
ORDER_COLUMNS = (
    "order_id", "customer_id", "ordered_at", "location", "channel", "stage", "amount", "currency", "returned",
)  # fmt: skip
SURVEY_COLUMNS = (
    "response_id", "answered_at", "customer_id", "segment", "location", "touchpoint", "survey", "score",
    "comment", "language",
)  # fmt: skip

T = TypeVar("T")
Weights = dict[str, float]
HERE = Path(__file__).resolve().parent
# Invented; a few write more than once, as guests do.
NICKNAMES: dict[str, list[str]] = json.loads((HERE / "nicknames.json").read_text(encoding="utf-8"))
RUSSIAN, BRITISH = timezone(timedelta(hours=3)), timezone(timedelta(0))


class Place(NamedTuple):
    """A café of the chain: its address, its share of the custom of its country, its clock."""

    name: str
    slug: str
    abroad: bool
    share: float
    zone: timezone


PLACES = (
    Place("Мира 12", "mira-12", abroad=False, share=0.42, zone=RUSSIAN),
    Place("Набережная 30", "naberezhnaya-30", abroad=False, share=0.28, zone=RUSSIAN),
    Place("Вокзальная 1", "vokzalnaya-1", abroad=False, share=0.16, zone=RUSSIAN),
    Place("Лесная 5", "lesnaya-5", abroad=False, share=0.14, zone=RUSSIAN),
    Place("Harbour Street 8", "harbour-street-8", abroad=True, share=0.62, zone=BRITISH),
    Place("Mill Lane 21", "mill-lane-21", abroad=True, share=0.38, zone=BRITISH),
)
BY_NAME = {place.name: place for place in PLACES}
CHANGED = ("Вокзальная 1", "Лесная 5")
IMPROVED_TOPICS = ("waiting", "staff", "price")
# How many of a hundred texts in a language are about the two cafés abroad.
ABROAD = {"ru": 0, "kk": 0, "uk": 20, "tr": 50, "zh": 70, "en": 100}

WEEKDAYS = (1.0, 0.9, 0.95, 1.0, 1.2, 1.5, 1.4)  # Monday first
HOURS = (0, 0, 0, 0, 0, 0, 1, 3, 7, 9, 7, 6, 7, 9, 7, 5, 5, 6, 8, 9, 9, 7, 4, 2)
RUSSIAN_MAPS: Weights = {"yandex_maps": 42, "2gis": 36, "google_maps": 22}
VISITORS_MAPS: Weights = {"google_maps": 70, "yandex_maps": 30}
INCIDENT_SOURCES: Weights = {"yandex_maps": 55, "2gis": 45}


class Story(NamedTuple):
    """What is planted in the 26 weeks that end with `until`, as dates of the cafés' own calendar."""

    first_day: date
    last_day: date
    change_day: date
    campaign_first_day: date
    campaign_last_day: date
    incident_place: str
    incident_first_day: date
    incident_last_day: date


def story(until: datetime) -> Story:
    """Where the planted events lie for a sample that ends at `until` (an aware time)."""
    last = until.astimezone(RUSSIAN).date()
    first = last - timedelta(days=N_DAYS - 1)
    campaign = first + timedelta(days=98)
    campaign += timedelta(days=(4 - campaign.weekday()) % 7)  # starts on a Friday
    return Story(
        first_day=first,
        last_day=last,
        change_day=first + timedelta(days=84),
        campaign_first_day=campaign,
        campaign_last_day=campaign + timedelta(days=2),
        incident_place="Мира 12",
        incident_first_day=last - timedelta(days=12),
        incident_last_day=last - timedelta(days=8),
    )


def texts() -> list[dict[str, Any]]:
    """The written texts with the labels their writer intended, in the order of the files."""
    files = sorted(path for path in (HERE / "texts").glob("*.jsonl") if path.stem not in ("rival", "surveys"))
    return [row for path in files for row in _read(path)]


def survey_texts() -> list[dict[str, Any]]:
    """The written survey comments, each with the score and the touchpoint it belongs to."""
    return list(_read(HERE / "texts" / "surveys.jsonl"))


def rival_texts() -> list[dict[str, Any]]:
    """The texts about the competitor, with the labels their writer intended."""
    return list(_read(HERE / "texts" / "rival.jsonl"))


def arrange(until: datetime, seed: int = COMMITTED_SEED) -> Iterator[dict[str, str]]:
    """The feedback as rows of `cafe_feedback.csv`: FEEDBACK_COLUMNS, all strings, oldest first.

    `until` must be aware; no row is later. Keys (`external_id`) depend on the text alone, so that a
    sample loaded again with a later `until` meets its own keys. The intended labels are not in the rows.
    """
    if until.tzinfo is None:
        raise ValueError("until must be an aware time, for example 2026-11-22T20:59:00+00:00")
    plot = story(until)
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    taken: Counter[date] = Counter()
    late = random.Random(seed * 1_000 + 3)  # noqa: S311 - texts added later must not move those that were there

    def chance(text: dict[str, Any]) -> random.Random:
        return late if text["pool"] == "training" else rng

    written = sorted(texts(), key=lambda text: text["pool"] == "training")
    dated = [(*_when_and_where(text, plot, taken, chance(text), until), text) for text in written]
    dated.sort(key=lambda row: (row[0], row[2]["id"]))
    for published_at, place, text in dated:
        yield _row(published_at, place, text, chance(text))


def rivals(until: datetime, seed: int = COMMITTED_SEED) -> Iterator[dict[str, str]]:
    """Feedback about the competitor, spread evenly over the same 26 weeks: FEEDBACK_COLUMNS, oldest first."""
    plot = story(until)
    rng = random.Random(seed * 1_000 + 4)  # noqa: S311 - the rows of the chain must not move
    taken: Counter[date] = Counter()
    dated = []
    for text in rival_texts():
        day = min(
            (_any_day(plot.first_day, plot.last_day, rng) for _ in range(2)),
            key=lambda day: taken[day] / WEEKDAYS[day.weekday()],
        )
        taken[day] += 1
        zone = RUSSIAN if text["language"] == "ru" else BRITISH
        dated.append((_moment(day, zone, rng, until), text))
    dated.sort(key=lambda row: (row[0], row[1]["id"]))
    for published_at, text in dated:
        row = _row(published_at, None, text, rng)
        yield {**row, "brand": RIVAL, "url": row["url"].replace("/polden/", "/gudok/")}


def orders(until: datetime, seed: int = COMMITTED_SEED) -> Iterator[dict[str, str]]:
    """Invented orders of about 400 guests over the same 26 weeks: ORDER_COLUMNS, oldest first.

    `stage` is how far an order came: placed (a basket left in the app), paid (never collected) or
    collected. Amounts of all places are in the chain's accounting currency, roubles. Guests of
    Мира 12 come less after the incident; guests of the two changed places come a little more often.
    """
    plot = story(until)
    rng = random.Random(seed * 1_000 + 1)  # noqa: S311
    found = [order for guest in _guests(plot, rng) for order in _orders_of(guest, plot, rng, until)]
    found.sort(key=lambda order: (order["ordered_at"].astimezone(UTC), order["customer_id"]))
    for number, order in enumerate(found, 1):
        yield {
            **order,
            "order_id": f"o-{number:05d}",
            "ordered_at": order["ordered_at"].isoformat(timespec="seconds"),
            "currency": "RUB",
        }


def surveys(until: datetime, seed: int = COMMITTED_SEED) -> Iterator[dict[str, str]]:
    """Invented answers to NPS (0..10), CSAT (1..5) and CES (1..7) questions: SURVEY_COLUMNS, oldest first.

    Each written comment is used once, with its own score; the other answers have a score only.
    """
    plot = story(until)
    guests = _guests(plot, random.Random(seed * 1_000 + 1))  # noqa: S311 - the same guests as in orders()
    rng = random.Random(seed * 1_000 + 2)  # noqa: S311
    found = [_commented(text, guests, plot, rng, until) for text in survey_texts()]
    found += [_uncommented(guests, plot, rng, until) for _ in range(700)]
    found.sort(key=lambda answer: (answer["answered_at"].astimezone(UTC), answer["customer_id"]))
    for number, answer in enumerate(found, 1):
        yield {
            **answer,
            "response_id": f"s-{number:04d}",
            "answered_at": answer["answered_at"].isoformat(timespec="seconds"),
        }


# --- feedback ---------------------------------------------------------------------------------------


def _when_and_where(
    text: dict[str, Any], plot: Story, taken: Counter[date], rng: random.Random, until: datetime
) -> tuple[datetime, Place | None]:
    place, shown = _place(text, rng)
    day = _day(text, place, plot, taken, rng)
    if text["pool"] in ("everyday", "change", "training"):
        taken[day] += 1
    return _moment(day, place.zone, rng, until), place if shown else None


def _place(text: dict[str, Any], rng: random.Random) -> tuple[Place, bool]:
    """The café a text is about, and whether its source tells: shops of apps do not, posts not always."""
    if "location" in text:
        return BY_NAME[text["location"]], True
    abroad = rng.random() * 100 < ABROAD.get(text["language"], 100)
    candidates = {place.name: place.share for place in PLACES if place.abroad == abroad}
    if text["pool"] == "campaign":  # every place has its part of it
        return BY_NAME[list(candidates)[_number(text) % len(candidates)]], True
    place = BY_NAME[_pick(candidates, rng)]
    silent = rng.random() < 0.4 and text["kind"] != "review"
    return place, not (silent or text.get("source") == "app_store")


def _day(text: dict[str, Any], place: Place, plot: Story, taken: Counter[date], rng: random.Random) -> date:
    # Steps of the golden section fill planted days evenly: none of them is left quiet by chance.
    even = _number(text) * 0.618034 % 1
    if text["pool"] == "incident":
        first = plot.incident_first_day
        if "day" in text:
            return first + timedelta(days=text["day"] - 1)
        return first + timedelta(days=_index_at(even, (11, 12, 10, 9, 8)))
    if text["pool"] == "campaign":
        # Reviews trickle in for three more days, posts belong to the days themselves.
        weights = (10, 12, 11, 6, 4, 2) if text["kind"] == "review" else (11, 12, 10)
        return plot.campaign_first_day + timedelta(days=_index_at(even, weights))
    first, last = plot.first_day, plot.last_day
    complaint = any(tag["topic"] in IMPROVED_TOPICS and tag["sentiment"] == "negative" for tag in text["topics"])
    old = complaint and place.name in CHANGED and text["pool"] == "everyday" and rng.random() < 0.6
    if text.get("phase") == "before" or old:
        last = plot.change_day - timedelta(days=1)
    elif text.get("phase") == "after":
        first = plot.change_day
    # The emptier of two days: chance alone should not plant a second event.
    days = _any_day(first, last, rng), _any_day(first, last, rng)
    return min(days, key=lambda day: taken[day] / WEEKDAYS[day.weekday()])


def _any_day(first: date, last: date, rng: random.Random) -> date:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return days[_index([WEEKDAYS[day.weekday()] for day in days], rng)]


def _moment(day: date, zone: timezone, rng: random.Random, until: datetime) -> datetime:
    seconds = _index(HOURS, rng) * 3600 + int(rng.random() * 3600)
    moment = datetime.combine(day, time(0), tzinfo=zone) + timedelta(seconds=seconds)
    while moment > until:
        moment -= timedelta(days=1)
    return moment


def _row(published_at: datetime, place: Place | None, text: dict[str, Any], rng: random.Random) -> dict[str, str]:
    source = _source(text, place, rng)
    external_id = hashlib.sha256(text["id"].encode()).hexdigest()[:12]
    return {
        "published_at": published_at.isoformat(timespec="seconds"),
        "source": source,
        "kind": text["kind"],
        "external_id": external_id,
        "url": f"https://example.org/{source}/{place.slug if place else 'polden'}/{external_id}",
        "author": _author(text["language"], rng),
        "language": text["language"],
        "location": place.name if place else "",
        "rating": str(text.get("rating", "")),
        "title": text.get("title", ""),
        "text": text["text"],
        "reply": text.get("reply", ""),
        "brand": BRAND,
    }


def _source(text: dict[str, Any], place: Place | None, rng: random.Random) -> str:
    if "source" in text:
        return str(text["source"])
    if text["kind"] != "review":
        return "telegram"
    if text["pool"] == "incident":
        return _pick(INCIDENT_SOURCES, rng)
    if place is not None and place.abroad:
        return "google_maps"
    return _pick(RUSSIAN_MAPS if text["language"] in ("ru", "kk", "uk") else VISITORS_MAPS, rng)


def _author(language: str, rng: random.Random) -> str:
    names = NICKNAMES["cyrillic" if language in ("ru", "uk", "kk") else "latin"]
    return names[int(rng.random() * len(names))]


# --- guests, orders, answers ------------------------------------------------------------------------


class Guest(NamedTuple):
    """An invented customer: how often, how much, where, from when and until when."""

    customer_id: str
    segment: str
    place: str
    every_days: float
    basket: float
    app_share: float
    first_day: date
    last_day: date


def _guests(plot: Story, rng: random.Random) -> list[Guest]:
    guests = []
    places = {place.name: place.share * (0.35 if place.abroad else 0.65) for place in PLACES}
    for number in range(1, 401):
        segment = _pick({"regular": 24, "occasional": 50, "new": 26}, rng)
        place = _pick(places, rng)
        gap = {"regular": 5 + 7 * rng.random(), "occasional": 18 + 30 * rng.random(), "new": 9 + 20 * rng.random()}
        starts = plot.first_day + timedelta(days=int(rng.random() * 150) if segment == "new" else 0)
        leaves = plot.last_day
        if rng.random() < 0.22:
            leaves = starts + timedelta(days=int(20 + rng.random() * 140))
        if place == plot.incident_place and rng.random() < 0.35:
            leaves = min(leaves, plot.incident_first_day + timedelta(days=int(rng.random() * 5)))
        guests.append(
            Guest(
                customer_id=f"c-{number:04d}",
                segment=segment,
                place=place,
                every_days=gap[segment],
                basket=260 + 520 * rng.random() ** 2,
                app_share=rng.random(),
                first_day=starts,
                last_day=min(leaves, plot.last_day),
            )
        )
    return guests


def _orders_of(guest: Guest, plot: Story, rng: random.Random, until: datetime) -> Iterator[dict[str, Any]]:
    passed = guest.every_days * rng.random()
    while (day := guest.first_day + timedelta(days=int(passed))) <= guest.last_day:
        changed = guest.place in CHANGED and day >= plot.change_day
        failing = guest.place == plot.incident_place and plot.incident_first_day <= day <= plot.incident_last_day
        passed += guest.every_days * (0.8 if changed else 1.0) * (0.5 + rng.random())
        name = guest.place
        if rng.random() < 0.08:
            abroad = BY_NAME[guest.place].abroad
            name = _pick({place.name: place.share for place in PLACES if place.abroad == abroad}, rng)
        apps = guest.app_share * (1.0 if changed or name not in CHANGED else 0.2)
        channel = "app" if rng.random() < apps else _pick({"counter": 88, "delivery": 12}, rng)
        lost = 0.45 if failing else 0.07
        stage = "collected"
        if channel == "app" and rng.random() < lost:
            stage = _pick({"placed": 70, "paid": 30}, rng)
        returned = stage != "placed" and rng.random() < (0.2 if failing else 0.03 if channel == "delivery" else 0.012)
        yield {
            "customer_id": guest.customer_id,
            "ordered_at": _moment(day, BY_NAME[name].zone, rng, until),
            "location": name,
            "channel": channel,
            "stage": stage,
            "amount": str(int(guest.basket * (0.6 + 0.9 * rng.random()) / 10) * 10),
            "returned": "true" if returned else "false",
        }


SCORES = {  # how many of a hundred answers give which score, in ordinary times
    "nps": {0: 3, 1: 2, 2: 2, 3: 3, 4: 3, 5: 6, 6: 7, 7: 15, 8: 21, 9: 20, 10: 18},
    "csat": {1: 5, 2: 7, 3: 14, 4: 36, 5: 38},
    "ces": {1: 4, 2: 5, 3: 8, 4: 12, 5: 20, 6: 28, 7: 23},
}
TOUCHPOINTS: Weights = {
    "point_of_sale": 52, "app": 18, "delivery_service": 12, "support": 8, "site": 6, "social_media": 4,
}  # fmt: skip


def _commented(
    text: dict[str, Any], guests: Sequence[Guest], plot: Story, rng: random.Random, until: datetime
) -> dict[str, Any]:
    foreign = rng.random() * 100 < ABROAD.get(text["language"], 100)
    fitting = [
        guest
        for guest in guests
        if (guest.place == text["location"] if "location" in text else BY_NAME[guest.place].abroad == foreign)
    ]
    first, last = plot.first_day, plot.last_day
    match text.get("phase"):
        case "before":
            last = plot.change_day - timedelta(days=1)
        case "after":
            first = plot.change_day
        case "incident":
            first, last = plot.incident_first_day, plot.incident_last_day
    present = [guest for guest in fitting if guest.first_day <= last and guest.last_day >= first]
    guest = present[int(rng.random() * len(present))]
    day = _any_day(max(first, guest.first_day), min(last, guest.last_day), rng)
    return {
        "answered_at": _moment(day, BY_NAME[guest.place].zone, rng, until),
        "customer_id": guest.customer_id,
        "segment": guest.segment,
        "location": guest.place,
        "touchpoint": text["touchpoint"],
        "survey": text["survey"],
        "score": str(text["score"]),
        "comment": text["text"],
        "language": text["language"],
    }


def _uncommented(guests: Sequence[Guest], plot: Story, rng: random.Random, until: datetime) -> dict[str, Any]:
    guest = guests[int(rng.random() * len(guests))]
    day = _any_day(guest.first_day, guest.last_day, rng)
    survey = _pick({"nps": 50, "csat": 30, "ces": 20}, rng)
    weights: dict[int, float] = dict(SCORES[survey])
    middle = (min(weights) + max(weights)) / 2
    if guest.place in CHANGED:
        better = day >= plot.change_day
        weights = {score: n * (2.2 if (score > middle) == better else 0.8) for score, n in weights.items()}
    if guest.place == plot.incident_place and plot.incident_first_day <= day <= plot.incident_last_day:
        weights = {score: n * (6.0 if score < middle else 0.4) for score, n in weights.items()}
    scores = sorted(weights)
    return {
        "answered_at": _moment(day, BY_NAME[guest.place].zone, rng, until),
        "customer_id": guest.customer_id,
        "segment": guest.segment,
        "location": guest.place,
        "touchpoint": _pick(TOUCHPOINTS, rng),
        "survey": survey,
        "score": str(scores[_index([weights[score] for score in scores], rng)]),
        "comment": "",
        "language": "",
    }


# --- chance, files, command -------------------------------------------------------------------------
# Only Random.random() is used: Python promises the same numbers from it in every version.


def _index(weights: Sequence[float], rng: random.Random) -> int:
    return _index_at(rng.random(), weights)


def _index_at(share: float, weights: Sequence[float]) -> int:
    mark = share * sum(weights)
    for index, weight in enumerate(weights):
        mark -= weight
        if mark < 0:
            return index
    return max(index for index, weight in enumerate(weights) if weight)


def _pick(weights: dict[T, float] | dict[T, int], rng: random.Random) -> T:
    options = list(weights)
    return options[_index([weights[option] for option in options], rng)]


def _number(text: dict[str, Any]) -> int:
    return int(text["id"].rsplit("-", 1)[1])


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def write(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> int:
    """Write rows as UTF-8 csv; returns how many."""
    n_rows = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            n_rows += 1
    return n_rows


def _until(given: str) -> datetime:
    """A date (its whole day counts) or an ISO time with an offset."""
    try:
        if len(given) == 10:
            return datetime.combine(date.fromisoformat(given), time(23, 59), tzinfo=RUSSIAN)
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is neither a date nor an ISO time") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{given!r} has no offset; write for example {given}+00:00")
    return moment


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Arrange the written café sample over 26 weeks.")
    parser.add_argument("--until", type=_until, default=COMMITTED_UNTIL, help="last day (YYYY-MM-DD) or time")
    parser.add_argument("--seed", type=int, default=COMMITTED_SEED)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the four csv files")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, columns, rows in (
        ("cafe_feedback.csv", FEEDBACK_COLUMNS, arrange(given.until, given.seed)),
        ("rival_feedback.csv", FEEDBACK_COLUMNS, rivals(given.until, given.seed)),
        ("orders.csv", ORDER_COLUMNS, orders(given.until, given.seed)),
        ("surveys.csv", SURVEY_COLUMNS, surveys(given.until, given.seed)),
    ):
        print(f"{given.out / name}: {write(given.out / name, columns, rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())

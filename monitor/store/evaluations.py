"""Labelled sets: what `monitor model eval --keep` measured, kept by name for the page of model quality."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, select

from monitor.store import meta
from monitor.store.tables import Meta

_PREFIX = "evaluation."
SHIPPED = ""  # the name of the set that came with the weights: nobody can keep one of no name


@dataclass(frozen=True, slots=True)
class Measure:
    """A share on labelled texts with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """Judgements of a like probability: how many, how sure they were on average, and the share that was right."""

    n: int
    p_mean: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """One group of a set ("all", or a value of language, source, domain)."""

    group: str
    value: str
    n: int
    n_failed: int
    accuracy: Measure
    macro_f1: Measure
    calibration_error: float
    curve: tuple[Point, ...] = ()  # none in sets that were kept before there was one


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A labelled file as one model did on it; the file itself stays where it is."""

    name: str
    file: str
    model: str
    measured_at: datetime
    lines: tuple[Line, ...]


def keep(session: Session, labelled: LabelledSet) -> None:
    """Keep the set under its name; an older measurement of that name is replaced."""
    value = {"file": labelled.file, "model": labelled.model, "measured_at": labelled.measured_at.isoformat(),
             "lines": [asdict(line) for line in labelled.lines]}  # fmt: skip
    meta.put(session, _PREFIX + labelled.name, json.dumps(value, ensure_ascii=False))


def kept(session: Session) -> Sequence[LabelledSet]:
    """All sets, by name."""
    rows = session.exec(select(Meta).where(col(Meta.key).startswith(_PREFIX, autoescape=True)).order_by(Meta.key))
    return [_read(row) for row in rows]


def shipped(languages: Collection[str]) -> list[LabelledSet]:
    """The embedded model as it was measured before it shipped: whole, and in these languages. Nothing where the weights
    came without figures."""
    whole = _measured()
    if whole is None:
        return []
    lines = tuple(line for line in whole.lines if line.group == "all" or line.value in languages)
    return [replace(whole, lines=lines)]


@functools.cache
def _measured() -> LabelledSet | None:
    from models.embedded import DIRECTORY, MEASURED

    file = DIRECTORY / MEASURED
    return _set(SHIPPED, json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def drop(session: Session, name: str) -> bool:
    """Forget a set; False where there is none of this name."""
    row = session.get(Meta, _PREFIX + name)
    if row is not None:
        session.delete(row)
        session.flush()
    return row is not None


def _read(row: Meta) -> LabelledSet:
    return _set(row.key.removeprefix(_PREFIX), json.loads(row.value))


def _set(name: str, value: dict[str, Any]) -> LabelledSet:
    lines = tuple(
        Line(**{**line, "accuracy": Measure(**line["accuracy"]), "macro_f1": Measure(**line["macro_f1"]),
                "curve": tuple(Point(**point) for point in line.get("curve", ()))})
        for line in value["lines"]
    )  # fmt: skip
    measured_at = datetime.fromisoformat(value["measured_at"])
    if measured_at.tzinfo is None:
        measured_at = measured_at.replace(tzinfo=UTC)
    return LabelledSet(name, value["file"], value["model"], measured_at, lines)

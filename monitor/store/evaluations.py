"""Labelled sets: what `monitor model eval --keep` measured, kept by name for the page of model quality."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from monitor.store import meta
from monitor.store.tables import Meta

_PREFIX = "evaluation."


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


def drop(session: Session, name: str) -> bool:
    """Forget a set; False where there is none of this name."""
    row = session.get(Meta, _PREFIX + name)
    if row is not None:
        session.delete(row)
        session.flush()
    return row is not None


def _read(row: Meta) -> LabelledSet:
    value = json.loads(row.value)
    lines = tuple(
        Line(**{**line, "accuracy": Measure(**line["accuracy"]), "macro_f1": Measure(**line["macro_f1"]),
                "curve": tuple(Point(**point) for point in line.get("curve", ()))})
        for line in value["lines"]
    )  # fmt: skip
    return LabelledSet(row.key.removeprefix(_PREFIX), value["file"], value["model"],
                       datetime.fromisoformat(value["measured_at"]), lines)  # fmt: skip

"""Imports about customers: survey answers, orders and exported chats become rows, in short transactions.

Customers are pseudonyms of the installation, the same ones in answers and orders, so that the two can be joined and
nobody can be named. The same file twice changes nothing.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import insert
from sqlmodel import Session, col, select

from monitor.errors import ConfigError
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.importing import CHUNK, ImportResult, import_source, store_items
from monitor.pipeline.matching import Matcher
from monitor.pipeline.score import score
from monitor.store import meta
from monitor.store.catalogue import ensure_brand, find_brand, slug_of
from monitor.store.engine import writing
from monitor.store.ingest import ingest
from monitor.store.tables import Activity, Brand, Mention, Order, Source, SurveyAnswer

if TYPE_CHECKING:
    from scrapers.imports.activity import Deed
    from scrapers.imports.orders import Purchase
    from scrapers.imports.surveys import Answer

T = TypeVar("T")
P = TypeVar("P", "Answer", "Purchase")
_IDS_AT_ONCE = 500
_AHEAD = timedelta(
    days=1
)  # of a clock elsewhere; what lies further ahead is a mistake, and would wait unseen for years


def import_surveys(
    context: Context,
    file: Path,
    *,
    brand: str,
    survey: str | None = None,
    metric: str | None = None,
    mapping: dict[str, str] | None = None,
    items: dict[str, str] | None = None,
    locale: str | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """Answers of a survey file. `survey` names it (default: the file's name): ids are unique within it.

    Comments become mentions of kind survey and wait for the score step like any other. Raises ConfigError for an
    unknown brand, scrapers.errors.BadParams for a file that cannot be understood.
    """
    import scrapers.imports.surveys

    run = scrapers.imports.surveys.read(
        file, mapping=mapping, metric=metric, items=items, locale=locale or context.settings.language,
        zone=context.settings.time_zone,
    )  # fmt: skip
    name = slug_of(survey or file.name.split(".")[0])
    row = _brand(context, brand, dry_run=dry_run)
    result = ImportResult(notes=run.notes)

    latest = context.now + _AHEAD

    def sheets() -> Iterator[tuple[Answer, ...]]:
        for row in run:
            if row.error is not None:
                result.bad_rows.append((row.number, row.error))
            if row.answers and (at := row.answers[0].answered_at) > latest:
                result.bad_rows.append((row.number, _in_future(at)))
            elif row.answers:
                yield row.answers

    # a sheet is never torn: its comment belongs to all its scores
    answers = ([answer for sheet in batch for answer in sheet] for batch in _batches(sheets(), CHUNK))
    return _stored(
        context, result, answers, dry_run=dry_run,
        store=lambda session, some: store_answers(session, context, some, brand=row, survey=name),
    )  # fmt: skip


def _stored(
    context: Context,
    result: ImportResult,
    batches: Iterable[Sequence[T]],
    *,
    store: Callable[[Session, Sequence[T]], tuple[int, int]],
    dry_run: bool,
) -> ImportResult:
    """Store rows, a batch a transaction, and count what was new and what had changed; a dry run only counts."""
    for some in batches:
        result.n_seen += len(some)
        context.progress("import", result.n_seen, result.n_seen)
        if dry_run:
            result.n_new += len(some)
            continue
        with writing(context.engine) as session:
            n_new, n_edited = store(session, some)
        result.n_new += n_new
        result.n_edited += n_edited
    return result


def store_answers(
    session: Session,
    context: Context,
    answers: Sequence[Answer],
    *,
    brand: Brand,
    survey: str,
    source: Source | None = None,
) -> tuple[int, int]:
    """New and changed answers, with the mentions of their comments, which come from `source` (without one, from an
    import under the survey's name). Returns how many of each."""
    brand_id = brand.id or 0
    answers = placed_in(answers, context, brand.slug)
    key = meta.install_key(session)
    mentions = _comments(session, context, answers, brand_id=brand_id, survey=survey, source=source)
    known = {
        (row.external_id, row.metric): row
        for ids in _batches({answer.external_id for answer in answers}, _IDS_AT_ONCE)
        for row in session.exec(
            select(SurveyAnswer).where(
                SurveyAnswer.brand_id == brand_id, SurveyAnswer.survey == survey, col(SurveyAnswer.external_id).in_(ids)
            )
        )
    }
    n_edited = 0
    fresh: list[dict[str, Any]] = []
    for answer in answers:
        values = {
            "value": answer.value, "answered_at": answer.answered_at,
            "customer": meta.pseudonym(key, meta.CUSTOMER, answer.customer) if answer.customer else None,
            "segment": answer.segment, "location": answer.location, "touchpoint": answer.touchpoint,
            "mention_id": mentions.get(answer.external_id),
        }  # fmt: skip
        row = known.get((answer.external_id, answer.metric))
        if row is None:
            fresh.append({"brand_id": brand_id, "survey": survey, "external_id": answer.external_id,
                          "metric": answer.metric, **values})  # fmt: skip
        else:
            n_edited += _update(session, row, values)
    if fresh:
        session.execute(insert(SurveyAnswer), fresh)
    return len(fresh), n_edited


def placed_in(rows: Sequence[P], context: Context, brand: str) -> list[P]:
    """Rows with their places in the brand's own spelling, so that one place is one in answers, orders and mentions."""
    if brand not in context.settings.brands:
        return list(rows)
    matcher = Matcher(context.settings.brands)
    return [replace(row, location=matcher.spelling_of(brand, row.location)) if row.location else row for row in rows]


def _comments(
    session: Session, context: Context, answers: Sequence[Answer], *, brand_id: int, survey: str, source: Source | None
) -> dict[str, int]:
    """Mentions of the comments by the id of their answer sheet; one mention carries all scores of its sheet."""
    from scrapers.item import Item

    items = [
        Item(kind="survey", external_id=answer.external_id, text=answer.comment, author_id=answer.customer or None,
             published_at=answer.answered_at, language=answer.language or None, location=answer.location or None,
             customer=answer.customer or None)
        for answer in answers
        if answer.comment
    ]  # fmt: skip
    if not items:
        return {}
    now = context.now
    if source is None:
        source = import_source(session, survey, now=now)
        source.last_run_at = source.last_success_at = now
        source.last_status = "ok"
        session.add(source)
    # two people who answer alike are two answers: no copies here
    ingest(session, items, brand_id=brand_id, source_id=source.id or 0, origin=source.slug, now=now,
           store_authors=context.settings.privacy.store_authors, near_duplicates=False)  # fmt: skip
    wanted = [item.external_id for item in items]
    return {
        external_id: int(mention_id)
        for ids in _batches(wanted, _IDS_AT_ONCE)
        for external_id, mention_id in session.exec(
            select(Mention.external_id, Mention.id).where(
                Mention.brand_id == brand_id, Mention.origin == source.slug, col(Mention.external_id).in_(ids)
            )
        )
        if mention_id is not None
    }


def import_orders(
    context: Context,
    file: Path,
    *,
    brand: str,
    mapping: dict[str, str] | None = None,
    locale: str | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """Orders of a file. Baskets that were never paid for, by the words of a status column, are no orders and counted
    in a note. Raises as `import_surveys`."""
    import scrapers.imports.orders

    run = scrapers.imports.orders.read(
        file, mapping=mapping, locale=locale or context.settings.language, zone=context.settings.time_zone
    )
    brand_row = _brand(context, brand, dry_run=dry_run)
    brand_id = brand_row.id or 0
    result = ImportResult(notes=run.notes)
    unpaid: dict[str, int] = {}
    latest = context.now + _AHEAD

    def rows() -> Iterator[Purchase]:
        for row in run:
            if row.error is not None:
                result.bad_rows.append((row.number, row.error))
            elif row.purchase is not None and row.purchase.ordered_at > latest:
                result.bad_rows.append((row.number, _in_future(row.purchase.ordered_at)))
            elif row.purchase is None:
                unpaid[row.status] = unpaid.get(row.status, 0) + 1
            else:
                yield row.purchase

    _stored(
        context, result, _batches(rows(), CHUNK), dry_run=dry_run,
        store=lambda session, some: store_orders(
            session, placed_in(some, context, brand_row.slug), brand_id=brand_id
        ),
    )  # fmt: skip
    if unpaid:
        listed = ", ".join(f"{status}: {n}" for status, n in sorted(unpaid.items()))
        result.notes.append(f"rows that never became an order are left out ({listed})")
    return result


def store_orders(session: Session, purchases: Sequence[Purchase], *, brand_id: int) -> tuple[int, int]:
    """New and changed orders; returns how many of each."""
    key = meta.install_key(session)
    known = {
        row.external_id: row
        for ids in _batches([purchase.external_id for purchase in purchases], _IDS_AT_ONCE)
        for row in session.exec(select(Order).where(Order.brand_id == brand_id, col(Order.external_id).in_(ids)))
    }
    fresh: list[dict[str, Any]] = []
    n_edited = 0
    for purchase in purchases:
        values = {
            "customer": meta.pseudonym(key, meta.CUSTOMER, purchase.customer), "ordered_at": purchase.ordered_at,
            "amount": purchase.amount, "location": purchase.location, "returned": purchase.returned,
        }  # fmt: skip
        row = known.get(purchase.external_id)
        if row is None:
            fresh.append({"brand_id": brand_id, "external_id": purchase.external_id, **values})
        else:
            n_edited += _update(session, row, values)
    if fresh:
        session.execute(insert(Order), fresh)
    return len(fresh), n_edited


def import_activity(
    context: Context,
    file: Path,
    *,
    brand: str,
    mapping: dict[str, str] | None = None,
    locale: str | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """What customers did besides ordering: a sign that they are still there. Raises as `import_surveys`."""
    import scrapers.imports.activity

    run = scrapers.imports.activity.read(
        file, mapping=mapping, locale=locale or context.settings.language, zone=context.settings.time_zone
    )
    brand_id = _brand(context, brand, dry_run=dry_run).id or 0
    result = ImportResult(notes=run.notes)

    latest = context.now + _AHEAD

    def deeds() -> Iterator[Deed]:
        for row in run:
            if row.error is not None:
                result.bad_rows.append((row.number, row.error))
            elif row.deed is not None and row.deed.at > latest:
                result.bad_rows.append((row.number, _in_future(row.deed.at)))
            elif row.deed is not None:
                yield row.deed

    return _stored(
        context, result, _batches(deeds(), CHUNK), dry_run=dry_run,
        store=lambda session, some: store_activity(session, some, brand_id=brand_id),
    )  # fmt: skip


def store_activity(session: Session, deeds: Sequence[Deed], *, brand_id: int) -> tuple[int, int]:
    """New and changed activity; returns how many of each."""
    key = meta.install_key(session)
    known = {
        row.external_id: row
        for ids in _batches({deed.external_id for deed in deeds}, _IDS_AT_ONCE)
        for row in session.exec(
            select(Activity).where(Activity.brand_id == brand_id, col(Activity.external_id).in_(ids))
        )
    }
    fresh: dict[str, dict[str, Any]] = {}
    n_edited = 0
    for deed in deeds:
        values = {"customer": meta.pseudonym(key, meta.CUSTOMER, deed.customer), "at": deed.at, "kind": deed.kind}
        row = known.get(deed.external_id)
        if row is None:
            fresh[deed.external_id] = {"brand_id": brand_id, "external_id": deed.external_id, **values}
        else:
            n_edited += _update(session, row, values)
    if fresh:
        session.execute(insert(Activity), list(fresh.values()))
    return len(fresh), n_edited


def import_chats(
    context: Context,
    file: Path,
    *,
    brand: str,
    source: str | None = None,
    agents: Sequence[str] = (),
    mapping: dict[str, str] | None = None,
    locale: str | None = None,
    gap: timedelta | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """Conversations of an export as tickets (see scrapers.imports.chats). Raises as `import_surveys`."""
    import scrapers.imports.chats as chats

    row = _brand(context, brand, dry_run=dry_run)
    brand_id, watched = row.id or 0, context.settings.brands.get(row.slug)
    found = chats.read(
        file, agents=agents, company=(row.name, *(watched.aliases if watched else ())), mapping=mapping,
        locale=locale or context.settings.language,
        zone=context.settings.time_zone, gap=gap or chats.GAP,
    )  # fmt: skip
    result = ImportResult(notes=list(found.notes), bad_rows=[(row.number, row.error) for row in found.bad_rows])
    facts = [conversation.facts for conversation in found.conversations]
    waits = sorted(one.first_response for one in facts if one.first_response is not None)
    if facts:
        unanswered = len(facts) - sum(one.answered for one in facts)
        result.notes.append(
            f"first answer after {_minutes(waits[len(waits) // 2])} min in the median conversation, "
            f"{unanswered} of {len(facts)} without an answer"
            if waits
            else f"none of {len(facts)} conversations has an answer"
        )
    for items in _batches(found.items(), CHUNK):
        result.n_seen += len(items)
        if dry_run:
            result.n_new += len(items)
            continue
        with writing(context.engine) as session:
            counts = store_items(session, items, brand_id=brand_id, source=source,
                                 default_source=slug_of(file.name.split(".")[0]), now=context.now,
                                 store_authors=context.settings.privacy.store_authors)  # fmt: skip
        result.n_new += counts.n_new
        result.n_edited += counts.n_edited
    return result


def load_sample(context: Context, until: datetime, *, brand: str = "polden") -> tuple[ImportResult, ImportResult]:
    """The bundled sample's survey answers and orders up to `until`, their comments judged and counted. A second call
    doubles nothing. Segments can then be made (monitor.pipeline.segmenting)."""
    from monitor.pipeline.sample import _arrange

    arrange = _arrange()
    with tempfile.TemporaryDirectory(prefix="monitor-sample-") as folder:
        surveys, orders = Path(folder, "surveys.csv"), Path(folder, "orders.csv")
        _write(surveys, arrange.SURVEY_COLUMNS, arrange.surveys(until))
        _write(orders, arrange.ORDER_COLUMNS, arrange.orders(until))
        answered = import_surveys(context, surveys, brand=brand)
        ordered = import_orders(context, orders, brand=brand)
    score(context)
    aggregate(context)
    return answered, ordered


def brand_named(session: Session, name: str | None) -> Brand:
    """The brand asked for; without a name the only own one. Raises ConfigError naming the choice."""
    if name is not None:
        found = find_brand(session, name)
        if found is not None:
            return found
    brands = list(session.exec(select(Brand).order_by(col(Brand.slug))))
    own = [brand for brand in brands if not brand.is_competitor and brand.active]
    if name is None and len(own) == 1:
        return own[0]
    known = ", ".join(brand.slug for brand in brands) or "there is none yet"
    raise ConfigError(
        f"--brand {name!r} is unknown; allowed: {known}" if name else f"--brand is needed; one of: {known}"
    )


def _brand(context: Context, name: str, *, dry_run: bool) -> Brand:
    with writing(context.engine) as session:
        found = find_brand(session, name)
        if found is None and context.settings.brands:
            known = ", ".join(context.settings.brands)
            raise ConfigError(f"--brand {name!r} is not a brand of the configuration; allowed: {known}")
        brand = found or ensure_brand(session, name)
        session.expunge(brand)
        if dry_run:
            session.rollback()
    return brand


def _update(session: Session, row: Any, values: dict[str, Any]) -> int:
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        session.add(row)
    return bool(changed)


def _batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _in_future(at: datetime) -> str:
    return f"{at:%Y-%m-%d} lies in the future"


def _minutes(wait: timedelta) -> int:
    return round(wait / timedelta(minutes=1))


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)

"""Commands that move feedback: parse a saved page, score a file, import, export, replay."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, parse_time, say, tell
from monitor.errors import ConfigError, Partial

if TYPE_CHECKING:
    from scrapers.item import Item


def register(app: typer.Typer) -> None:
    app.command("parse")(parse)
    app.command("score")(score)
    app.command("import")(import_)
    app.command("export")(export)
    app.command("replay")(replay)


def parse(
    scraper: Annotated[str, typer.Argument(help="Name of the scraper: see `monitor source list`.")],
    file: Annotated[Path, typer.Argument(help="One recorded response.")],
    url: Annotated[str, typer.Option(help="Address it came from.")] = "",
    fetched_at: Annotated[str | None, typer.Option(help="When it was fetched (ISO); anchors relative dates.")] = None,
    config: ConfigOption = None,
) -> None:
    """Read one saved page without network: a JSON line per item, the status on stderr (exit 3 if it is a wall)."""
    import scrapers.registry
    from scrapers.base import Page

    del config  # accepted as by every command; a saved page needs none
    reader = scrapers.registry.get(scraper)
    try:
        body = file.read_bytes()
        modified = datetime.fromtimestamp(file.stat().st_mtime, tz=UTC)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
    parsed = reader.parse(Page(body, url=url, fetched_at=parse_time(fetched_at) or modified))
    for item in parsed.items:
        print(json.dumps(item_line(item), ensure_ascii=False))
    for external_id in parsed.gone:
        say(f"no longer there: {external_id}")
    say(f"status: {parsed.status}, items: {len(parsed.items)}")
    if parsed.note:
        say(parsed.note)
    if parsed.status in {"blocked", "login", "captcha", "changed", "no_preview"}:
        raise typer.Exit(3)


def item_line(item: Item) -> dict[str, Any]:
    """An item as `monitor parse` prints it; times ISO 8601."""

    def iso(at: datetime | None) -> str | None:
        return at.isoformat() if at else None

    reply = None
    if item.reply:
        reply = {"text": item.reply.text, "author": item.reply.author, "published_at": iso(item.reply.published_at)}
    return {
        "kind": item.kind, "external_id": item.external_id, "url": item.url, "author": item.author, "title": item.title,
        "text": item.text, "rating": item.rating, "published_at": iso(item.published_at),
        "edited_at": iso(item.edited_at), "language": item.language, "reply": reply, "parent_id": item.parent_id,
        "rating_raw": item.rating_raw, "rating_scale": item.rating_scale,
        "published_precision": item.published_precision, "location": item.location, "subject": item.subject,
        "n_likes": item.n_likes, "n_views": item.n_views, "flags": sorted(item.flags),
    }  # fmt: skip


def score(
    input: Annotated[
        str, typer.Argument(help="csv, jsonl, xlsx or parquet with a `text` column, or - for jsonl on stdin.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File for the lines; stdout if not given.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Hub id or directory of a model; the embedded one if not given.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Judge texts: one JSON line per row, in order. A row without usable text gets an error and the run goes on."""
    from monitor.cli.scoring import score_stream

    loaded = None
    if config is not None:
        loaded = common.settings(config)
    with common.progress() as report:
        n_failed, n = score_stream(input, output, model=model, settings=loaded, report=report)
    say(f"{n} rows judged" + (f", {n_failed} of them without usable text" if n_failed else ""))


def import_(
    file: Annotated[Path, typer.Argument(help="csv, tsv, jsonl, xlsx, parquet, eml or mbox.")],
    brand: Annotated[str, typer.Option(help="Brand the rows are about (identifier or name).")],
    source: Annotated[
        str | None, typer.Option(help="Name of the source; else a column of the file, else its name.")
    ] = None,
    map: Annotated[list[str] | None, typer.Option(help="field=column; repeat. Guessed where not given.")] = None,
    kind: Annotated[str | None, typer.Option(help="review, post, comment, ticket ... where no column says so.")] = None,
    locale: Annotated[
        str | None, typer.Option(help="Language of dates in words and of day-first order, as in ru.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Show the mapping and the bad rows; store nothing.")] = False,
    config: ConfigOption = None,
) -> None:
    """Import a file of feedback. Bad rows are reported by number and skipped; the same file twice doubles nothing."""
    from monitor.pipeline.importing import import_file

    with common.context(config) as context:
        result = import_file(context, file, brand=brand, source=source, mapping=field_mapping(map), kind=kind,
                             locale=locale, dry_run=dry_run)  # fmt: skip
    common.say_imported(result, dry_run=dry_run)
    if result.bad_rows:
        raise Partial(f"{len(result.bad_rows)} of {result.n_seen + len(result.bad_rows)} rows could not be read")


def field_mapping(pairs: list[str] | None) -> dict[str, str] | None:
    """`field=column` options as a mapping. Raises ConfigError."""
    if not pairs:
        return None
    mapping = {}
    for pair in pairs:
        field, sep, column = pair.partition("=")
        if not sep or not field or not column:
            raise ConfigError(f"--map {pair!r}: write field=column, as in text=Комментарий")
        mapping[field.strip()] = column.strip()
    return mapping


def export(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File to write; csv, xlsx, jsonl or parquet by its name.")
    ],
    brand: Annotated[str | None, typer.Option(help="Only this brand.")] = None,
    since: Annotated[str | None, typer.Option(help="Only what was published from this time on (ISO).")] = None,
    until: Annotated[str | None, typer.Option(help="Only what was published before this time (ISO).")] = None,
    config: ConfigOption = None,
) -> None:
    """Write mentions with their judgements to a file. Cells that a spreadsheet would run as formulas are defused."""
    from monitor.pipeline.exporting import export_file

    with common.context(config) as context:
        n = export_file(context, output, brand=brand, since=parse_time(since), until=parse_time(until))
    tell(f"{n} mentions written to {output}")


def replay(
    file: Annotated[Path, typer.Argument(help="Dated feedback: csv, jsonl, xlsx, parquet (also gzipped csv).")],
    brand: Annotated[
        str,
        typer.Option(help="Brand; with a brand column in the file: that brand's rows, or all if none is called so."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for incidents, notifications, reports and the summary.")],
    every: Annotated[str, typer.Option(help="Step of the simulated clock.")] = "1h",
    map: Annotated[list[str] | None, typer.Option(help="field=column; repeat. Guessed where not given.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of messages and reports: ru or en.")] = None,
    config: ConfigOption = None,
) -> None:
    """Feed dated feedback through the whole pipeline as if it arrived live: the back-test of rules, and the demo."""
    from monitor.durations import parse_duration
    from monitor.pipeline.replay import replay_file

    common.configure_logs()
    try:
        step = parse_duration(every)
    except ValueError as error:
        raise ConfigError(f"--every {every!r}: {error}") from None
    loaded = common.settings(config)
    if language is not None:
        loaded = loaded.model_copy(update={"language": common.known_language(language)})
    with common.progress() as report:
        summary = replay_file(
            loaded, file, brand=brand, out=out, every=step, mapping=field_mapping(map), progress=report
        )
    json.dump(summary, sys.stdout, ensure_ascii=False, indent=2)
    print()

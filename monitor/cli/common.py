"""What every command shares: the configuration option, the store, progress on stderr, errors to exit codes."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer

from monitor import __version__
from monitor.errors import ConfigError, MonitorError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from monitor.config import Settings
    from monitor.pipeline.context import Context
    from monitor.pipeline.importing import ImportResult

N_BAD_ROWS = 50  # that are named, each with its reason
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="Configuration file (default: $MONITOR_CONFIG or ./monitor.toml)."
    ),
]


_language: list[str] = []  # of the configuration, once it is read; before, that of the shell


def begin() -> None:
    """A run of the program begins: no configuration has said yet who reads it."""
    _language.clear()


def version_text() -> str:
    return f"monitor {__version__}"


def settings(config: Path | None) -> Settings:
    """The configuration. Raises ConfigError."""
    from monitor.config import load

    loaded = load(config)
    if "language" in loaded.model_fields_set:
        _language.append(loaded.language)
    return loaded


@contextmanager
def context(config: Path | None, *, upgrade: bool = True, **options: Any) -> Iterator[Context]:
    """Settings, an up-to-date store and brand and source rows in step with the configuration."""
    configure_logs()
    with made_context(settings(config), upgrade=upgrade, **options) as made:
        yield made


@contextmanager
def made_context(loaded: Settings, *, upgrade: bool = True, **options: Any) -> Iterator[Context]:
    """The same from settings that are there already."""
    from monitor.pipeline.context import Context
    from monitor.store.catalogue import synchronise
    from monitor.store.engine import require_current, writing
    from monitor.store.engine import upgrade as upgrade_store

    with progress() as report:
        made = Context(loaded, progress=report, **options)
        try:
            if upgrade:
                upgrade_store(made.engine)
            else:
                require_current(made.engine)
            with writing(made.engine) as session:
                synchronise(session, loaded, now=made.now)
            yield made
        finally:
            made.engine.dispose()


@contextmanager
def progress(
    *, every: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str, int, int], None]]:
    """A callback (what, done, total) that draws one bar per task on stderr.

    Where stderr is no terminal it is silent, or with `every` writes a line at most so often (seconds), and at the end.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    tasks: dict[str, Any] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
               TimeRemainingColumn())  # fmt: skip
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    due = clock()

    def report(what: str, done: int, total: int) -> None:
        nonlocal due
        if bar.disable:
            if every is not None and (clock() >= due or done >= total):
                print(f"{100 * done / max(total, 1):5.1f} %  {what}", file=sys.stderr, flush=True)
                due = clock() + every
            return
        if not bar.live.is_started:
            bar.start()
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total, rate="")
        speed = bar.tasks[tasks[what]].speed
        bar.update(tasks[what], completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "")

    try:
        yield report
    finally:
        bar.stop()


class _Stderr:
    """Whatever stderr is when something is written: it may be exchanged while the program runs."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logs(*, json: bool | None = None) -> None:
    """structlog to stderr: lines on a terminal, JSON elsewhere. MONITOR_LOG sets the level (default warning)."""
    import structlog

    level = getattr(logging, os.environ.get("MONITOR_LOG", "warning").upper(), logging.WARNING)
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.dev.ConsoleRenderer()
    if as_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Stderr())),
        cache_logger_on_first_use=False,
    )


def fail(error: Exception) -> int:
    """Say what went wrong and return the exit code; an error nobody expected shows its trace."""
    code = exit_code(error)
    if code is None:
        traceback.print_exception(error)
        print("monitor: this should not have happened; please report the lines above", file=sys.stderr)
        return 1
    for line in in_words(str(error)).splitlines() or [type(error).__name__]:
        print(f"monitor: {line}", file=sys.stderr)
    return code


def in_words(text: str) -> str:
    """What a program says, in the language of the person at the command line."""
    from monitor.i18n import translator
    from monitor.told import told

    return told(translator(reader()), text)


def reader() -> str:
    """The language of the person at the command line: of the configuration once read, before that of the shell."""
    from monitor.i18n import spoken

    return _language[-1] if _language else spoken()


def known_language(name: str) -> str:
    """The `--language` that was given, if there is a catalogue of it. Raises ConfigError."""
    from monitor.i18n import languages

    if name not in languages():
        raise ConfigError(f"--language {name!r}: allowed: {', '.join(languages())}")
    return name


def read_by(language: str) -> None:
    """From here on, whatever is said is said in this language. Raises ConfigError where there is no catalogue."""
    _language.append(known_language(language))


def is_configured(config: Path | None) -> bool:
    """Whether there is a configuration, for a command that needs none: it is read, since it says who reads."""
    from monitor.config import find

    if find(config) is None:
        return False
    settings(config)
    return True


def exit_code(error: Exception) -> int | None:
    """The exit code of an expected error, None for any other."""
    if isinstance(error, MonitorError):
        return error.exit_code
    package = type(error).__module__.split(".")[0]
    if package in {"scrapers", "models", "alerts"}:
        usage = {"BadParams", "UnknownScraper", "LabelsUnknown", "BadRule", "TrainingError"}
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"WeightsMissing"}:
            return 4
        return 2 if names & usage else 1
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return 1
    return None


def parse_time(text: str | None) -> datetime | None:
    """An ISO time from an option, UTC where it names no zone. Raises ConfigError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a time; write ISO 8601, as in 2026-11-22T09:00:00+03:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def say(text: str) -> None:
    """A line for the person in his language, on stderr, so that stdout stays clean for results."""
    print(in_words(text), file=sys.stderr)


def tell(text: str) -> None:
    """A result in the language of the person, on stdout."""
    print(in_words(text))


def field_said(field: FieldInfo) -> str:
    """A parameter or setting in words: whether it must be given, what it is otherwise, what it means."""
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    said = "required" if field.is_required() else "optional" if value is None else f"default {value!r}"
    return in_words(said) + (f"  {in_words(field.description)}" if field.description else "")


def say_imported(result: ImportResult, *, dry_run: bool) -> None:
    """What an import understood, which rows it could not read and why, and its counts on stdout."""
    for line in result.notes:
        say(line)
    for number, reason in result.bad_rows[:N_BAD_ROWS]:
        say(f"row {number}: {reason}")
    n_bad = len(result.bad_rows)
    if n_bad > N_BAD_ROWS:
        say(f"... and {n_bad - N_BAD_ROWS} more bad rows")
    verb = "would be imported" if dry_run else "imported"
    known = f"{result.n_edited} updated, {result.n_known} known already"
    print(in_words(f"{result.n_new} {verb}, {known}, {n_bad} bad rows"))

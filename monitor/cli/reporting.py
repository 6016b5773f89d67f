"""Commands about messages: the weekly report, channels, incidents, a rule's back-test."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, say, tell
from monitor.errors import ConfigError, MonitorError

notify_app = typer.Typer(help="Channels: list their kinds, send a marked test message.", no_args_is_help=True)

FORMATS = ("html", "pdf", "md", "txt")


def register(app: typer.Typer) -> None:
    app.command("report")(report)
    app.add_typer(notify_app, name="notify")


def report(
    week: Annotated[str | None, typer.Option(help="ISO week, as in 2026-W46; the last whole one if not given.")] = None,
    day: Annotated[str | None, typer.Option(help="The digest of a day instead: 2026-11-15, or yesterday.")] = None,
    brand: Annotated[str | None, typer.Option(help="Brand; the first own one if not given.")] = None,
    format: Annotated[str, typer.Option(help="html, pdf, md or txt.")] = "html",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; stdout if not given.")] = None,
    language: Annotated[str | None, typer.Option(help="ru or en; the account's if not given.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it to the report's channels.")] = False,
    config: ConfigOption = None,
) -> None:
    """The weekly topic report of any week, or the digest of a day: what changed, where, and how sure that is."""
    from monitor.i18n import languages
    from monitor.pipeline import digests, notify, reporting
    from monitor.reports import render
    from monitor.reports.day_view import day_view
    from monitor.reports.view import view
    from monitor.reports.week import BadWeek, Week
    from monitor.store.engine import reading

    if format not in FORMATS:
        raise ConfigError(f"--format {format!r}: allowed: {', '.join(FORMATS)}")
    if language is not None and language not in languages():
        raise ConfigError(f"--language {language!r}: allowed: {', '.join(languages())}")
    if format == "pdf" and output is None and sys.stdout.isatty():
        raise ConfigError("--format pdf needs -o FILE")
    if day is not None and week is not None:
        raise ConfigError("--day and --week: give one of them")
    with common.context(config) as context:
        chosen = language or context.settings.language
        drawn = format in {"html", "pdf"}
        wanted: Week | date
        if day is not None:
            wanted = _day(day, context.now.astimezone(context.settings.zone).date())
            shown = day_view(digests.build(context, brand, wanted), chosen)
        else:
            try:
                wanted = Week.parse(week) if week else Week.last_complete(context.now, context.settings.zone)
            except BadWeek as error:
                raise ConfigError(f"--week: {error}") from None
            shown = view(reporting.build(context, brand, wanted), chosen, with_images=drawn)
        made: str | bytes
        if format == "pdf":
            made = render.pdf(shown)
        else:
            made = {"md": render.markdown, "txt": render.text, "html": render.page}[format](shown)
        if output is None:
            sys.stdout.buffer.write(made if isinstance(made, bytes) else made.encode())
            sys.stdout.flush()
        else:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_bytes(made if isinstance(made, bytes) else made.encode())
            say(f"{wanted}: {output}")
        if send:
            with reading(context.engine) as session:
                row = reporting.pick_brand(session, brand)
            if isinstance(wanted, Week):
                if not reporting.channels_of(context.settings):
                    raise ConfigError("--send: no channel is configured for reports")
                reporting.make(context, row, wanted, again=True)
            else:
                if not digests.channels_of(context.settings, row):
                    raise ConfigError("--send: no channel has digest = true")
                digests.send(context, row, wanted, again=True)
            tally = notify.notify(context)
            say(f"messages sent: {tally.n_new}")
            if tally.errors:
                raise MonitorError("\n".join(tally.errors))


def _day(text: str, today: date) -> date:
    if text == "yesterday":
        return today - timedelta(days=1)
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--day {text!r}: write it as 2026-11-15, or yesterday") from None
    if found > today:
        raise ConfigError(f"--day {text}: it is still to come")
    return found


@notify_app.command("kinds")
def kinds(config: ConfigOption = None) -> None:
    """The kinds of channels there are, with their settings."""
    import alerts.channels

    common.is_configured(config)
    for name in alerts.channels.names():
        kind = alerts.channels.get(name)
        print(f"{name}: {kind.declaration.title}  ({kind.declaration.docs})")
        for key, field in kind.settings_type.model_fields.items():
            print(f"    {key}: {common.field_said(field)}")


@notify_app.command("test")
def test(
    channel: Annotated[str, typer.Argument(help="Name of the channel in the configuration.")],
    dry_run: Annotated[bool, typer.Option(help="Log in and render, send nothing.")] = False,
    config: ConfigOption = None,
) -> None:
    """Send a marked test message to one channel."""
    import alerts.message
    import alerts.render
    from alerts.errors import AlertError
    from monitor.pipeline.notify import open_channel

    common.configure_logs()
    settings = common.settings(config)
    if channel not in settings.channels:
        known = ", ".join(settings.channels) or "none is configured"
        raise ConfigError(f"channel {channel!r} is unknown; allowed: {known}")
    from monitor.pipeline.context import utc_now

    now = utc_now()
    configured = settings.channels[channel]
    message = alerts.message.Message(
        kind=alerts.message.Kind.TEST, dedup_key=f"test:{channel}:{now.isoformat()}", brand="monitor", at=now,
        language=configured.language or settings.language, time_zone=settings.time_zone,
    )  # fmt: skip
    envelope = alerts.render.envelope(message)
    opened = open_channel(settings, channel)
    try:
        say(opened.check())
        if dry_run:
            print(envelope.text)
            return
        receipt = opened.deliver(envelope, now=now)
    except AlertError as error:
        raise MonitorError(f"{channel}: {error}") from None
    finally:
        opened.close()
    tell(f"message sent: {receipt.detail or receipt.id}")
    for who, why in receipt.refused.items():
        say(f"refused: {who}: {why}")

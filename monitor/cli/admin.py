"""Commands for the operator: configuration, store, health, privacy, accounts."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, say
from monitor.errors import ConfigError, MonitorError

config_app = typer.Typer(help="The configuration: show it with secrets masked, check it.", no_args_is_help=True)
db_app = typer.Typer(help="The store: upgrade, back up, restore, check.", no_args_is_help=True)
user_app = typer.Typer(help="Accounts of the dashboard.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("doctor")(doctor)
    app.command("purge")(purge)
    app.command("forget")(forget)
    app.add_typer(config_app, name="config")
    app.add_typer(db_app, name="db")
    app.add_typer(user_app, name="user")


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("monitor.toml"),
    brand: Annotated[str, typer.Option(help="Name of your brand.")] = "My brand",
    language: Annotated[str, typer.Option(help="ru or en; default: that of the shell.", show_default=False)] = "",
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented configuration to start from."""
    from monitor.pipeline.starter import starter_config

    language = common.known_language(language) if language else common.reader()
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; --force replaces it")
    path.write_text(starter_config(brand=brand, language=language), encoding="utf-8")
    common.tell(f"{path} written; edit it, then `monitor config check` and `monitor run`")


@config_app.command("show")
def show(config: ConfigOption = None) -> None:
    """The effective configuration, file and environment together, secrets masked."""
    from monitor.config import masked

    print(json.dumps(masked(common.settings(config)), ensure_ascii=False, indent=2))


@config_app.command("check")
def check(config: ConfigOption = None) -> None:
    """Check the configuration; every mistake is one line, exit 2."""
    settings = common.settings(config)
    common.tell(
        f"ok: brands {len(settings.brands)}, sources {len(settings.sources)}, channels {len(settings.channels)}, "
        f"rules {len(settings.rules)}"
    )


@db_app.command("upgrade")
def upgrade(config: ConfigOption = None) -> None:
    """Apply missing migrations."""
    from monitor.store.engine import open_engine
    from monitor.store.engine import upgrade as upgrade_store

    engine = open_engine(common.settings(config).url)
    common.tell("the store is upgraded" if upgrade_store(engine) else "the store is up to date")
    engine.dispose()


@db_app.command("backup")
def backup(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    config: ConfigOption = None,
) -> None:
    """Copy the SQLite store while it is in use; the copy is checked before it gets its name."""
    from monitor.store.backup import backup as make_backup

    n = make_backup(common.settings(config), output)
    print(f"{output}: {n / 1e6:.1f} MB")


@db_app.command("restore")
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    force: Annotated[bool, typer.Option(help="Replace the store that is there (it is kept beside it).")] = False,
    config: ConfigOption = None,
) -> None:
    """Put a backup in place of the store; the daemon must not run."""
    from monitor.store.backup import restore as restore_backup

    common.tell(restore_backup(common.settings(config), source, force=force))


@db_app.command("check")
def check_store(
    repair: Annotated[bool, typer.Option("--repair", help="Recompute what is derived.")] = False,
    config: ConfigOption = None,
) -> None:
    """Verify the invariants: every mention judged or marked, buckets equal rows, every transition has its message."""
    from monitor.store.check import verify

    with common.context(config) as context:
        findings = verify(context.engine, repair=repair)
        left = verify(context.engine) if repair and findings else findings
    for finding in findings:
        common.tell(finding if finding in left else f"{finding}: repaired")
    if not findings:
        print("ok")
    elif left and repair:
        raise MonitorError(f"{len(left)} invariant(s) cannot be repaired: nothing tells what is missing")
    elif left:
        raise MonitorError(f"{len(left)} invariant(s) broken; --repair recomputes what is derived")


@db_app.command("partition")
def partition(config: ConfigOption = None) -> None:
    """Keep the mentions by month of arrival (PostgreSQL), and list the months; interrupted, it goes on."""
    from monitor.store import cutting

    with common.context(config) as context:
        for month in cutting.cut(context.engine, now=context.now, say=say):
            common.tell(f"{month.first:%Y-%m}: numbers {month.start or 0} to {month.end - 1}")


@db_app.command("drop")
def drop_months(
    before: Annotated[str, typer.Option(help="A month, as in 2025-01: mentions of older months go, whole.")],
    dry_run: Annotated[bool, typer.Option(help="Only count.")] = False,
    config: ConfigOption = None,
) -> None:
    """Drop old months of a store that is kept by month; counts stay, and what comes again is known."""
    from datetime import UTC, datetime

    from monitor.store import months

    try:
        first = datetime.strptime(before, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise ConfigError(f"--before {before!r}: a month is wanted, as in 2025-01") from None
    with common.context(config) as context:
        gone = months.drop(context.engine, before=first, now=context.now, dry_run=dry_run)
    for month, n in gone:
        common.tell(f"{month.first:%Y-%m}: mentions to drop: {n}" if dry_run else
                    f"{month.first:%Y-%m}: mentions dropped: {n}")  # fmt: skip
    if not gone:
        common.tell("no month is that old")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    offline: Annotated[bool, typer.Option(help="Skip what needs the network: channel log-ins.")] = False,
    config: ConfigOption = None,
) -> None:
    """Look at everything that can be wrong; each line ok, warn or fail, with the remedy. Exit 1 if something failed."""
    from monitor.pipeline.doctor import examine

    common.configure_logs()
    lines = examine(config, offline=offline)
    if as_json:
        print(json.dumps([line.to_dict() for line in lines], ensure_ascii=False, indent=2))
    else:
        for line in lines:
            print(
                f"{line.status:4}  {line.check}: {line.message}" + (f"\n      -> {line.remedy}" if line.remedy else "")
            )
    if any(line.status == "fail" for line in lines):
        raise typer.Exit(1)


def purge(
    older_than: Annotated[str, typer.Option(help="A duration, as in 365d: words and people of older mentions go.")],
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only count.")] = False,
    config: ConfigOption = None,
) -> None:
    """Erase the words and authors of old mentions; counts and judgements stay."""
    from monitor.durations import parse_duration
    from monitor.pipeline.housekeeping import purge as erase

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise ConfigError(f"--older-than {older_than!r}: {error}") from None
    with common.context(config) as context:
        n = erase(context, before=context.now - age, source=source, dry_run=dry_run)
    common.tell(f"mentions to erase: {n}" if dry_run else f"mentions erased: {n}")


def forget(
    author: Annotated[str | None, typer.Option(help="Name, id or pseudonym of an author or customer.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of one mention.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only count.")] = False,
    config: ConfigOption = None,
) -> None:
    """Erase what a person wrote, on request; of a customer the survey answers and orders too."""
    from monitor.pipeline.housekeeping import forget as erase

    if (author is None) == (url is None):
        raise ConfigError("give either --author or --url")
    with common.context(config) as context:
        gone = erase(context, author=author, url=url, dry_run=dry_run)
    common.tell(f"mentions to erase: {gone.n_mentions}" if dry_run else f"mentions erased: {gone.n_mentions}")
    if gone.n_answers or gone.n_orders:
        common.tell(f"survey answers: {gone.n_answers}, orders: {gone.n_orders}")


@user_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[str, typer.Option(help="viewer, analyst or admin.")] = "viewer",
    password_stdin: Annotated[bool, typer.Option(help="Read the password from stdin.")] = False,
    config: ConfigOption = None,
) -> None:
    """Add an account; the password is asked for, never taken from the command line."""
    from monitor.store.engine import writing
    from monitor.web.accounts import add_user as add

    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("password: ")
        if getpass.getpass("again: ") != password:
            raise ConfigError("the two passwords differ")
    with common.context(config) as context, writing(context.engine) as session:
        add(session, name, role, password, now=context.now)
    say(f"account {name} ({role}) added")

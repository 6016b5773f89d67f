"""Commands that run the monitor: the daemon, one cycle, a worker."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, say, tell
from monitor.errors import Partial

if TYPE_CHECKING:
    from monitor.pipeline.context import Context


def register(app: typer.Typer) -> None:
    app.command("run")(run)
    app.command("once")(once)
    app.command("worker")(worker)


def run(
    web: Annotated[bool, typer.Option("--web/--no-web", help="Serve the dashboard.")] = True,
    scheduler: Annotated[bool, typer.Option("--scheduler/--no-scheduler", help="Run the steps.")] = True,
    sample: Annotated[
        bool, typer.Option("--sample", help="Without a configuration: load and show the bundled sample.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Do everything once and exit.")] = False,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Only the periodic tasks; workers do the work.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """The daemon and the dashboard. SIGTERM finishes the batch and exits 0."""
    from monitor.config import find

    if sample and find(config) is None:
        _run_sample(web=web, scheduler=scheduler, once=once)
        return
    if distributed:
        from monitor.daemon.distributed import run_periodic

        with common.context(config) as context:
            run_periodic(context)
        return
    with common.context(config) as context:
        _run(context, web=web, scheduler=scheduler, once=once)


def once(
    source: Annotated[list[str] | None, typer.Option(help="Read only this source, due or not; repeat.")] = None,
    config: ConfigOption = None,
) -> None:
    """One full cycle: collect what is due, judge, count, detect, report, notify, each hour tidy up; then exit (3 if a
    part failed)."""
    from monitor.store.engine import instance_lock

    with common.context(config) as context, instance_lock(context.settings):
        _cycle(context, only=source)


def worker(
    queues: Annotated[str, typer.Option(help="collect,score,detect,notify,report: which work this host takes.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Jobs at once.")] = 4,
    config: ConfigOption = None,
) -> None:
    """A worker over PostgreSQL; any number on any number of hosts."""
    from monitor.daemon.distributed import run_worker

    with common.context(config) as context:
        run_worker(
            context, queues=[name.strip() for name in queues.split(",") if name.strip()], concurrency=concurrency
        )


def _run(context: Context, *, web: bool, scheduler: bool, once: bool) -> None:
    from monitor.store.engine import instance_lock

    with instance_lock(context.settings):
        if once:
            _cycle(context)
            return
        _serve(context, web=web, scheduler=scheduler)


def _cycle(context: Context, *, only: list[str] | None = None) -> None:
    from monitor.daemon.pulse import call
    from monitor.errors import ConfigError
    from monitor.pipeline import collect as collecting
    from monitor.pipeline.cycle import run_cycle
    from monitor.pipeline.housekeeping import housekeep_due

    if only:
        unknown = sorted(set(only) - set(context.settings.sources))
        if unknown:
            known = ", ".join(context.settings.sources) or "none is configured"
            raise ConfigError(f"--source {', '.join(unknown)}: unknown; allowed: {known}")
        collected = collecting.collect(context, only=only)
        cycle = run_cycle(context, collecting=False)
        cycle.collected = collected
    else:
        cycle = run_cycle(context)
    tell(
        f"collected {cycle.collected.n_seen} ({cycle.collected.n_new} new, {cycle.collected.n_edited} edited), "
        f"judged {cycle.scored.n_new}, incident changes {cycle.n_changes}, reports {cycle.n_reports}, "
        f"messages sent {cycle.notified.n_new}"
    )
    for error in cycle.errors:
        say(error)
    if not context.should_stop():
        housekeep_due(context)
    if not cycle.errors and context.settings.heartbeat.url:
        call(context.settings.heartbeat.url)
    if cycle.errors:
        raise Partial(f"{len(cycle.errors)} part(s) of the cycle failed; they are tried again")


def _serve(context: Context, *, web: bool, scheduler: bool) -> None:
    from monitor.daemon.embedded import Daemon

    serve = None
    if web:
        from monitor.web.server import serve as serve_web

        def serve(stop: threading.Event) -> None:
            serve_web(context, stop)

        host, port = context.settings.web.host, context.settings.web.port
        say(f"dashboard: http://{host}:{port}/")
        _invite(context)
    Daemon(context, scheduler=scheduler, serve=serve).run()


def _invite(context: Context) -> None:
    """The one-time set-up link, while nobody can log in yet."""
    from monitor.store.engine import writing
    from monitor.web.accounts import setup_link

    with writing(context.engine) as session:
        link = setup_link(session, context.settings, now=context.now)
    if link:
        say(f"nobody can log in yet; open this link once to make the first account: {link}")


def _run_sample(*, web: bool, scheduler: bool, once: bool) -> None:
    from monitor.pipeline.sample import load_sample, sample_settings
    from monitor.store.engine import instance_lock

    common.configure_logs()
    settings = sample_settings(Path("data"))
    with common.made_context(settings) as context, instance_lock(settings):
        say("No monitor.toml here: this is the bundled sample, a chain of cafes written and arranged for this project.")
        shown = load_sample(context)
        for line in shown:
            tell(line)
        if not once:
            _serve(context, web=web, scheduler=scheduler)

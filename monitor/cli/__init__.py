"""The command line: results on stdout, logs and progress on stderr, exit codes as documented.

0 ok, 1 failure, 2 usage or configuration, 3 partial, 4 not ready, 75 locked by another instance, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, Any, NoReturn

import typer

from monitor.cli import admin, customers, data, helping, operate, reporting, rules, sources, training
from monitor.cli.common import begin, fail, in_words, reader, version_text
from monitor.i18n import SOURCE_LANGUAGE, translator

app = typer.Typer(
    name="monitor",
    help="Watch customer feedback: collect reviews and mentions, judge them, alert on spikes, report each week.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    del version


_UsageError: Any = typer.BadParameter.__mro__[1]  # typer keeps its own copy of click and does not export the class


for module in (operate, data, customers, reporting, sources, rules, training, admin):
    module.register(app)


def end_when_told() -> None:
    """In a container we are its first process, and the kernel drops a SIGTERM that such a one has no handler for.

    One that came while a worker was still starting was lost, and the container killed when its patience was over.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def main() -> NoReturn:
    """Entry point: runs the command and turns every expected error into one message and its exit code."""
    end_when_told()
    begin()
    try:
        command = typer.main.get_command(app)
        if reader() != SOURCE_LANGUAGE:
            helping.speak(command, translator(reader()))
        code = command.main(standalone_mode=False, prog_name="monitor")
    except typer.Abort:
        code = 130
    except _UsageError as error:
        said = error.format_message()
        if error.ctx is not None and said == error.ctx.get_help():
            print(said, file=sys.stderr)  # a group of commands without any of them
        else:
            if error.ctx is not None:
                print(in_words(error.ctx.get_usage()), file=sys.stderr)
            print(f"monitor: {in_words(said)}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone: nothing left to say
        code = 0
    except Exception as error:  # noqa: BLE001  (the outermost boundary: known errors become a message, others a trace)
        code = fail(error)
    sys.exit(code or 0)

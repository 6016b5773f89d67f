"""`python -m models.training pack|train|split|join`: the pipeline without the application, for a bare GPU machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from models.errors import TrainingError
from models.training.config import PROFILES, profile
from models.training.transfer import join_files, split_files


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 data or settings are wrong."""
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("pack", "train"):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, default=Path("../shared/data"))
        command.add_argument("--profile", choices=sorted(PROFILES), default="small")
        command.add_argument("--licences", choices=("shippable", "all"), default="shippable")
        command.add_argument("--held-out", default="", help="sources, by commas")
        command.add_argument("--out", type=Path, required=True)
        if name == "train":
            command.add_argument("--packed", type=Path, help="folder written by `pack`")
            command.add_argument("--init", type=Path, help="model directory whose tokenizer and encoder to go on from")
            command.add_argument("--work", type=Path)
            command.add_argument("--max-seconds", type=float, help="of the last stage")
            command.add_argument("--compile", action="store_true")
    for name in ("split", "join"):
        command = commands.add_parser(name)
        command.add_argument("source", type=Path)
        command.add_argument("target", type=Path)
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if options.command in ("split", "join"):
        for path in (split_files if options.command == "split" else join_files)(options.source, options.target):
            print(path)
        return 0
    from models.training import run

    held_out = tuple(name for name in options.held_out.split(",") if name)
    changes = {"data": options.data, "licences": options.licences, "held_out": held_out}
    last = [""]

    def show(done: float, text: str) -> None:
        line = f"{100 * done:5.1f} %  {text}"
        if line != last[0]:
            print(f"\r{line:<60}", end="", file=sys.stderr, flush=True)
            last[0] = line

    if options.command == "pack":
        sizes = run.pack(profile(options.profile, **changes), options.out, progress=show)
        print(file=sys.stderr)
        for name, size in sizes.items():
            print(f"{name}\t{size}")
        return 0
    changes |= {"out": options.out, "packed": options.packed, "init": options.init, "compile": options.compile}
    if options.work is not None:
        changes["work"] = options.work
    if options.max_seconds is not None:
        changes["max_seconds"] = options.max_seconds
    print(run.train(profile(options.profile, **changes), progress=show))
    return 0


if __name__ == "__main__":
    sys.exit(main())

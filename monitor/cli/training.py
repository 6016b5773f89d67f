"""Commands about models: train, pack, evaluate, list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, say
from monitor.errors import ConfigError

model_app = typer.Typer(help="Models: list, evaluate on a labelled file, train.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(model_app, name="model")


@model_app.command("eval")
def evaluate(
    file: Annotated[
        Path, typer.Argument(help="csv, jsonl or parquet: text, label, and language, source, domain, topics.")
    ],
    by: Annotated[str, typer.Option(help="language,source,domain: one table for each.")] = "",
    model: Annotated[str | None, typer.Option(help="Hub id or directory; the embedded one if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    config: ConfigOption = None,
) -> None:
    """Measure a model on anybody's labelled file: macro-F1, accuracy and calibration with 95 % intervals."""
    import models
    from models import evaluate as evaluation

    del config
    keys = [key.strip() for key in by.split(",") if key.strip()]
    with common.progress() as report:
        result = evaluation.evaluate(file, scorer=models.load(model), by=keys, progress=report)
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
    else:
        print(result.table())


@model_app.command("list")
def list_models(config: ConfigOption = None) -> None:
    """The models on this machine, and which one is in use."""
    from models.scorer import installed

    settings = common.settings(config)
    for entry in installed():
        print(f"{entry.name:24} {entry.revision:16} {entry.size_bytes / 1e6:6.1f} MB  {entry.path}")
    say(f"in use: {settings.model.name or 'the embedded one'}")


@model_app.command("pack")
def pack(
    data: Annotated[Path, typer.Option(help="Folder with sentiment/ and topics/.")],
    out: Annotated[Path, typer.Option(help="Folder for the packed arrays.")],
    profile: Annotated[str, typer.Option(help="small, base, tiny.")] = "base",
) -> None:
    """Tokenise the training data into arrays that travel to another machine."""
    from models.training import run

    with common.progress() as report:
        print(run.pack(data, out, profile=profile, progress=report))


@model_app.command("train")
def train(
    data: Annotated[Path, typer.Option(help="Folder with sentiment/ and topics/, or what `pack` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, model card, weights.")],
    profile: Annotated[
        str, typer.Option(help="small for two CPU cores, base for one GPU, tiny for a trial.")
    ] = "small",
    minutes: Annotated[float | None, typer.Option(help="Stop after so long and write what there is.")] = None,
    all_sources: Annotated[bool, typer.Option(help="Also sources whose licence forbids shipping the weights.")] = False,
) -> None:
    """Train the embedded model; started again in the same folder it goes on where it stopped."""
    from models.training import run

    if not data.is_dir():
        raise ConfigError(f"--data {data}: no such folder")
    with common.progress() as report:
        print(run.train_command(data, out, profile=profile, minutes=minutes, all_sources=all_sources, progress=report))

"""Commands about models: evaluate on a labelled file, see what is in use, pack data, train."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, say
from monitor.errors import ConfigError

model_app = typer.Typer(help="Models: what is in use, evaluate on a labelled file, train.", no_args_is_help=True)

Report = Callable[[str, int, int], None]


def register(app: typer.Typer) -> None:
    app.add_typer(model_app, name="model")


@model_app.command("eval")
def evaluate(
    file: Annotated[
        Path, typer.Argument(help="csv, jsonl or parquet: text, label, and language, source, domain, topics.")
    ],
    by: Annotated[str, typer.Option(help="language,source,domain: a row for each value.")] = "",
    model: Annotated[str | None, typer.Option(help="Hub id or directory; the embedded one if not given.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    config: ConfigOption = None,
) -> None:
    """Measure a model on anybody's labelled file: macro-F1, accuracy and calibration with 95 % intervals."""
    import models
    import models.evaluate as evaluation

    del config
    if not file.is_file():
        raise ConfigError(f"{file}: no such file")
    keys = [key.strip() for key in by.split(",") if key.strip()] or None
    scorer = models.load(model)
    with common.progress() as report:
        result = evaluation.evaluate(file, scorer=scorer, by=keys, limit=limit, progress=_counting(report, "judge"))
    if as_json:
        print(json.dumps(dataclasses.asdict(result), ensure_ascii=False, indent=2, default=str))
    else:
        print(evaluation.table(result))


@model_app.command("list")
def list_models(config: ConfigOption = None) -> None:
    """The model in use, and the one that is built in."""
    from monitor.pipeline.doctor import describe_model

    settings = common.settings(config)
    print(f"embedded: {describe_model()}")
    say(f"in use: {settings.model.name or 'embedded'}")


@model_app.command("pack")
def pack(
    data: Annotated[Path, typer.Option(help="Folder with sentiment/ and topics/.")],
    out: Annotated[Path, typer.Option(help="Folder for the pack.")],
    all_sources: Annotated[bool, typer.Option(help="Also sources whose licence forbids shipping the weights.")] = False,
) -> None:
    """Put a run's rows into one small folder that travels to another machine."""
    from models.training.config import TrainConfig
    from models.training.pack import pack as write_pack

    run = TrainConfig(data=_folder(data), licences="all" if all_sources else "shippable")
    with common.progress() as report:
        sizes = write_pack(run, out, progress=_shares(report))
    for name, size in sizes.items():
        print(f"{out / name}: {size / 2**20:.1f} MiB")


@model_app.command("train")
def train(
    data: Annotated[Path | None, typer.Option(help="Folder with sentiment/ and topics/.")] = None,
    packed: Annotated[Path | None, typer.Option(help="Folder that `pack` wrote, instead of --data.")] = None,
    profile: Annotated[
        str, typer.Option(help="small for two CPU cores, base for one GPU, tiny for a trial.")
    ] = "small",
    out: Annotated[Path | None, typer.Option(help="The finished model directory; the profile's if not given.")] = None,
    work: Annotated[Path | None, typer.Option(help="Checkpoints; the profile's if not given.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Fit the schedule of the second stage into so long.")] = None,
    all_sources: Annotated[bool, typer.Option(help="Also sources whose licence forbids shipping the weights.")] = False,
) -> None:
    """Train the embedded model; started again with the same settings it goes on where it stopped."""
    from models.training.config import PROFILES, TrainConfig
    from models.training.run import train as run_training

    if profile not in PROFILES:
        raise ConfigError(f"--profile {profile!r}: allowed: {', '.join(PROFILES)}")
    if (data is None) == (packed is None):
        raise ConfigError("give either --data or --packed")
    values: dict[str, Any] = dict(PROFILES[profile]) | {"profile": profile}
    values |= {"licences": "all" if all_sources else "shippable"}
    values |= {key: value for key, value in {"out": out, "work": work}.items() if value is not None}
    values |= {"data": _folder(data)} if data is not None else {"packed": _folder(packed)}
    if minutes is not None:
        values["max_seconds"] = 60 * minutes
    with common.progress() as report:
        print(run_training(TrainConfig(**values), progress=_shares(report)))


def _folder(path: Path | None) -> Path:
    if path is None or not path.is_dir():
        raise ConfigError(f"{path}: no such folder")
    return path


def _counting(report: Report, what: str) -> Callable[[int], None]:
    """Progress by counts just done, as a running total."""
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        report(what, done, done)

    return told


def _shares(report: Report) -> Callable[[float, str], None]:
    """Progress by shares of the whole, as one bar."""
    return lambda share, text: report(text, round(1000 * share), 1000)

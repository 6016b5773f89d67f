"""Commands about models: evaluate on a labelled file, see what is in use, pack data, train."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, in_words, say, tell
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from models.evaluate import Evaluation, Interval
    from models.user_topics import FittedTopic

model_app = typer.Typer(
    help="Models: what is in use, evaluate on a labelled file, learn from corrections, train.", no_args_is_help=True
)
topic_app = typer.Typer(
    help="Topics: your own (add, fit, list, remove), and which are in use (off, on).", no_args_is_help=True
)

_SET_NAME = re.compile(r"[\w .-]{1,60}")
Report = Callable[[str, int, int], None]


def register(app: typer.Typer) -> None:
    app.add_typer(model_app, name="model")
    app.add_typer(topic_app, name="topic")


@model_app.command("eval")
def evaluate(
    file: Annotated[
        Path, typer.Argument(help="csv, jsonl, xlsx or parquet: text, label, and language, source, domain, topics.")
    ],
    by: Annotated[str, typer.Option(help="language,source,domain: a row for each value.")] = "",
    model: Annotated[str | None, typer.Option(help="Hub id or directory; the embedded one if not given.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    keep: Annotated[str, typer.Option(help="Show the result on the page of model quality, under this name.")] = "",
    forget: Annotated[bool, typer.Option("--forget", help="Take the set named by --keep off that page.")] = False,
    config: ConfigOption = None,
) -> None:
    """Measure a model on anybody's labelled file: macro-F1, accuracy and calibration with 95 % intervals."""
    import models
    import models.evaluate as evaluation
    from scrapers.imports.tables import find_encoding

    if forget:
        _forget_set(keep, config)
        return
    if keep and not _SET_NAME.fullmatch(keep):
        raise ConfigError(f"--keep {keep!r}: letters, digits, spaces, . _ and -, at most 60")
    if not file.is_file():
        raise ConfigError(f"{file}: no such file")
    keys = [key.strip() for key in by.split(",") if key.strip()] or None
    with file.open("rb") as stream:
        encoding = None if file.suffix.lower() in (".parquet", ".xlsx") else find_encoding(stream)
    scorer = models.load(model)
    with common.progress() as report:
        result = evaluation.evaluate(
            file, scorer=scorer, by=keys, limit=limit, encoding=encoding, progress=_counting(report, "judge")
        )
    if keep:
        _keep_set(keep, result, config)
    if as_json:
        print(json.dumps(dataclasses.asdict(result), ensure_ascii=False, indent=2, default=str))
    else:
        tell(evaluation.table(result))


def _keep_set(name: str, result: Evaluation, config: Path | None) -> None:
    from monitor.store.engine import writing
    from monitor.store.evaluations import LabelledSet, Line, Measure, Point, keep

    def measure(of: Interval) -> Measure:
        return Measure(of.value, of.low, of.high)

    lines = tuple(
        Line(row.group, row.value, row.n, row.n_failed, measure(row.accuracy), measure(row.macro_f1),
             row.calibration_error, tuple(Point(bin.n, bin.confidence, bin.accuracy) for bin in row.curve))
        for row in result.rows
    )  # fmt: skip
    with common.context(config) as context, writing(context.engine) as session:
        keep(session, LabelledSet(name, Path(result.path).name, result.model, context.now, lines))
    say(f"kept as {name!r}: it stands on the page of model quality")


def _forget_set(name: str, config: Path | None) -> None:
    from monitor.store.engine import writing
    from monitor.store.evaluations import drop

    with common.context(config) as context, writing(context.engine) as session:
        if not drop(session, name):
            raise ConfigError(f"--keep {name!r}: no set of this name is kept")
    say(f"forgotten: {name!r}")


@model_app.command("list")
def list_models(config: ConfigOption = None) -> None:
    """The model in use, and the one that is built in."""
    from monitor.pipeline.doctor import describe_model

    settings = common.settings(config)
    tell(f"embedded: {describe_model()}")
    say(f"model in use: {settings.model.name or 'the embedded model'}")


@model_app.command("adapt")
def adapt(config: ConfigOption = None) -> None:
    """Learn from the corrections people made; used only if it proves better on corrections held back."""
    from monitor.pipeline import learning

    with common.context(config) as made:
        card = learning.adapt(made)
    tell(f"adopted ({card.reason})" if card.adopted else f"not adopted ({card.reason})")
    tell(f"corrections: {card.n_corrections}, right before {card.accuracy_before:.3f}, after {card.accuracy_after:.3f}")
    tell(f"{card.n_replay} other texts: as before {card.replay_before:.3f}, after {card.replay_after:.3f}")
    if card.adopted:
        say("new texts are judged with it from now on; the past: `monitor model rescore`")


@model_app.command("versions")
def versions(config: ConfigOption = None) -> None:
    """What `adapt` learnt so far, oldest first; * is in use."""
    from monitor.pipeline import learning

    store = learning.adapter_store(common.settings(config))
    current = store.current()
    for number, card in store.cards():
        mark = "*" if current is not None and current.name == number else " "
        said = in_words(f"corrections: {card.n_corrections}; {card.reason}")
        print(f"{mark} {number} {card.created_at[:16]} {card.base}  {said}")
    say(f"model in use: {current.name if current is not None else 'the plain network'}")


@model_app.command("revert")
def revert(config: ConfigOption = None) -> None:
    """Go back to the version before the one in use."""
    from monitor.pipeline import learning

    tell(f"model in use: {learning.revert(common.settings(config)) or 'the plain network'}")


@model_app.command("rescore")
def rescore(
    since: Annotated[str | None, typer.Option(help="Only mentions published from this time on, ISO 8601.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the newest first.")] = None,
    config: ConfigOption = None,
) -> None:
    """Judge again what another model or version judged; corrections stay. Interrupted, it goes on when called again."""
    from monitor.pipeline.rescore import rescore as again

    with common.context(config) as made:
        tally = again(made, since=common.parse_time(since), limit=limit)
    tell(f"{tally.n_new} judged again, {tally.n_failed} could not be judged")


@topic_app.command("list")
def list_topics(config: ConfigOption = None) -> None:
    """Topics of your own: whether they are fitted, and how well; and which built-in ones are not in use."""
    from monitor.pipeline import own_topics
    from monitor.store.engine import reading
    from monitor.store.queries.taxonomy import in_force

    with common.context(config) as made, reading(made.engine) as session:
        for topic in in_force(session).topics.values():
            if not topic.custom and not topic.active:
                tell(f"{topic.key}: {topic.name(made.settings.language)}; not in use")
        for state in own_topics.states(session, made.settings):
            known = f"{state.n_examples} examples, {state.n_keywords} keywords"
            told = _measured(state.fitted) if state.fitted is not None else "not fitted"
            parts = (known, told if state.active else "not in use")
            print("; ".join((f"{state.key}: {state.names.get('en', '')}", *map(in_words, parts))))


@topic_app.command("add")
def add_topic(
    key: Annotated[str, typer.Argument(help="Small Latin letters, digits and _.")],
    name: Annotated[str, typer.Option(help="How people read it.")] = "",
    keyword: Annotated[list[str] | None, typer.Option(help="A word of it; * for any ending. May be repeated.")] = None,
    example: Annotated[list[str] | None, typer.Option(help="A text about it. May be repeated.")] = None,
    examples: Annotated[Path | None, typer.Option(help="File with one text about it per line.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make a topic of your own, or give it more words and examples; then `monitor topic fit`."""
    from monitor.pipeline import own_topics
    from monitor.store.engine import writing

    texts = list(example or [])
    if examples is not None:
        if not examples.is_file():
            raise ConfigError(f"{examples}: no such file")
        texts += examples.read_text(encoding="utf-8").splitlines()
    with common.context(config) as made, writing(made.engine) as session:
        row = own_topics.add(session, key, name=name, keywords=keyword or (), examples=texts)
        tell(f"{row.key}: {len(row.examples)} examples, {len(row.keywords)} keywords")


@topic_app.command("fit")
def fit_topic(
    key: Annotated[str | None, typer.Argument(help="All of your own, if not given.")] = None,
    config: ConfigOption = None,
) -> None:
    """Learn topics of your own from examples, keywords and corrections; measured by cross-validation, used at once."""
    from monitor.errors import Partial
    from monitor.pipeline import own_topics

    with common.context(config) as made:
        found = {key: own_topics.fit(made, key)} if key is not None else own_topics.fit_all(made)
    for name, fitted in found.items():
        tell(f"{name}: {fitted if isinstance(fitted, str) else _measured(fitted)}")
    if any(isinstance(fitted, str) for fitted in found.values()):
        raise Partial("some topics could not be fitted")


@topic_app.command("remove")
def remove_topic(key: Annotated[str, typer.Argument()], config: ConfigOption = None) -> None:
    """Take a topic of your own out of use and forget what it learnt; mentions lose it."""
    from monitor.pipeline import own_topics
    from monitor.store.engine import writing

    with common.context(config) as made, writing(made.engine) as session:
        own_topics.remove(session, made.settings, key)
    tell(f"{key}: not in use any more")


Keys = Annotated[list[str], typer.Argument(help="Keys of topics, built in or of your own.")]


@topic_app.command("off")
def switch_off(topics: Keys, config: ConfigOption = None) -> None:
    """Put topics out of use that mean nothing in your business: mentions lose them, and nothing alarms about them."""
    _switch(config, topics, on=False)
    tell(f"{', '.join(topics)}: not in use any more")


@topic_app.command("on")
def switch_on(topics: Keys, config: ConfigOption = None) -> None:
    """Put topics in use again; mentions get them back as they were judged."""
    _switch(config, topics, on=True)
    tell(f"{', '.join(topics)}: in use")


def _switch(config: Path | None, topics: list[str], *, on: bool) -> None:
    from monitor.pipeline import own_topics
    from monitor.pipeline.score import follow_switches
    from monitor.store.engine import writing

    with common.context(config) as made:
        with writing(made.engine) as session:
            own_topics.switch(session, topics, on=on)
        follow_switches(made)


def _measured(fitted: FittedTopic) -> str:
    found = fitted.measured
    return (
        f"F1 {found.f1:.2f} [{found.f1_low:.2f}, {found.f1_high:.2f}], precision {found.precision:.2f}, "
        f"recall {found.recall:.2f} on {found.n_positive} texts about it and {found.n_negative} others"
    )


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
    with common.progress(every=60) as report:
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
    steps: Annotated[
        int | None, typer.Option(min=0, help="Of the second stage; 0 keeps the encoder of --init as it is.")
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Model directory whose encoder to go on from.")] = None,
    init_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of that model's n-gram table in the mean of the tables.")
    ] = None,
    tables: Annotated[
        int | None, typer.Option(min=0, help="N-gram tables to train and merge; the profile's number if not given.")
    ] = None,
    direct: Annotated[
        int | None, typer.Option(min=0, help="Of one weight an n-gram and sentiment, beside them; else the profile's.")
    ] = None,
    passes: Annotated[
        float | None, typer.Option(min=0.1, help="Over the rows for the first half of the tables; the others: half.")
    ] = None,
    all_sources: Annotated[bool, typer.Option(help="Also sources whose licence forbids shipping the weights.")] = False,
) -> None:
    """Train the embedded model; started again with the same settings it goes on where it stopped."""
    from models.training.config import PROFILES, TrainConfig
    from models.training.run import train as run_training

    if profile not in PROFILES:
        raise ConfigError(f"--profile {profile!r}: allowed: {', '.join(PROFILES)}")
    if steps == 0 and init is None:
        raise ConfigError("--steps 0 keeps an encoder: name the model that has it with --init")
    if (data is None) == (packed is None):
        raise ConfigError("give either --data or --packed")
    values: dict[str, Any] = dict(PROFILES[profile]) | {"profile": profile}
    values |= {"licences": "all" if all_sources else "shippable"}
    given = {"out": out, "work": work, "init": init, "init_share": init_share, "steps": steps}
    given |= {"n_tables": tables, "ngram_epochs": passes, "n_direct": direct}
    values |= {key: value for key, value in given.items() if value is not None}
    values |= {"data": _folder(data)} if data is not None else {"packed": _folder(packed)}
    if minutes is not None:
        values["max_seconds"] = 60 * minutes
    with common.progress(every=60) as report:
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

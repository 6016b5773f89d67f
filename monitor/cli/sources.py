"""Commands about sources and brand queries: what can be read, what a link would give, which mentions a query hits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, in_words, say, tell
from monitor.errors import ConfigError, MonitorError

if TYPE_CHECKING:
    from scrapers.base import Scraper

source_app = typer.Typer(help="Sources: list scrapers, try a link, add one, start a new scraper.", no_args_is_help=True)
query_app = typer.Typer(help="Brand queries.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(source_app, name="source")
    app.add_typer(query_app, name="query")


@source_app.command("list")
def list_sources(
    names: Annotated[list[str] | None, typer.Argument(help="Only these scrapers.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Terms, hosts, parameters, credentials.")] = False,
    config: ConfigOption = None,
) -> None:
    """Every scraper, with its access class; and the configured sources with their health."""
    import scrapers.registry

    configured = common.is_configured(config)
    chosen = [scrapers.registry.get(name) for name in names] if names else scrapers.registry.all()
    for scraper in chosen:
        meta = scraper.meta
        print(f"{meta.name:22} {meta.access}  {meta.title}")
        if verbose:
            _describe(scraper)
    if names or not configured:
        return
    with common.context(config) as context:
        from sqlmodel import select

        from monitor.store.engine import reading
        from monitor.store.tables import Source

        with reading(context.engine) as session:
            rows = session.exec(select(Source)).all()
        if rows:
            print()
            tell("configured sources:")
        for row in rows:
            state = row.last_status or ("nothing was sent yet" if row.next_due_at is None else "not read yet")
            why = f": {in_words(row.last_error)}" if row.last_error else ""
            print(f"{row.slug:22} {row.scraper:16} {in_words(state)}{why}")


@source_app.command("test")
def test_source(
    link: Annotated[str, typer.Argument(metavar="URL|NAME", help="A link to what you want to read, or a source.")],
    limit: Annotated[int, typer.Option(min=1, help="Items to print.")] = 5,
    config: ConfigOption = None,
) -> None:
    """Fetch the newest page behind a link, or of a configured source, and print what would be stored; store nothing."""
    from monitor.cli.data import item_line
    from monitor.pipeline.context import Context
    from monitor.pipeline.trying import attempt, target, unreadable

    common.configure_logs()
    context = Context(common.settings(config))
    scraper, params = target(context, link)
    say(f"scraper {scraper.meta.name}, parameters {json.dumps(_shown(params), ensure_ascii=False)}")
    if scraper.meta.pushed:
        say(f"others send to it: POST {context.settings.web.base_url or 'http://HOST:PORT'}/hooks/{link}, signed")
        return
    if why := unreadable(scraper, params):
        raise MonitorError(why)
    trial = attempt(context, scraper, params)
    for item in trial.items[:limit]:
        print(json.dumps(item_line(item), ensure_ascii=False))
    say(f"status: {trial.status}, items: {len(trial.items)}")
    if trial.note:
        say(trial.note)
    if trial.status not in {"ok", "empty"}:
        raise typer.Exit(3)


@source_app.command("add")
def add_source(
    url: Annotated[str, typer.Argument(help="A link to what you want to read.")],
    brand: Annotated[str, typer.Option(help="Identifier of the brand in the configuration.")],
    name: Annotated[
        str | None, typer.Option(help="Identifier of the source; made from the scraper if not given.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Append a source to the configuration file from a pasted link."""
    import scrapers.registry
    from monitor.config import find, load
    from monitor.pipeline.trying import unreadable

    file = find(config)
    if file is None:
        raise ConfigError("there is no monitor.toml to add to; `monitor init` writes one")
    settings = load(file)
    if brand not in settings.brands:
        raise ConfigError(f"--brand {brand!r} is unknown; allowed: {', '.join(settings.brands)}")
    found = scrapers.registry.match(url)
    if found is None:
        raise ConfigError(
            f"no scraper knows {url!r}; it must be a full http(s) link; see `monitor source list --verbose`"
        )
    scraper, params = found
    if why := unreadable(scraper, params):
        raise ConfigError(why)
    slug = _free_name(settings.sources, name, f"{brand}_{scraper.meta.name}")
    lines = ["", f"[sources.{slug}]", f"brand = {json.dumps(brand)}", f"scraper = {json.dumps(scraper.meta.name)}"]
    if given := _plain(params):
        lines.append(f"params = {_toml(given)}")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.rstrip("\n") + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    try:
        load(file)
    except ConfigError:
        file.write_text(text, encoding="utf-8")
        raise
    tell(f"added [sources.{slug}] to {file}")
    for credential in scraper.meta.credentials:
        optional = "" if scraper.meta.access in {"B", "C"} else "; without it less may be read"
        say(
            f"it takes {credential.name} ({credential.title}, from {credential.url}){optional}: in params, or as "
            f"MONITOR_SOURCES__{slug.upper()}__PARAMS__{credential.name.upper()}"
        )
    say(f"try it: `monitor source test {slug}`")


@source_app.command("new")
def new_source(
    name: Annotated[str, typer.Argument(help="Name of the scraper: lower case, as in my_site.")],
    url: Annotated[str, typer.Option(help="An example link.")] = "https://example.org/reviews",
    folder: Annotated[Path, typer.Option(help="Where the modules are.")] = Path("scrapers/sites"),
    samples: Annotated[Path, typer.Option(help="Where the samples of the tests are.")] = Path("tests/recorded"),
) -> None:
    """Start a new scraper: a declaration and a reader that works, with a sample; the conformance tests find them."""
    from monitor.cli import scaffold

    for path in scaffold.write(name, url, folder=folder, samples=samples):
        tell(f"file written: {path}")
    say(f"next: make the sample a page of your site, then `python -m pytest tests/conformance -k {name}`")


@query_app.command("test")
def test_query(
    query: Annotated[str, typer.Argument(help='A query, as in: (polden OR "кофейня полдень") NOT вакансия')],
    limit: Annotated[int, typer.Option(min=1, help="Hits to print.")] = 20,
    config: ConfigOption = None,
) -> None:
    """Which stored mentions a query hits."""
    from sqlmodel import col, select

    import scrapers.query
    from monitor.store.engine import reading
    from monitor.store.tables import Mention, Source

    compiled = scrapers.query.parse(query)
    with common.context(config) as context, reading(context.engine) as session:
        sources = {source.id: source.slug for source in session.exec(select(Source))}
        n = hits = 0
        for mention in session.exec(select(Mention).order_by(col(Mention.published_at).desc())):
            n += 1
            fields = {
                "text": f"{mention.title or ''}\n{mention.text}", "source": sources.get(mention.source_id, ""),
                "language": mention.language, "rating": mention.rating, "location": mention.location,
                "author": mention.author, "kind": mention.kind,
            }  # fmt: skip
            if compiled.matches(fields):
                hits += 1
                if hits <= limit:
                    words = " ".join(f"{mention.title or ''} {mention.text}".split())[:160]
                    print(f"{mention.published_at:%Y-%m-%d} {fields['source']}: {words}")
    say(f"{hits} of {n} stored mentions match")


def _free_name(taken: Mapping[str, Any], wanted: str | None, made: str) -> str:
    """The identifier asked for, or the one made up, with a number where that is taken. Raises ConfigError."""
    base = re.sub(r"[^a-z0-9_]", "_", (wanted or made).lower()).lstrip("_")
    if wanted is not None and base in taken:
        raise ConfigError(f"--name {wanted!r} is taken")
    slug, number = base, 2
    while slug in taken:
        slug, number = f"{base}_{number}", number + 1
    return slug


def _describe(scraper: Scraper) -> None:
    meta = scraper.meta
    tell(f"    terms of use: {meta.terms}")
    asks = "nobody, it is sent to you" if meta.pushed else ", ".join(meta.hosts) or "the address you give"
    tell(f"    asks: {asks}; kinds: {', '.join(meta.kinds)}; checked: {meta.verified}")
    if not meta.pushed:
        tell(
            f"    every {meta.interval_seconds} s, never sooner than {meta.min_interval_seconds} s; "
            f"{meta.host_interval_seconds:g} s between two requests to a host"
        )
        if meta.daily_requests:
            tell(f"    at most {meta.daily_requests} requests a day")
    if meta.rating_scale:
        tell(f"    ratings {meta.rating_scale[0]:g}..{meta.rating_scale[1]:g}")
    for key, field in scraper.params_type.model_fields.items():
        print(f"    {key}: {common.field_said(field)}")
    for credential in meta.credentials:
        tell(f"    credential {credential.name}: {credential.title}, from {credential.url}")
    for example in meta.url_examples:
        tell(f"    example: {example}")


def _plain(params: Any) -> dict[str, Any]:
    return {
        key: value for key, value in params.model_dump(mode="json", exclude_defaults=True).items() if value is not None
    }


def _shown(params: Any) -> dict[str, Any]:
    """The same for people to read: an address without the secrets in it."""
    from scrapers.http import without_secrets

    return {key: without_secrets(one) if isinstance(one, str) else one for key, one in _plain(params).items()}


def _toml(values: dict[str, Any]) -> str:
    """An inline table; strings, numbers, booleans and lists of them are the same in JSON and TOML."""
    return "{ " + ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()) + " }"

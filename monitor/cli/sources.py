"""Commands about sources and brand queries: what can be read, what a link would give, which mentions a query hits."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, say
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
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Terms, hosts, parameters, credentials.")] = False,
    config: ConfigOption = None,
) -> None:
    """Every scraper, with its access class; and the configured sources with their health."""
    import scrapers.registry
    from monitor.config import find

    for scraper in scrapers.registry.all():
        meta = scraper.meta
        print(f"{meta.name:22} {meta.access}  {meta.title}")
        if verbose:
            _describe(scraper)
    if find(config) is None:
        return
    with common.context(config) as context:
        from sqlmodel import select

        from monitor.store.engine import reading
        from monitor.store.tables import Source

        with reading(context.engine) as session:
            rows = session.exec(select(Source)).all()
        if rows:
            print("\nconfigured:")
        for row in rows:
            state = row.last_status or "not read yet"
            print(f"{row.slug:22} {row.scraper:16} {state}" + (f": {row.last_error}" if row.last_error else ""))


@source_app.command("test")
def test_source(
    url: Annotated[str, typer.Argument(help="A link to what you want to read.")],
    limit: Annotated[int, typer.Option(min=1, help="Items to print.")] = 5,
    config: ConfigOption = None,
) -> None:
    """Fetch the newest page behind a link and print what would be stored; nothing is stored."""
    import scrapers.registry
    from monitor.cli.data import item_line
    from monitor.pipeline.collect import client_settings
    from monitor.pipeline.context import Context
    from scrapers.http import Client

    common.configure_logs()
    found = scrapers.registry.match(url)
    if found is None:
        raise ConfigError(
            f"no scraper knows {url!r}; it must be a full http(s) link; see `monitor source list --verbose`"
        )
    scraper, params = found
    say(f"scraper {scraper.meta.name}, parameters {json.dumps(_plain(params), ensure_ascii=False)}")
    if scraper.meta.access == "D":
        raise MonitorError(f"{scraper.meta.name} reads saved pages only: {scraper.meta.terms}")
    context = Context(common.settings(config))

    async def fetch() -> Any:
        part = next(iter(scraper.slices(params)))
        request = scraper.request(params, part, None)
        if request is None:
            raise MonitorError(f"{scraper.meta.name} cannot fetch: {scraper.meta.terms}")
        async with Client(client_settings(context)) as client:
            return scraper.parse(await client.fetch(request, meta=scraper.meta))

    parsed = asyncio.run(fetch())
    for item in parsed.items[:limit]:
        print(json.dumps(item_line(item), ensure_ascii=False))
    say(f"status: {parsed.status}" + (f" ({parsed.note})" if parsed.note else "") + f", {len(parsed.items)} items")
    if parsed.status not in {"ok", "empty"}:
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

    file = find(config)
    if file is None:
        raise ConfigError("there is no monitor.toml to add to; `monitor init` writes one")
    settings = load(file)
    if brand not in settings.brands:
        raise ConfigError(f"--brand {brand!r} is unknown; allowed: {', '.join(settings.brands)}")
    found = scrapers.registry.match(url)
    if found is None:
        raise ConfigError(f"no scraper knows {url!r}; see `monitor source list --verbose`")
    scraper, params = found
    base = re.sub(r"[^a-z0-9_]", "_", (name or f"{brand}_{scraper.meta.name}").lower()).lstrip("_")
    slug, number = base, 2
    while slug in settings.sources:
        if name is not None:
            raise ConfigError(f"--name {name!r} is taken")
        slug, number = f"{base}_{number}", number + 1
    lines = ["", f"[sources.{slug}]", f"brand = {json.dumps(brand)}", f"scraper = {json.dumps(scraper.meta.name)}"]
    lines.append(f"params = {_toml(_plain(params))}")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.rstrip("\n") + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    try:
        load(file)
    except ConfigError:
        file.write_text(text, encoding="utf-8")
        raise
    print(f"added [sources.{slug}] to {file}")


@source_app.command("new")
def new_source(
    name: Annotated[str, typer.Argument(help="Name of the scraper: lower case, as in my_site.")],
    url: Annotated[str, typer.Option(help="An example link.")] = "https://example.org/reviews",
    folder: Annotated[Path, typer.Option(help="Where the modules are.")] = Path("scrapers/sites"),
) -> None:
    """Start a new scraper: one file with a declaration and a parser to fill, which the conformance tests find."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"{name!r}: a scraper's name is lower-case letters, digits and underscores")
    path = folder / f"{name}.py"
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; run this at the top of the repository, or give --folder")
    if path.exists():
        raise ConfigError(f"{path} is there already")
    class_name = "".join(part.capitalize() for part in name.split("_"))
    path.write_text(_TEMPLATE.format(name=name, class_name=class_name, url=url), encoding="utf-8")
    print(
        f"{path} written; put one saved page into tests/recorded/{name}/ with what it must give (docs/architecture.md)"
    )


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


def _describe(scraper: Scraper) -> None:
    meta = scraper.meta
    print(f"    terms: {meta.terms}")
    asks = "nobody, it is sent to you" if meta.pushed else ", ".join(meta.hosts) or "the address you give"
    print(f"    asks: {asks}; kinds: {', '.join(meta.kinds)}; checked: {meta.verified}")
    if not meta.pushed:
        print(
            f"    every {meta.interval_seconds} s, never sooner than {meta.min_interval_seconds} s; "
            f"{meta.host_interval_seconds:g} s between two requests to a host"
            + (f"; at most {meta.daily_requests} requests a day" if meta.daily_requests else "")
        )
    if meta.rating_scale:
        print(f"    ratings {meta.rating_scale[0]:g}..{meta.rating_scale[1]:g}")
    for key, field in scraper.params_type.model_fields.items():
        default = "required"
        if not field.is_required():
            default = f"default {field.get_default(call_default_factory=True)!r}"
        print(f"    {key}: {default}" + (f"  {field.description}" if field.description else ""))
    for credential in meta.credentials:
        print(f"    credential {credential.name}: {credential.title}, from {credential.url}")
    for example in meta.url_examples:
        print(f"    example: {example}")


def _plain(params: Any) -> dict[str, Any]:
    return {
        key: value for key, value in params.model_dump(mode="json", exclude_defaults=True).items() if value is not None
    }


def _toml(values: dict[str, Any]) -> str:
    """An inline table; strings, numbers, booleans and lists of them are the same in JSON and TOML."""
    return "{ " + ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()) + " }"


_TEMPLATE = '''"""Reader of {name}: say what is read, and by which address."""

from __future__ import annotations

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice, Status


class {class_name}Params(Params):
    """What a source of this site needs to know."""

    url: str = Field(description="Address of the page with the reviews.")


class {class_name}(Scraper):
    """One page of reviews, newest first."""

    meta = Meta(
        name="{name}",
        title="{class_name}",
        access="A",
        terms="Say what the site allows, and what to do instead where it does not.",
        url_examples={{"{url}": {{"url": "{url}"}}}},
    )
    params_type = {class_name}Params

    def match(self, url: str) -> {class_name}Params | None:
        return {class_name}Params(url=url) if url.startswith("{url}") else None

    def request(self, params, part: Slice, cursor: str | None, *, since=None) -> Request | None:
        return Request(cursor or params.url)

    def parse(self, page: Page) -> Parsed:
        return Parsed(Status.CHANGED, note="this reader does not know the page yet")
'''

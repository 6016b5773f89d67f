"""The page docs/sources.md, written from the declarations of the readers.

python -m scrapers.catalogue > docs/sources.md
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from scrapers import registry
from scrapers.base import Scraper

_CLASSES = {
    "A": "open: nothing is needed",
    "B": "a free key, token or account",
    "C": "paid, or the owner's access only",
    "D": "files only: pages or exports that a person saved",
}
_VERIFIED = {
    "against recordings": "reads real recorded answers of the site as the tests expect, field by field",
    "parse only": "written from the known structure of the site and tested with our own samples, without a recording",
    "live: not verified": "the same, and what it asks the site for was never tried against the site",
}


def markdown() -> str:
    """The whole page."""
    readers = registry.all()
    parts = [_HEAD.format(n=len(readers))]
    parts.append(_overview(readers))
    parts.append(_verification(readers))
    for letter, meaning in _CLASSES.items():
        chosen = [one for one in readers if one.meta.access == letter]
        if chosen:
            parts.append(f"## Class {letter}: {meaning}")
            parts.extend(_section(one) for one in chosen)
    return "\n\n".join(parts) + "\n"


_HEAD = """# Sources

<!-- Written by `python -m scrapers.catalogue` from the declarations in scrapers/sites; edit those, not this page. -->

{n} readers. Each one turns an answer or a page of its site into items. None of them was run against the live site
while it was written: the column "checked" says what stands behind it. `monitor source test URL` reads one page and
shows what came; `monitor source list --verbose` shows what is below.

Every reader can be tried on a saved file: `monitor parse NAME FILE`."""


def _overview(readers: list[Scraper]) -> str:
    rows = ["| name | site | class | gives | stars | checked |", "|---|---|---|---|---|---|"]
    for one in readers:
        meta = one.meta
        names = ", ".join([f"[`{meta.name}`](#{meta.name})", *(f"`{alias}`" for alias in meta.aliases)])
        stars = f"{meta.rating_scale[0]:g}..{meta.rating_scale[1]:g}" if meta.rating_scale else ""
        kinds = ", ".join(meta.kinds)
        rows.append(f"| {names} | {_cell(meta.title)} | {meta.access} | {kinds} | {stars} | {meta.verified} |")
    return "\n".join(rows)


def _verification(readers: list[Scraper]) -> str:
    counts = Counter[str](one.meta.verified for one in readers)
    lines = ['What "checked" means:', ""]
    lines.extend(f"- **{name}** ({counts[name]}): {meaning}." for name, meaning in _VERIFIED.items() if counts[name])
    return "\n".join(lines)


def _section(scraper: Scraper) -> str:
    meta = scraper.meta
    lines = [f'### <a id="{meta.name}"></a>{meta.title}', "", f"Name `{meta.name}`. {meta.terms}", ""]
    if meta.pushed:
        lines.append("- asks nobody: it is sent to you")
    elif meta.hosts:
        lines.append(f"- asks: {', '.join(f'`{host}`' for host in meta.hosts)}")
    elif scraper.params_type.model_fields:
        lines.append("- asks: the host of the address you give")
    else:
        lines.append("- asks nobody: reads files only")
    if not meta.pushed and (meta.hosts or scraper.params_type.model_fields):
        rhythm = f"every {_span(meta.interval_seconds)} (at most every {_span(meta.min_interval_seconds)})"
        rules = "robots.txt is obeyed" if meta.robots else "a documented API: robots.txt does not apply"
        lines.append(f"- pace: {rhythm}, {meta.host_interval_seconds:g} s between two requests to a host; {rules}")
    if meta.daily_requests:
        lines.append(f"- at most {meta.daily_requests} requests a day")
    if meta.docs:
        lines.append(f"- documentation: <{meta.docs}>")
    lines.extend(f"- needs `{one.name}`: {one.title}, from <{one.url}>" for one in meta.credentials)
    fields = _parameters(scraper)
    if fields:
        lines.extend(["", "| parameter | default | what it is |", "|---|---|---|", *fields])
    if meta.url_examples:
        lines.append("")
        lines.append("Links it recognises:")
        lines.append("")
        lines.extend(f"- `{url}`" for url in meta.url_examples)
    return "\n".join(lines)


def _parameters(scraper: Scraper) -> list[str]:
    rows: list[str] = []
    for name, field in scraper.params_type.model_fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        rows.append(f"| `{name}` | {default} | {_cell(field.description or '')} |")
    return rows


def _default(value: Any) -> str:
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, tuple):
        return f"`{', '.join(str(one) for one in value)}`"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`"


def _cell(value: str) -> str:
    return " ".join(value.replace("|", "\\|").split())


def _span(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            n = seconds // size
            return name if n == 1 else f"{n} {name}s"
    return f"{seconds} seconds"


if __name__ == "__main__":
    sys.stdout.write(markdown())

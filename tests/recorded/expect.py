"""Prints `recordings.json` of one folder of the shared recordings from what the reader gives now; a person checks it.

python -m tests.recorded.expect app_store > tests/recorded/app_store/recordings.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from scrapers import registry
from scrapers.base import Page
from scrapers.item import Item
from tests.conftest import shared_directory

DEFAULT_TIME = "2026-11-20T12:00:00+00:00"


def digest(value: str | None) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12] if value else ""


def row(item: Item) -> list[Any]:
    """What is compared of an item of a recording."""
    published = item.published_at.isoformat() if item.published_at else None
    edited = item.edited_at.isoformat() if item.edited_at else None
    return [item.external_id, published, edited, item.rating, digest(item.author), digest(item.text)]


def page_of(file: Path, entry: dict[str, Any]) -> Page:
    """The recorded page as the expectation describes it."""
    return Page(
        file.read_bytes(),
        url=entry.get("url", ""),
        fetched_at=datetime.fromisoformat(entry.get("fetched_at", DEFAULT_TIME)),
        status_code=entry.get("status_code", 200),
        headers=entry.get("headers", {}),
    )


def main(folder: str) -> None:
    shared = shared_directory()
    if shared is None:
        sys.exit("the folder `shared` is not beside the checkout")
    kept = Path(__file__).parent / folder / "recordings.json"
    old: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() and kept.stat().st_size else {}
    out: dict[str, Any] = {}
    for file in sorted(one for one in (shared / "recorded" / folder).iterdir() if one.suffix != ".md"):
        before = old.get(file.name, {})
        entry = {
            key: before[key] for key in ("scraper", "url", "fetched_at", "status_code", "headers") if key in before
        }
        parsed = registry.get(entry.get("scraper", folder)).parse(page_of(file, entry))
        print(
            f"== {file.name}: {parsed.status} {len(parsed.items)} next={parsed.next_cursor} {parsed.note or ''}",
            file=sys.stderr,
        )
        for item in parsed.items:
            print(f"   {item!r}"[:600], file=sys.stderr)
        entry["status"] = str(parsed.status)
        if parsed.gone:
            entry["gone"] = list(parsed.gone)
        entry["rows"] = [row(item) for item in parsed.items]
        out[file.name] = entry
    print(dumps(out))


def dumps(out: dict[str, Any]) -> str:
    """JSON with one row a line."""
    parts = []
    for name, entry in out.items():
        rows = ",\n   ".join(json.dumps(one, ensure_ascii=False) for one in entry["rows"])
        head = ", ".join(
            f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in entry.items() if k != "rows"
        )
        parts.append(f' {json.dumps(name)}: {{{head}, "rows": [{rows}]}}')
    return "{\n" + ",\n".join(parts) + "\n}"


if __name__ == "__main__":
    main(sys.argv[1])

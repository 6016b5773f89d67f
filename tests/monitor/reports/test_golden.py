"""The whole report of the written week, word for word, in both languages.

After a wanted change: UPDATE_GOLDEN=1 python -m pytest tests/monitor/reports/test_golden.py, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.reports.render import to_chat, to_markdown, to_text
from tests.monitor.reports.sample_week import a_week

GOLDEN = Path(__file__).parent / "golden"
LINK = "https://monitor.example/reports/cafe/2026-W46"


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("form", ["md", "txt", "chat.txt"])
def test_the_report_reads_as_it_did(form: str, language: str) -> None:
    write = {"md": to_markdown, "txt": to_text, "chat.txt": to_chat}[form]
    made = write(a_week(), language, link=LINK)
    path = GOLDEN / f"week.{language}.{form}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")

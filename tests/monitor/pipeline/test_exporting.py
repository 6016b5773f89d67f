"""Exports: what a spreadsheet can open."""

from __future__ import annotations

from pathlib import Path

from openpyxl import load_workbook

from monitor.pipeline import exporting


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(tmp_path: Path) -> None:
    row: dict[str, object] = dict.fromkeys(exporting.FIELDS, "=1")
    path = tmp_path / "mentions.xlsx"
    assert exporting._xlsx(iter([row] * 5), path, most=2) == 5
    book = load_workbook(path, read_only=True)
    held = {sheet.title: [cells[0] for cells in sheet.values] for sheet in book}
    assert held == {"mentions": ["id", "'=1", "'=1"], "mentions 2": ["id", "'=1", "'=1"], "mentions 3": ["id", "'=1"]}
    book.close()
    assert exporting._xlsx(iter([]), path) == 0
    assert load_workbook(path).sheetnames == ["mentions"]

# ruff: noqa: E501, DTZ001  (tables)
"""Files as people really have them: encodings, delimiters, wrong rows, hostile lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from scrapers import imports
from scrapers.errors import BadParams
from scrapers.imports import ImportRun, Row

FILES = Path(__file__).parent.parent / "files"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def run(content: bytes | str, name: str = "x.csv", **options: object) -> ImportRun:
    raw = content.encode() if isinstance(content, str) else content
    return imports.read_bytes(raw, name=name, now=NOW, **options)  # type: ignore[arg-type]


def good(found: ImportRun) -> list[Row]:
    rows = list(found)
    assert [one.error for one in rows if one.error] == []
    return rows


class TestFormats:
    def test_a_cp1251_file_with_semicolons(self) -> None:
        found = imports.read(FILES / "cp1251.csv")
        rows = good(found)
        assert (found.format, found.encoding, found.delimiter) == ("csv", "cp1251", ";")
        assert found.mapping == {"published_at": "Дата", "rating": "Оценка", "author": "Автор", "text": "Текст отзыва"}
        assert [one.number for one in rows] == [2, 3]
        first = rows[0].item
        assert first is not None
        assert (first.text, first.author, first.rating) == ("Курьер опоздал; еда холодная", "Лена", 2.0)
        assert first.published_at == datetime(2026, 11, 5, 14, 30, tzinfo=UTC)
        assert first.published_precision == "minute"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251", "koi8-r", "cp866"])
    def test_cyrillic_in_every_usual_encoding(self, encoding: str) -> None:
        source = "Дата,Текст\n2026-11-01,Очень долго ждали заказ\n2026-11-02,Всё понравилось, придём ещё\n".replace(
            ", п", " п"
        )
        rows = good(run(source.encode(encoding)))
        assert [one.item.text for one in rows if one.item] == ["Очень долго ждали заказ", "Всё понравилось придём ещё"]

    def test_western_letters_in_cp1252(self) -> None:
        rows = good(run("date;comment\n2026-11-01;Très déçu, où est mon café ?\n".encode("cp1252")))
        assert rows[0].item is not None and rows[0].item.text == "Très déçu, où est mon café ?"

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_every_delimiter(self, delimiter: str) -> None:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerows(
            [
                ["date", "rating", "text"],
                ["2026-11-01", "4", "ok, fine; really\tgood | yes"],
                ["2026-11-02", "1", "two\nlines"],
            ]
        )
        found = run(out.getvalue(), name="x.csv")
        rows = good(found)
        assert found.delimiter == delimiter
        assert [one.item.text for one in rows if one.item] == ["ok, fine; really good | yes", "two\nlines"]

    def test_excel_says_its_delimiter_in_the_first_line(self) -> None:
        rows = good(run("sep=;\r\ntext;rating\r\nfine, thanks;5\r\n"))
        assert rows[0].item is not None and rows[0].item.text == "fine, thanks"

    def test_json_lines_with_a_broken_one(self) -> None:
        lines = ['{"text": "one", "stars": 5}', "{broken", "", "[1]", '{"text": "two", "author": {"name": "Ann"}}']
        rows = list(run("\n".join(lines), name="x.jsonl"))
        assert [(one.number, one.error is None) for one in rows] == [(1, True), (2, False), (4, False), (5, True)]
        assert rows[3].item is not None and rows[3].item.author == "Ann"

    def test_a_json_document_with_rows_inside(self) -> None:
        found = imports.read(FILES / "reviews.json")
        rows = list(found)
        assert found.notes[0] == "rows are taken from 'reviews'"
        first = rows[0].item
        assert first is not None
        assert (first.external_id, first.author, first.rating, first.reply and first.reply.text) == (
            "a1",
            "Анна",
            4.0,
            "Спасибо!",
        )
        assert first.published_at == datetime(2026, 11, 15, tzinfo=UTC)
        assert first.published_precision == "relative"
        assert rows[1].item is not None and rows[1].item.rating is None
        assert rows[2].error == "date: '32 мая' is no date"

    def test_a_workbook(self, tmp_path: Path) -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for row in [
            [None],
            ["Дата", "Оценка", "Отзыв", "Город"],
            [datetime(2026, 11, 3), 10, "Отлично", "Омск"],
            [46000.5, 4, "Средне", None],
            [None] * 4,
        ]:
            sheet.append(row)
        book.save(tmp_path / "x.xlsx")
        found = imports.read(tmp_path / "x.xlsx")
        rows = good(found)
        assert [one.number for one in rows] == [3, 4]
        first, second = rows[0].item, rows[1].item
        assert first is not None and second is not None
        assert (first.rating, first.rating_scale, first.location) == (5.0, "1..10", "Омск")
        assert (first.published_at, first.published_precision) == (datetime(2026, 11, 3, tzinfo=UTC), "day")
        assert second.published_at == datetime(2025, 12, 9, 12, tzinfo=UTC)

    def test_parquet(self, tmp_path: Path) -> None:
        table = pa.table(
            {"text": ["one", None], "created_at": [datetime(2026, 11, 3, 5, tzinfo=UTC)] * 2, "likes": [3, 0]}
        )
        parquet.write_table(table, tmp_path / "x.parquet")
        rows = list(imports.read(tmp_path / "x.parquet"))
        assert rows[0].item is not None and rows[0].item.n_likes == 3
        assert rows[0].item.published_at == datetime(2026, 11, 3, 5, tzinfo=UTC)
        assert rows[1].error == "no text and no rating"

    def test_gzip(self) -> None:
        rows = good(run(gzip.compress(b"text\nfine words here\n"), name="x.csv.gz"))
        assert rows[0].item is not None and rows[0].item.text == "fine words here"

    def test_a_file_without_a_name_is_known_by_its_content(self) -> None:
        assert run('{"text": "a"}\n{"text": "b"}\n', name="upload").format == "jsonl"
        assert run('[{"text": "a"}]', name="upload").format == "json"
        assert run("From: a@example.org\nSubject: x\n\nbody\n", name="upload").format == "eml"
        assert run("From a@example.org Mon\nFrom: a@example.org\nSubject: x\n\nbody\n", name="upload").format == "mbox"

    def test_a_file_without_a_header(self) -> None:
        found = run("2026-11-01;5;Пришли вовремя, всё вежливо\n2026-11-02;1;Не пришли вовсе и не позвонили\n")
        assert [one.number for one in good(found)] == [1, 2]
        assert found.mapping == {"published_at": "1", "text": "3"}
        assert "no header" in found.notes[0]


class TestMeaning:
    def test_own_mapping_wins_and_is_checked(self) -> None:
        source = "a,b,text\nGood service today,2026-11-01,internal\n"
        rows = good(run(source, mapping={"text": "a", "date": "b"}))
        assert rows[0].item is not None
        assert (rows[0].item.text, rows[0].item.published_at) == (
            "Good service today",
            datetime(2026, 11, 1, tzinfo=UTC),
        )
        with pytest.raises(BadParams, match="field 'colour' is unknown; known: text, title"):
            run(source, mapping={"colour": "a"})
        with pytest.raises(BadParams, match="text=zzz: the file has no such column; it has: a, b, text"):
            run(source, mapping={"text": "zzz"})
        with pytest.raises(BadParams, match=r"write it as 1\.\.10"):
            run(source, mapping={"rating_scale": "ten"})

    def test_wrong_columns_are_named(self) -> None:
        with pytest.raises(BadParams, match=r"no column looks like the text.*Columns: x, y"):
            run("x,y\n1,2\n3,4\n")

    def test_ratings_of_other_scales(self) -> None:
        rows = good(run("text,rating\nbad,1\ngood,10\n"))
        assert [one.item.rating for one in rows if one.item] == [1.0, 5.0]
        rows = good(run("text,nps\nbad,0\ngood,10\n"))
        assert [(one.item.rating, one.item.rating_raw) for one in rows if one.item] == [(1.0, "0"), (5.0, "10")]
        rows = good(run("text,rating\nso so,3\n", mapping={"rating_scale": "1..10"}))
        assert rows[0].item is not None and rows[0].item.rating == pytest.approx(1.8889)

    def test_days_come_first_unless_the_file_or_the_locale_says_otherwise(self) -> None:
        def at(found: ImportRun) -> list[str]:
            return [str(one.item.published_at.date()) for one in good(found) if one.item and one.item.published_at]

        plain = "date,text\n03/04/2026,fine words\n"
        assert at(run(plain)) == ["2026-04-03"]
        assert "day/month/year" in " ".join(run(plain).notes)
        assert at(run(plain, locale="en_US")) == ["2026-03-04"]
        assert at(run("date,text\n03/04/2026,fine words\n03/25/2026,other words\n")) == ["2026-03-04", "2026-03-25"]
        assert at(run("дата,текст\n5 ноября 2026,слова слова\n", locale="ru")) == ["2026-11-05"]

    def test_the_time_zone_of_naive_times_can_be_given(self) -> None:
        rows = good(run("date,text\n2026-11-01 10:00,fine words\n", zone="Europe/Moscow"))
        assert rows[0].item is not None and rows[0].item.published_at == datetime(2026, 11, 1, 7, tzinfo=UTC)

    def test_columns_of_platform_product_place_and_customer(self) -> None:
        source = "Источник,Бренд,Филиал,Клиент,Отзыв\n2gis,Кофе Рядом,Лесная 1,C-17,Остыл кофе\n"
        rows = good(run(source))
        item = rows[0].item
        assert item is not None
        assert (item.origin, item.subject, item.location, item.customer) == ("2gis", "Кофе Рядом", "Лесная 1", "C-17")

    def test_pros_and_cons_become_one_text(self) -> None:
        rows = good(run("Достоинства,Недостатки,Комментарий\nбыстро,дорого,в целом да\n,шумит,\n"))
        assert [one.item.text for one in rows if one.item] == ["в целом да\n+ быстро\n− дорого", "− шумит"]

    def test_an_id_that_repeats_is_not_an_id(self) -> None:
        source = "id,text\n" + "".join(f"{n % 3},words number {n}\n" for n in range(30))
        found = run(source)
        assert "external_id" not in found.mapping
        assert len({one.item.external_id for one in good(found) if one.item}) == 30

    def test_equal_rows_stay_and_come_out_equal_again(self) -> None:
        source = "date,text\n2026-11-01,ок\n2026-11-01,ок\n"
        first = [one.item.external_id for one in good(run(source)) if one.item]
        again = [one.item.external_id for one in good(run(source)) if one.item]
        assert first == again
        assert len(set(first)) == 2


class TestTrouble:
    def test_missing_empty_and_wrong_files(self, tmp_path: Path) -> None:
        with pytest.raises(BadParams, match=r"nothing\.csv: there is no such file"):
            imports.read(tmp_path / "nothing.csv")
        with pytest.raises(BadParams, match="is not a file"):
            imports.read(tmp_path)
        (tmp_path / "empty.csv").touch()
        with pytest.raises(BadParams, match="the file is empty"):
            imports.read(tmp_path / "empty.csv")
        (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04 and no more")
        with pytest.raises(BadParams, match="no Excel workbook"):
            imports.read(tmp_path / "x.xlsx")
        with pytest.raises(BadParams, match="no Parquet file"):
            run(b"PAR1 and no more", name="x.parquet")
        with pytest.raises(BadParams, match="is not JSON"):
            run(b'[{"text": "a"', name="x.json")
        with pytest.raises(BadParams, match="gzip file is damaged"):
            run(b"\x1f\x8b\x08\x00broken", name="x.csv.gz")

    def test_bad_rows_are_numbered_and_the_rest_is_kept(self) -> None:
        source = "date,rating,text\n2026-11-01,5,fine\nyesterday-ish,4,when?\n2026-11-02,11,too much\n2026-11-02,,\n2026-11-03,3,ok,extra\n2026-11-04,2,last\n"
        found = run(source, mapping={"rating_scale": "1..5"})
        rows = list(found)
        assert {one.number: one.error for one in rows if one.error} == {
            3: "date: 'yesterday-ish' is no date",
            4: "rating: '11' is no rating on 1..5",
            5: "no text and no rating",
            6: "4 cells where the header has 3",
        }
        assert [one.item.text for one in rows if one.item] == ["fine", "last"]
        assert (found.n_rows, found.n_bad) == (6, 4)

    def test_a_line_of_fifty_megabytes_is_one_bad_row(self, tmp_path: Path) -> None:
        file = tmp_path / "x.csv"
        with file.open("wb") as out:
            out.write(b"text,rating\nfirst,5\n")
            for _ in range(50):
                out.write(b"x" * 1024 * 1024)
            out.write(b",1\nlast,4\n")
        rows = list(imports.read(file))
        assert [(one.number, one.error) for one in rows if one.error] == [(3, "the line is over 8 MB")]
        assert [one.item.text for one in rows if one.item] == ["first", "last"]

    def test_an_open_quote_does_not_swallow_memory(self, tmp_path: Path) -> None:
        file = tmp_path / "x.csv"
        with file.open("w") as out:
            out.write('text,rating\nfirst,5\n"never closed,1\n')
            for number in range(280_000):
                out.write(f"line number {number} of the rest,3\n")
        rows = list(imports.read(file))
        assert any(one.error == "cannot be read: a quote is not closed" for one in rows)
        assert rows[0].item is not None and rows[0].item.text == "first"

    def test_a_workbook_that_is_a_bomb_is_refused_before_it_unfolds(self) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/workbook.xml", b"0" * (40 * 1024 * 1024))
        with pytest.raises(BadParams, match="grows more than 200 times when unpacked"):
            imports.read_bytes(packed.getvalue(), name="x.xlsx")

    @pytest.mark.parametrize("row", [["a"] * 200_000, [f"c{n}" for n in range(200_000)]], ids=["same", "different"])
    def test_a_table_of_very_many_columns_is_refused(self, row: list[str]) -> None:
        for name, body in (("x.csv", ",".join(row)), ("x.json", json.dumps([dict.fromkeys(row, 1)]))):
            if name == "x.csv" or len(set(row)) > 1:
                with pytest.raises(BadParams, match="there are 200000 columns; at most 4096 are read"):
                    imports.read_bytes(f"{body}\n".encode(), name=name)

    def test_a_cell_in_the_last_corner_is_no_million_of_wide_rows(self) -> None:
        """Gaps of a workbook are filled up while it is read: five kilobytes were 17 thousand million cells."""
        book, packed = openpyxl.Workbook(), io.BytesIO()
        book.active["A1"], book.active["A2"], book.active["XFD1048576"] = "text", "cold soup", "x"
        book.save(packed)
        assert [one.item.text for one in imports.read_bytes(packed.getvalue(), name="x.xlsx") if one.item] == [
            "cold soup"
        ]

    @pytest.mark.parametrize(("entity", "used"), [
        ('SYSTEM "file:///etc/hostname"', "&x;"), (f'"{"b" * 60_000}"', "&x;" * 60_000),
    ], ids=["a file of ours", "gigabytes"])  # fmt: skip
    @pytest.mark.parametrize("row", [1, 2])
    def test_entities_of_a_workbook_are_not_unfolded(self, entity: str, used: str, row: int) -> None:
        book, packed = openpyxl.Workbook(), io.BytesIO()
        book.save(packed)
        rows = "".join(
            f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>{used if n == row else "text"}</t></is></c></row>'
            for n in (1, 2)
        )
        sheet = (
            f"<!DOCTYPE worksheet [<!ENTITY x {entity}>]><worksheet xmlns='http://schemas.openxmlformats.org/"
            f"spreadsheetml/2006/main'><sheetData>{rows}</sheetData></worksheet>"
        )
        hostile = io.BytesIO()
        with zipfile.ZipFile(packed) as old, zipfile.ZipFile(hostile, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, sheet if "sheet1" in name else old.read(name))
        try:
            found = [one.error or "" for one in imports.read_bytes(hostile.getvalue(), name="x.xlsx")]
        except BadParams as refused:
            found = [str(refused)]
        # where defusedxml is installed (the extra "audit" brings it) openpyxl refuses the book by itself
        assert all("damaged" in one or "invalid XML" in one for one in found) and len(found) == 1

    def test_a_workbook_that_is_damaged_in_the_middle_keeps_what_stands_before(self) -> None:
        book = openpyxl.Workbook()
        assert book.active is not None
        for row in [["id", "text"], *([str(n), f"words {n}"] for n in range(3000))]:
            book.active.append(row)
        whole = io.BytesIO()
        book.save(whole)
        damaged = io.BytesIO()
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, content[: len(content) // 2] if "sheet1" in name else content)
        rows = list(imports.read_bytes(damaged.getvalue(), name="x.xlsx"))
        assert rows[0].item is not None and rows[0].item.external_id == "0"
        assert 1000 < len(rows) < 2500
        assert [row.error is None for row in rows].count(False) == 1
        assert (rows[-1].error or "").startswith("the file is damaged from here on")

    def test_a_parquet_file_with_a_damaged_page(self, tmp_path: Path) -> None:
        table = pa.table({"id": [str(n) for n in range(5000)], "text": [f"words {n} {n * n}" for n in range(5000)]})
        file = tmp_path / "x.parquet"
        parquet.write_table(table, file, row_group_size=1000, compression="gzip", use_dictionary=False)
        content = bytearray(file.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 400] = b"\xff" * 400
        rows = list(imports.read_bytes(bytes(content), name="x.parquet"))
        assert rows[0].item is not None
        assert rows[-1].error is not None

    def test_progress_reaches_the_end(self, tmp_path: Path) -> None:
        file = tmp_path / "x.csv"
        file.write_text("text,rating\n" + "some words,5\n" * 100)
        seen: list[tuple[int, int]] = []
        list(imports.read(file, progress=lambda done, total: seen.append((done, total))))
        assert seen[-1] == (file.stat().st_size, file.stat().st_size)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(
        st.binary(max_size=400), st.sampled_from(["x.csv", "x.jsonl", "x.json", "x.eml", "x.mbox", "x.tsv", "upload"])
    )
    def test_any_bytes_give_rows_or_a_clear_refusal(self, content: bytes, name: str) -> None:
        try:
            rows = list(run(content, name=name))
        except BadParams as problem:
            assert name in str(problem) or str(problem)
            return
        assert all((one.item is None) != (one.error is None) for one in rows)

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.tuples(st.text(min_size=1, max_size=60), st.integers(1, 5)), min_size=1, max_size=8))
    def test_what_is_written_as_json_lines_comes_back(self, rows: list[tuple[str, int]]) -> None:
        source = "\n".join(json.dumps({"text": words, "rating": stars}, ensure_ascii=True) for words, stars in rows)
        found = list(run(source, name="x.jsonl"))
        assert len(found) == len(rows)
        assert [one.item.rating for one in found if one.item] == [float(stars) for _, stars in rows]

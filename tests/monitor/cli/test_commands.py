"""Every command on good and on bad input: the right exit code, a message that names what is wrong, nothing lost."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from models.base import Scorer
from tests.alerts.smtp_server import PASSWORD, USER, smtp
from tests.monitor.cli.conftest import Told


def table(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


REVIEWS = [
    {"id": "1", "дата": "20.11.2026 10:30", "отзыв": "Ждали долго, ужас", "оценка": "1", "филиал": "Мира 12"},
    {"id": "2", "дата": "21.11.2026 12:00", "отзыв": "Отлично, вкусно", "оценка": "5", "филиал": "Лесная 5"},
]


class TestScore:
    def test_lines_in_order(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = table(tmp_path / "in.csv", [{"text": "late and rude"}, {"text": "great"}, {"text": "so"}])
        told = run("score", path)
        lines = [json.loads(line) for line in told.out.splitlines()]
        assert told.code == 0
        assert [line["sentiment"] for line in lines] == ["negative", "positive", "neutral"]
        assert list(lines[0]) == [
            "text", "language", "sentiment", "p_negative", "p_neutral", "p_positive", "topics", "model",
        ]  # fmt: skip
        assert lines[0]["topics"][0] == {"topic": "waiting", "p": 0.9, "sentiment": "negative"}

    def test_stdin_and_rows_without_text(self, run: Callable[..., Told]) -> None:
        told = run("score", "-", stdin=b'{"text": "late"}\nnot json\n{"other": 1}\n{"text": "good"}\n')
        lines = [json.loads(line) for line in told.out.splitlines()]
        assert [line["sentiment"] for line in lines] == ["negative", None, None, "positive"]
        assert [lines[1]["error"], lines[2]["error"], told.code] == ["line 2 is not JSON", "no text", 0]

    def test_a_workbook(self, run: Callable[..., Told], tmp_path: Path) -> None:
        book = openpyxl.Workbook()
        for row in (("n", "Text"), (1, "late"), (2, None), (3, "great")):
            book.active.append(row)
        book.save(tmp_path / "in.xlsx")
        lines = [json.loads(line) for line in run("score", tmp_path / "in.xlsx").out.splitlines()]
        assert [line["sentiment"] for line in lines] == ["negative", None, "positive"]

    def test_an_interruption_says_what_is_done(
        self, run: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(scorer: Scorer, rows: Iterator[Any], text_of: Callable[[Any], Any]) -> Iterator[Any]:
            row = next(rows)
            yield row, scorer.score([text_of(row)])[0]
            raise KeyboardInterrupt

        monkeypatch.setattr("models.scorer.stream", interrupted)
        told = run("score", table(tmp_path / "in.csv", [{"text": "late"}, {"text": "good"}]))
        assert told.code == 130 and "judged and written: 1 rows" in told.err
        assert json.loads(told.out)["sentiment"] == "negative"

    def test_half_a_character(self, run: Callable[..., Told], tmp_path: Path) -> None:
        """Exports cut texts within an emoji: JSON may say half of it, UTF-8 cannot."""
        told = run("score", "-", "-o", tmp_path / "out.jsonl", stdin=b'{"text": "late \\ud83d"}\n{"text": "good"}\n')
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
        assert told.code == 0 and [line["text"] for line in lines] == ["late \ud83d", "good"]
        row = {"id": "1\ud83d", "text": "late \ud83d", "author": "\ud83d", "url": "http://example.org/\ud83d"}
        (tmp_path / "in.jsonl").write_text(json.dumps(row), encoding="utf-8")
        told = run("import", tmp_path / "in.jsonl", "--brand", "Кафе")
        assert told.code == 0 and "1 imported" in told.out

    def test_output_file(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = table(tmp_path / "in.csv", [{"text": "late"}])
        told = run("score", path, "-o", tmp_path / "deep" / "out.jsonl")
        assert (told.code, told.out) == (0, "")
        assert json.loads((tmp_path / "deep" / "out.jsonl").read_text(encoding="utf-8"))["sentiment"] == "negative"

    def test_cp1251(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = table(
            tmp_path / "in.csv", [{"id": str(n), "text": f"Ждали очень долго, {n}"} for n in range(20)], "cp1251", ";"
        )
        lines = [json.loads(line) for line in run("score", path).out.splitlines()]
        assert len(lines) == 20 and lines[3]["text"] == "Ждали очень долго, 3"

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("absent.csv", None, "no such file"),
            ("in.csv", b"a,b\n1,2\n", "no column `text`; its columns are: a, b"),
            ("in.doc", b"text\n", "allowed: .csv"),
            ("in.jsonl", b"<html></html>\n", "is not JSON"),
            ("in.jsonl", b'{"body": 1}\n', "no `text` key"),
            ("in.parquet", b"no parquet", "not a parquet file"),
            ("in.xlsx", b"no workbook", "is no Excel workbook"),
            ("in.csv", b"\x1b[31m,b\n1,2\n", "its columns are: \\x1b[31m, b"),
        ],
    )
    def test_bad_files(
        self, run: Callable[..., Told], tmp_path: Path, name: str, content: bytes | None, words: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        told = run("score", tmp_path / name)
        assert told.code == 2 and words in told.err and told.out == ""

    def test_empty_file(self, run: Callable[..., Told], tmp_path: Path) -> None:
        (tmp_path / "in.csv").write_bytes(b"")
        told = run("score", tmp_path / "in.csv")
        assert (told.code, told.out) == (0, "")


class TestParse:
    def test_a_feed(self, run: Callable[..., Told], tmp_path: Path) -> None:
        feed = (
            '<?xml version="1.0"?><rss version="2.0"><channel><title>t</title><link>https://example.org</link>'
            "<item><guid>g1</guid><title>Hello</title><description>World</description>"
            "<pubDate>Fri, 20 Nov 2026 10:00:00 +0300</pubDate></item></channel></rss>"
        )
        (tmp_path / "feed.xml").write_text(feed, encoding="utf-8")
        told = run("parse", "rss", tmp_path / "feed.xml", "--url", "https://example.org/feed")
        (item,) = [json.loads(line) for line in told.out.splitlines()]
        assert (item["external_id"], item["title"], item["published_at"]) == (
            "g1",
            "Hello",
            "2026-11-20T07:00:00+00:00",
        )
        assert told.code == 0 and "status: ok" in told.err

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>", 3),
            (b"<html><h1>502 Bad Gateway</h1></html>", 3),
            (bytes(range(256)) * 40, 3),
            (b"", 3),
        ],
    )
    def test_walls_and_garbage(self, run: Callable[..., Told], tmp_path: Path, content: bytes, code: int) -> None:
        (tmp_path / "page.html").write_bytes(content)
        told = run("parse", "schema_org", tmp_path / "page.html")
        assert (told.code, told.out) == (code, "") and "status:" in told.err

    def test_unknown_scraper_and_missing_file(self, run: Callable[..., Told], tmp_path: Path) -> None:
        told = run("parse", "telegramm", tmp_path / "x")
        assert told.code == 2 and "telegram" in told.err
        told = run("parse", "telegram", tmp_path / "absent.html")
        assert told.code == 2 and "absent.html" in told.err
        assert run("parse", "rss", tmp_path / "x", "--fetched-at", "yesterday").code == 2


class TestImport:
    def test_russian_table(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = table(tmp_path / "отзывы.csv", REVIEWS, "cp1251", ";")
        told = run("import", path, "--brand", "Кафе", "--locale", "ru")
        assert told.code == 0 and "2 imported" in told.out
        assert "cp1251" in told.err.lower().replace("windows-1251", "cp1251") and "text=отзыв" in told.err
        again = run("import", path, "--brand", "Кафе", "--locale", "ru")
        assert "0 imported, 0 updated, 2 known" in again.out
        told = run("export", "-o", tmp_path / "out.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
        assert told.code == 0 and [row["rating"] for row in rows] == [1.0, 5.0]
        assert rows[0]["location"] == "Мира 12" and rows[0]["text"] == "Ждали долго, ужас"
        assert rows[0]["published_at"].startswith("2026-11-20T10:30")

    def test_places_get_the_brand_s_own_spelling(self, run: Callable[..., Told], tmp_path: Path) -> None:
        (tmp_path / "monitor.toml").write_text(
            '[brands.cafe]\nname = "Cafe"\n'
            'locations = [{ name = "Main street", aliases = ["Мира 12"] },\n'
            '  { name = "Forest", aliases = ["Лесная 5"] }]\n'
        )
        assert run("import", table(tmp_path / "r.csv", REVIEWS), "--brand", "cafe").code == 0
        run("export", "-o", "all.csv")
        with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
            assert sorted(row["location"] for row in csv.DictReader(file)) == ["Forest", "Main street"]

    def test_bad_rows_are_named_and_the_rest_is_kept(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = tmp_path / "in.csv"
        path.write_text("id,date,text\n1,2026-11-20,fine\n2,the day after,late\n3,2026-11-21,good\n", encoding="utf-8")
        told = run("import", path, "--brand", "Cafe")
        assert told.code == 3
        assert "2 imported" in told.out and "row 3" in told.err

    def test_a_dry_run_stores_nothing(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = table(tmp_path / "in.csv", REVIEWS)
        assert "2 would be imported" in run("import", path, "--brand", "Кафе", "--dry-run").out
        assert "2 imported" in run("import", path, "--brand", "Кафе").out

    def test_a_line_of_50_megabytes(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = tmp_path / "in.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"id": "1", "date": "2026-11-20", "text": "fine, really"}) + "\n")
            file.write(json.dumps({"id": "2", "date": "2026-11-20", "text": "x" * 50_000_000}) + "\n")
            file.write(json.dumps({"id": "3", "date": "2026-11-20", "text": "good, too"}) + "\n")
        told = run("import", path, "--brand", "Cafe")
        assert told.code in {0, 3}
        run("export", "-o", tmp_path / "out.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
        assert {"fine, really", "good, too"} <= {row["text"] for row in rows}
        assert all(len(row["text"]) <= 20_000 for row in rows)

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("absent.csv", None, "no such file"),
            ("empty.csv", b"", "empty"),
            ("in.csv", b"alpha,beta\n1,2\n3,4\n", "alpha"),
            ("in.xlsx", b"PK not really", "in.xlsx"),
        ],
    )
    def test_bad_files(
        self, run: Callable[..., Told], tmp_path: Path, name: str, content: bytes | None, words: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        told = run("import", tmp_path / name, "--brand", "Cafe")
        assert told.code == 2 and words in told.err

    def test_bad_mapping(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = table(tmp_path / "in.csv", REVIEWS)
        assert "write field=column" in run("import", path, "--brand", "Кафе", "--map", "text").err
        told = run("import", path, "--brand", "Кафе", "--map", "text=комментарий")
        assert told.code == 2 and "комментарий" in told.err

    def test_unknown_brand_of_a_configuration(self, run: Callable[..., Told], tmp_path: Path) -> None:
        (tmp_path / "monitor.toml").write_text('[brands.cafe]\nname = "Cafe"\n', encoding="utf-8")
        told = run("import", table(tmp_path / "in.csv", REVIEWS), "--brand", "caffe")
        assert told.code == 2 and "allowed: cafe" in told.err


class TestExport:
    def test_formulas_are_made_harmless(self, run: Callable[..., Told], tmp_path: Path) -> None:
        path = table(
            tmp_path / "in.csv", [{"id": "1", "date": "2026-11-20", "text": '=HYPERLINK("https://example.org")'}]
        )
        run("import", path, "--brand", "Cafe")
        run("export", "-o", tmp_path / "out.csv")
        with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["text"].startswith("'=HYPERLINK")
        assert run("export", "-o", tmp_path / "out.xlsx").code == 0
        assert run("export", "-o", tmp_path / "out.parquet").code == 0

    def test_bad_requests(self, run: Callable[..., Told], tmp_path: Path) -> None:
        assert "allowed: .csv, .xlsx, .jsonl, .parquet" in run("export", "-o", tmp_path / "out.doc").err
        told = run("export", "-o", tmp_path / "out.csv", "--brand", "nobody")
        assert told.code == 2 and "nobody" in told.err
        assert run("export", "-o", tmp_path / "out.csv", "--since", "tomorrow").code == 2


class TestOperate:
    def test_an_unreachable_host(self, run: Callable[..., Told], tmp_path: Path) -> None:
        (tmp_path / "monitor.toml").write_text(
            """
[brands.cafe]
name = "Cafe"
[sources.gone]
brand = "cafe"
scraper = "rss"
params = { url = "http://127.0.0.1:9/feed" }
[http]
allow_private = ["127.0.0.1:9"]
""",
            encoding="utf-8",
        )
        told = run("once")
        assert told.code == 3 and "gone: unreachable" in told.err
        assert "fail  source gone: unreachable" in run("doctor", "--offline").out

    def test_a_wrong_mail_password(self, run: Callable[..., Told], tmp_path: Path) -> None:
        with smtp("starttls", tmp_path, auth=True) as inbox:
            (tmp_path / "monitor.toml").write_text(
                f"""
[channels.mail]
kind = "email"
[channels.mail.settings]
host = "127.0.0.1"
port = {inbox.port}
ca_file = "{inbox.ca_file}"
username = "{USER}"
password = "not the password"
sender = "monitor@luna.example"
recipients = ["team@luna.example"]
""",
                encoding="utf-8",
            )
            told = run("notify", "test", "mail")
            assert told.code == 1 and "mail:" in told.err and "password" in told.err.lower()
            assert "not the password" not in told.err + told.out
            assert "fail  channel mail" in run("doctor").out
            assert inbox.mails == []
            text = (tmp_path / "monitor.toml").read_text(encoding="utf-8")
            (tmp_path / "monitor.toml").write_text(text.replace("not the password", PASSWORD), encoding="utf-8")
            assert run("notify", "test", "mail").code == 0
            assert len(inbox.mails) == 1

    def test_private_addresses_are_refused(self, run: Callable[..., Told], tmp_path: Path) -> None:
        (tmp_path / "monitor.toml").write_text(
            '[brands.cafe]\nname = "Cafe"\n[sources.inside]\nbrand = "cafe"\nscraper = "rss"\n'
            'params = { url = "http://169.254.169.254/latest/meta-data" }\n',
            encoding="utf-8",
        )
        told = run("once")
        assert told.code == 3 and "169.254.169.254" in told.err

    def test_init_check_doctor(self, run: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MONITOR_LANGUAGE", "ru")
        told = run("init", "--brand", "Кофейня Полдень")
        assert told.code == 0 and "monitor.toml записан" in told.out
        assert "брендов 1" in run("config", "check").out
        assert run("init").code == 2
        assert json.loads(run("config", "show").out)["language"] == "ru"
        assert run("db", "upgrade").code == 0
        lines = json.loads(run("doctor", "--json", "--offline").out)
        assert {"configuration", "model", "disk", "store"} <= {line["check"] for line in lines}
        assert all(line["remedy"] for line in lines if line["status"] != "ok")
        assert "служба ещё не запускалась" in {line["message"] for line in lines}  # configured
        (tmp_path / "nowhere.toml").write_text("[model]\nname = './nowhere'\n", encoding="utf-8")
        done = run("doctor", "--json", "--offline", "--config", str(tmp_path / "nowhere.toml"))
        (model,) = (line for line in json.loads(done.out) if line["check"] == "model")
        assert done.code == 1 and model["status"] == "fail" and "./nowhere" in model["message"]

    def test_the_first_process_of_a_container_ends_before_it_has_started(self) -> None:
        inside = ["unshare", "--pid", "--fork", "--kill-child"]
        if shutil.which("unshare") is None or subprocess.run([*inside, "true"], capture_output=True).returncode:
            pytest.skip("a process of number 1 cannot be made here")
        life = "import os, time; from monitor.cli import end_when_told; end_when_told(); os.kill(1, 15); time.sleep(60)"
        assert subprocess.run([*inside, sys.executable, "-c", life], timeout=50, check=False).returncode == 143

    def test_usage(self, run: Callable[..., Told]) -> None:
        assert run("scroe").code == 2
        assert run("score").code == 2
        assert run("replay", "x.csv", "--brand", "b", "--out", "o", "--every", "often").code == 2
        assert run("report", "--week", "last").code == 2
        assert run("report", "--format", "doc").code == 2
        assert run("notify", "test", "nowhere").code == 2
        assert run("--version").code == 0

    def test_rules_are_listed_and_tried(self, run: Callable[..., Told], tmp_path: Path) -> None:
        (tmp_path / "monitor.toml").write_text(
            '[brands.cafe]\nname = "Cafe"\n[rules.bad_day]\nkind = "negative_count"\nmore_than = 2\n', encoding="utf-8"
        )
        today = datetime.now(UTC).replace(microsecond=0)
        assert run("rule", "test").out == "Cafe: no judged mention is stored yet, so there is nothing to test on\n"
        rows = [
            {"id": str(n), "date": (today - timedelta(days=30, minutes=n)).isoformat(), "text": f"late {n}"}
            for n in range(3)
        ]
        run("import", table(tmp_path / "in.csv", rows), "--brand", "cafe")
        old = {"id": "old", "date": (today - timedelta(days=400)).isoformat(), "text": "late long ago"}
        run("import", table(tmp_path / "old.csv", [old]), "--brand", "cafe")
        assert run("once").code == 0
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "monitor.sqlite")) as store, store:
            store.execute("UPDATE meta SET value = '2026-01-01T00:00:00+00:00' WHERE key = 'housekept_at'")
        assert run("once").code == 0
        run("export", "-o", "kept.jsonl")
        assert "late long ago" not in (tmp_path / "kept.jsonl").read_text(encoding="utf-8")  # cron keeps its word too
        listed = run("rule", "list").out
        assert "bad_day\tall brands\tmore than 2 negative mentions within 1d\twarning" in listed
        told = run("rule", "test", "bad_day", "--json")
        lines = [json.loads(line) for line in told.out.splitlines()]
        assert [(line["n_alarms"], line["configured"]) for line in lines] == [(1, False), (1, True), (0, False)], (
            told.out
        )
        assert lines[1]["n_false"] == 1 and lines[1]["hits"] == []
        shown = run("rule", "test")
        assert shown.code == 0 and shown.out.count(" 0 misses") == 3 and "nobody has confirmed" in shown.err
        (line,) = run("rule", "test", "--since", "7d", "--json").out.splitlines()
        assert json.loads(line)["n_mentions"] == 0 and "there is nothing to test on" in json.loads(line)["untested"]
        assert run("rule", "test", "nothing").code == 2
        assert run("rule", "test", "--since", "ages").code == 2
        assert run("rule", "test", "--brand", "tea").code == 2

    def test_purge_and_forget(self, run: Callable[..., Told], tmp_path: Path) -> None:
        rows = [{"id": str(n), "date": f"20{20 + n}-01-02", "text": f"text {n}", "author": "Anna"} for n in range(5)]
        run("import", table(tmp_path / "in.csv", rows), "--brand", "Cafe")
        assert run("purge", "--older-than", "ages").code == 2
        assert "mentions to erase: " in run("purge", "--older-than", "365d", "--dry-run").out
        told = run("forget", "--author", "Anna")
        assert told.out == "mentions erased: 5\n"
        assert run("forget").code == 2

    def test_backup_and_restore(self, run: Callable[..., Told], tmp_path: Path) -> None:
        run("import", table(tmp_path / "in.csv", REVIEWS), "--brand", "Кафе")
        assert run("db", "backup", "-o", tmp_path / "copy.sqlite").code == 0
        rest = [{**REVIEWS[0], "id": "9"}]
        run("import", table(tmp_path / "more.csv", rest), "--brand", "Кафе")
        assert run("db", "restore", tmp_path / "copy.sqlite").code == 2
        assert run("db", "restore", tmp_path / "copy.sqlite", "--force").code == 0
        run("export", "-o", tmp_path / "out.jsonl")
        assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 2
        assert list((tmp_path / "data").glob("monitor.before-*.sqlite"))
        (tmp_path / "junk.sqlite").write_bytes(b"junk" * 500)
        assert run("db", "restore", tmp_path / "junk.sqlite", "--force").code == 2
        with (tmp_path / "data" / "monitor.sqlite").open("r+b") as store:  # a disk that lost a page
            store.seek(8192)
            store.write(b"\xff" * 4096)
        for told in (run("db", "check", "--repair"), run("db", "backup", "-o", tmp_path / "copy.sqlite")):
            assert told.code == 1
            assert "damaged" in told.out + told.err
        assert run("db", "restore", tmp_path / "copy.sqlite", "--force").code == 0, "the backup before it is whole"
        (tmp_path / "data" / "monitor.sqlite").write_bytes(b"junk" * 5000)
        assert run("db", "restore", tmp_path / "copy.sqlite", "--force").code == 0, "nothing of the store is left"
        assert run("db", "check").code == 0


def test_help_needs_no_heavy_library() -> None:
    import subprocess

    code = (
        "import sys\nsys.argv = ['monitor', '--help']\nimport monitor.cli\n"
        "try:\n    monitor.cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'sqlmodel', 'matplotlib', 'sklearn', 'onnxruntime'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class TestLearning:
    def test_topics_of_ones_own(self, run: Callable[..., Told]) -> None:
        assert run("topic", "add", "parking", "--name", "Parking", "--keyword", "parking*").code == 0
        listed = run("topic", "list")
        assert (listed.code, listed.out.strip()) == (0, "parking: Parking; 0 examples, 1 keywords; not fitted")
        assert run("topic", "add", "delivery").code == 2
        missing = run("topic", "fit", "gardens")
        assert missing.code == 2
        assert "there are: parking" in missing.err
        assert run("topic", "remove", "parking").code == 0
        assert "not in use" in run("topic", "list").out

    def test_versions_of_what_was_learnt(self, run: Callable[..., Told]) -> None:
        told = run("model", "versions")
        assert (told.code, told.out) == (0, "")
        assert "in use: the plain network" in told.err
        assert run("model", "revert").code == 2

    def test_the_past_is_judged_again(self, run: Callable[..., Told]) -> None:
        told = run("model", "rescore", "--since", "2026-11-01")
        assert (told.code, told.out.strip()) == (0, "0 judged again, 0 could not be judged")

    def test_an_encoder_to_keep_must_be_named(self, run: Callable[..., Told], tmp_path: Path) -> None:
        told = run("model", "train", "--data", tmp_path, "--steps", "0")
        assert told.code == 2
        assert "--init" in told.err

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from models.base import Judgement, Sentiment, Span, TopicTag
from models.errors import ModelError
from models.evaluate import evaluate, interval, table
from models.labelled import read


class Parrot:
    """Judges what the text says: "negative", "price:positive"; a text "?" cannot be judged."""

    name, revision = "parrot", "1"

    def score(
        self,
        texts: Sequence[str],
        *,
        languages: Sequence[str | None] | None = None,
        ratings: Sequence[float | None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Judgement]:
        return [self._judge(text) for text in texts]

    def _judge(self, text: str) -> Judgement:
        if text == "?":
            return Judgement(None, None, 0, 0, 0, (), "parrot@1", error="cannot")
        said: Sentiment = next((s for s in ("negative", "positive") if text.startswith(s)), "neutral")  # type: ignore[assignment]
        p = {"negative": 0.1, "neutral": 0.1, "positive": 0.1} | {said: 0.8}
        tags = tuple(
            TopicTag(word.split(":")[0], 0.9, word.split(":")[1])  # type: ignore[arg-type]
            for word in text.split()
            if ":" in word
        )
        return Judgement("en", said, p["negative"], p["neutral"], p["positive"], tags, "parrot@1")

    def highlight(self, text: str, *, topic: str | None = None) -> list[Span]:
        return []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.zeros((len(texts), 2), np.float32)


ROWS = [
    ("negative 1", "negative", "en"),
    ("negative 2", "positive", "en"),
    ("positive 3", "positive", "ru"),
    ("neutral 4", "1", "ru"),
    ("?", "2", "ru"),
    ("neutral 5", "angry", "ru"),
]


def write(path: Path, kind: str) -> Path:
    target = path / f"labelled.{kind}"
    if kind == "csv":
        target.write_text("text,label,language\n" + "".join(f"{a},{b},{c}\n" for a, b, c in ROWS), encoding="utf-8-sig")
    elif kind == "jsonl":
        rows = [json.dumps({"text": a, "label": b, "language": c}) for a, b, c in ROWS]
        target.write_text("\n".join(rows), encoding="utf-8")
    elif kind == "xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        for row in (("Text ", "label", "Language"), (), *ROWS):
            book.active.append(row)
        book.save(target)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(
            pa.Table.from_pylist([dict(zip(("text", "label", "language"), r, strict=True)) for r in ROWS]), target
        )
    return target


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx", "parquet"])
def test_the_table_by_hand(tmp_path: Path, kind: str) -> None:
    found = evaluate(write(tmp_path, kind), scorer=Parrot(), by=("language",))
    everything, english, russian = found.rows
    # labels: neg pos pos neu pos; said: neg neg pos neu -
    assert (everything.n, everything.n_failed) == (5, 1)
    assert everything.accuracy.value == pytest.approx(3 / 5)
    assert everything.f1 == pytest.approx({"negative": 2 / 3, "neutral": 1.0, "positive": 1 / 2})
    assert everything.macro_f1.value == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert everything.macro_f1.low <= everything.macro_f1.value <= everything.macro_f1.high
    # of the four judged, three are right at a confidence of 0.8
    assert everything.calibration_error == pytest.approx(0.05)
    (bin,) = everything.curve
    assert (bin.n, bin.confidence, bin.accuracy) == (4, pytest.approx(0.8), 3 / 4)
    assert english.f1["neutral"] is None
    assert english.value == "en"
    assert russian.n == 3
    assert len(found.skipped) == 1
    assert "row 6: label 'angry'" in found.skipped[0]
    text = table(found)
    assert "language ru" in text
    assert "60.0" in text


def test_topics_are_measured_where_they_were_labelled_for(tmp_path: Path) -> None:
    target = tmp_path / "topics.jsonl"
    rows = [{"text": f"price:positive {i}", "topics": "price", "sentiments": "2"} for i in range(10)]
    rows += [{"text": f"nothing {i}", "topics": "price", "sentiments": "0"} for i in range(2)]
    rows += [{"text": f"price:negative {i}", "topics": ""} for i in range(5)]
    rows = [{**row, "labelled_for": "price"} for row in rows]
    rows += [{"text": f"price:negative {i}", "topics": "staff", "labelled_for": "staff"} for i in range(5)]
    target.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = evaluate(target, scorer=Parrot())
    (price,) = found.topics
    assert (price.topic, price.n, price.n_positive) == ("price", 17, 12)
    assert price.precision == pytest.approx(10 / 15)
    assert price.recall == pytest.approx(10 / 12)
    assert price.sentiment_accuracy == 1.0
    assert found.topic_macro_f1 == price.f1.value
    assert found.rare_topics == ("staff",)
    assert "price" in table(found) and "left out: staff" in table(found)


@pytest.mark.parametrize(
    ("delimiter", "encoding", "topics", "sentiments"),
    [
        (";", "cp1251", '"price, staff"', '"negative, positive"'),
        (",", "utf-16", "price;staff", "0;2"),
        ("|", "utf-8", "['price', 'staff']", "[0, 2]"),
        ("\t", "utf-8-sig", '["price", "staff"]', '"neg;pos"'),
    ],
)
def test_a_table_as_other_programs_write_it(
    tmp_path: Path, delimiter: str, encoding: str, topics: str, sentiments: str
) -> None:
    def line(*cells: str) -> str:
        quoted = (f'"{c}"' if delimiter in c and c[0] != '"' else c for c in cells)
        return delimiter.join(quoted) + "\r\n"

    target = tmp_path / "table.csv"
    body = line("Text ", "Label", "topics", "Sentiments") + line(
        "Дорого, но кассир отличный", "2.0", topics, sentiments
    )
    target.write_bytes((body + line("Плохо, и на словах, и на деле", "neg", "", "")).encode(encoding))
    (first, second), skipped = read(target, encoding=encoding if encoding == "cp1251" else None)
    assert skipped == []
    if encoding == "cp1251":
        with pytest.raises(ModelError, match="not utf-8"):
            read(target)
    assert (first.text, first.label) == ("Дорого, но кассир отличный", 2)
    assert first.topics == {"price": 0, "staff": 2}
    assert (second.text, second.label, second.topics) == ("Плохо, и на словах, и на деле", 0, {})


def test_rows_that_cannot_be_used_are_named_with_the_reason(tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    rows = [
        {"text": "good", "label": "positive"},
        {"text": None, "label": 2},
        {"text": "good", "label": None},
        {"text": "good", "label": True},
        {"text": "good", "topics": ["price", "staff"], "sentiments": [2]},
        {"text": "good", "topics": ["price"], "sentiments": ["fine"]},
        {"text": "price:positive", "topics": ["price", "stafff"], "sentiments": [2, -1]},
        [1, 2],
    ]
    target.write_text("\n".join(map(json.dumps, rows)) + "\nnot json\n", encoding="utf-8")
    examples, skipped = read(target)
    assert [example.label for example in examples] == [2, None]
    assert examples[1].topics == {"price": 2, "stafff": None}
    reasons = ["row 2: no text", "row 3: no label", "row 4: label True", "row 5: 2 topics, but 1 sentiments",
               "row 6: sentiment 'fine'", "row 8: a JSON object", "row 9: not JSON"]  # fmt: skip
    assert all(found.startswith(reason) for found, reason in zip(skipped, reasons, strict=True))
    found = evaluate(target, scorer=Parrot())
    assert found.unknown_topics == ("stafff",)
    assert "does not know: stafff" in table(found)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "words,label\nx,0\n", "column 'text' is missing; there are: words, label"),
        ("a.csv", "text,stars\nx,0\n", "neither a column 'label' nor 'topics'"),
        ("a.csv", "text,label\nx,hot\n", "no labelled row"),
        ("a.jsonl", "{\n", "no labelled row .row 1: not JSON"),
        ("a.parquet", "text", "not a parquet file"),
        ("a.xlsx", "text", "is no Excel workbook"),
        ("a.txt", "x", r"\.txt; csv, tsv, jsonl, xlsx and parquet can be read"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    target = tmp_path / name
    target.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=message) as caught:
        evaluate(target, scorer=Parrot())
    assert name in str(caught.value)


def test_the_interval_has_its_nominal_width() -> None:
    """A share of 0.3 of 400: the normal approximation gives 0.3 +- 0.045."""
    values = np.arange(400) < 120
    found = interval(lambda at: float(values[at].mean()), 400, np.random.default_rng(0))
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx(0.255, abs=0.012)
    assert found.high == pytest.approx(0.345, abs=0.012)

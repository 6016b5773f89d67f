"""A small made-up data set in the shape of the real one: three languages, two kinds of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.labels import TOPICS
from models.training.config import TrainConfig, profile

GOOD = {
    "en": ["great", "lovely", "friendly", "excellent"],
    "ru": ["отличный", "прекрасный", "вежливый", "супер"],
    "zh": ["很好", "不错", "喜欢", "满意"],
}
BAD = {
    "en": ["awful", "rude", "late", "broken"],
    "ru": ["ужасный", "грубый", "медленный", "плохой"],
    "zh": ["很差", "糟糕", "失望", "太慢"],
}
PLAIN = {
    "en": ["monday", "number", "table", "today"],
    "ru": ["понедельник", "номер", "стол", "сегодня"],
    "zh": ["星期一", "号码", "桌子", "今天"],
}
THINGS = {
    "delivery": {"en": "delivery courier", "ru": "доставка курьер", "zh": "配送"},
    "food": {"en": "soup dinner", "ru": "суп ужин", "zh": "汤 晚饭"},
    "staff": {"en": "waiter staff", "ru": "официант персонал", "zh": "服务员"},
}


def sentence(rng: np.random.Generator, language: str, label: int, thing: str | None = None) -> str:
    """A few words that give the label away, with a number that makes the text unique."""
    words = list(rng.choice((BAD, PLAIN, GOOD)[label][language], size=3))
    if thing is not None:
        words.insert(1, THINGS[thing][language])
    return f"{' '.join(words)} {rng.integers(1_000_000)}"


def write_data(folder: Path, *, n_rows: int = 240, seed: int = 7) -> Path:
    """Write sentiment/<language>.parquet and topics/<language>.parquet; the folder."""
    rng = np.random.default_rng(seed)
    for kind in ("sentiment", "topics"):
        (folder / kind).mkdir(parents=True)
    for language in GOOD:
        labels = rng.integers(0, 3, n_rows)
        source = ["shop_reviews" if index % 2 else "tweets" for index in range(n_rows)]
        split = ["dev" if index % 3 == 0 else "train" for index in range(n_rows)]
        columns = {
            "text": [sentence(rng, language, int(label)) for label in labels],
            "label": pa.array(labels, pa.int8()),
            "stars": pa.nulls(n_rows, pa.int8()),
            "source": source,
            "domain": ["shop"] * n_rows,
            "split": split,
        }
        pq.write_table(pa.table(columns), folder / "sentiment" / f"{language}.parquet")
        rows = []
        for index in range(n_rows):
            thing, label = list(THINGS)[index % 3], int(rng.integers(0, 3))
            rows.append(
                {
                    "text": sentence(rng, language, label, thing),
                    "topics": [thing],
                    "sentiments": [label],
                    "overall": None,
                    "source": "restaurants",
                    "domain": "restaurant",
                    "split": "dev" if index % 3 == 0 else "train",
                    "labelled_for": ["delivery", "food", "staff", "price"],
                }
            )
        schema = pa.schema(
            [
                ("text", pa.string()),
                ("topics", pa.list_(pa.string())),
                ("sentiments", pa.list_(pa.int8())),
                ("overall", pa.int8()),
                ("source", pa.string()),
                ("domain", pa.string()),
                ("split", pa.string()),
                ("labelled_for", pa.list_(pa.string())),
            ]
        )
        pq.write_table(pa.Table.from_pylist(rows, schema), folder / "topics" / f"{language}.parquet")
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up data set."""
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def tiny(data: Path, tmp_path: Path) -> TrainConfig:
    """The tiny profile on the made-up data, in its own folders."""
    assert len(TOPICS) == 19
    return profile("tiny", data=data, work=tmp_path / "work", out=tmp_path / "model")

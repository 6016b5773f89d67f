"""Which rows a run sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import TrainingError
from models.labels import TOPICS
from models.training.config import TrainConfig, profile
from models.training.data import DEV, HELD_OUT, TRAIN, agreed_sentiment, read, text_key
from models.training.licences import EXCLUDED
from models.training.weak import add_weak_topics, triggers


def test_both_sets_become_one_table(tiny: TrainConfig) -> None:
    corpus = read(tiny)
    assert len(corpus) == 6 * 240
    assert corpus.sources == ["sentiment/shop_reviews", "sentiment/tweets", "topics/restaurants"]
    row = int(np.flatnonzero(corpus.is_topic)[0])
    names = {name for index, name in enumerate(TOPICS) if corpus.topics[row] >> index & 1}
    assert names == {"delivery"}
    labelled = {name for index, name in enumerate(TOPICS) if corpus.labelled[row] >> index & 1}
    assert labelled == {"delivery", "food", "staff", "price"}
    assert corpus.topic_sentiment[row, TOPICS.index("delivery")] in (0, 1, 2)
    assert corpus.topic_sentiment[row, TOPICS.index("food")] == -1


@pytest.mark.parametrize(
    ("polarities", "expected"), [([2, 2], 2), ([0], 0), ([0, 2], -1), ([1, None], 1), ([-1], -1), ([], -1)]
)
def test_topics_of_one_mind_give_the_row_its_sentiment(polarities: list[int | None], expected: int) -> None:
    assert agreed_sentiment(polarities) == expected


def test_a_text_never_sits_on_both_sides_of_a_split(tmp_path: Path) -> None:
    (tmp_path / "sentiment").mkdir()
    texts = ["Good food!", "good FOOD", "@someone good food http://a.b/c", "bad food"]
    table = {
        "text": texts,
        "label": pa.array([2, 2, 2, 0], pa.int8()),
        "source": ["s"] * 4,
        "split": ["dev", "train", "train", "train"],
    }
    pq.write_table(pa.table(table), tmp_path / "sentiment" / "en.parquet")
    corpus = read(profile("tiny", data=tmp_path))
    assert [corpus.texts[i] for i in np.flatnonzero(corpus.split == TRAIN)] == ["bad food"]
    assert [corpus.texts[i] for i in np.flatnonzero(corpus.split == DEV)] == ["Good food!"]


@pytest.mark.parametrize(("first", "second"), [("Ok!", "ok"), ("@a good", "good"), ("see www.x.y z", "SEE z.")])
def test_copies_share_a_key(first: str, second: str) -> None:
    assert text_key(first) == text_key(second)


def test_sources_that_may_not_ship_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "sentiment").mkdir()
    table = {
        "text": ["a b c", "d e f"],
        "label": pa.array([2, 0], pa.int8()),
        "source": ["rusentiment", "free"],
        "split": ["train", "train"],
    }
    pq.write_table(pa.table(table), tmp_path / "sentiment" / "ru.parquet")
    config = profile("tiny", data=tmp_path)
    assert read(config).sources == ["sentiment/free"]
    assert read(replace(config, licences="all")).sources == ["sentiment/free", "sentiment/rusentiment"]


def test_every_exclusion_states_a_reason() -> None:
    assert all(reason.partition(":")[0] in ("non-commercial", "research only", "GPL") for reason in EXCLUDED.values())


def test_held_out_sources_are_in_neither_training_nor_development(tiny: TrainConfig) -> None:
    corpus = read(replace(tiny, held_out=("tweets",)))
    tweets = corpus.source == corpus.sources.index("sentiment/tweets")
    assert set(corpus.split[tweets]) == {HELD_OUT}
    assert HELD_OUT not in corpus.split[~tweets]


def test_an_unknown_held_out_source_is_named(tiny: TrainConfig) -> None:
    with pytest.raises(TrainingError, match=r"'twets'.*shop_reviews"):
        read(replace(tiny, held_out=("twets",)))


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no sentiment"):
        read(profile("tiny", data=tmp_path))


def test_unknown_profile_and_setting_are_named() -> None:
    with pytest.raises(ValueError, match=r"'huge'.*small"):
        profile("huge")
    with pytest.raises(ValueError, match=r"'epocs'.*ngram_epochs"):
        profile("small", epocs=3)


LEXICON = {
    "substring_languages": ["zh"],
    "topics": {
        "payment": {"en": ["pay*", "credit card"], "zh": ["支付"]},
        "food": {"en": ["soup"], "de": ["suppe*"]},
    },
}


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        ("en", "i paid by credit card", True),
        ("en", "the payment failed", True),
        ("en", "they repay", False),
        ("zh", "无法支付订单", True),
    ],
)
def test_triggers_follow_the_rules_of_the_lexicon(language: str, text: str, found: bool) -> None:
    pattern = triggers(LEXICON, "payment", language)
    assert pattern is not None
    assert bool(pattern.search(text)) is found


def test_weak_topics_go_to_unlabelled_training_rows_only(tiny: TrainConfig) -> None:
    corpus = read(tiny)
    row = int(np.flatnonzero((corpus.split == TRAIN) & ~corpus.is_topic & (corpus.language == 0))[0])
    assert corpus.languages[0] == "en"
    corpus.texts[row] = "I want to PAY for the soup"
    before = corpus.topics[corpus.is_topic].copy()
    assert add_weak_topics(corpus, LEXICON) == int((corpus.weak).sum()) > 0
    # English has rows in the topic data, so only thin topics are decided by words: payment, not food.
    assert corpus.topics[row] == 1 << TOPICS.index("payment")
    assert corpus.labelled[row] == 1 << TOPICS.index("payment")
    assert not corpus.weak[corpus.is_topic | (corpus.split != TRAIN)].any()
    assert np.array_equal(corpus.topics[corpus.is_topic], before)

"""The bundled sample as its writer meant it, fed once for all tests about customers."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models.base import Judgement, TopicTag
from monitor.pipeline.context import Context
from monitor.pipeline.customers import load_sample
from monitor.pipeline.importing import import_file
from monitor.pipeline.sample import _arrange, sample_settings
from monitor.pipeline.score import score
from monitor.store.catalogue import synchronise
from monitor.store.engine import writing
from monitor.store.ingest import rating_sentiment
from tests.monitor import support
from tests.monitor.support import WordScorer

SAMPLE = _arrange()
UNTIL = SAMPLE.COMMITTED_UNTIL
TOP = {"nps": 10, "csat": 5, "ces": 7}
ZONE = ZoneInfo("Europe/Moscow")
CHANGED_AT = datetime.combine(SAMPLE.story(UNTIL).change_day, time(0), ZONE)


class Intended(WordScorer):
    """Judges the sample's texts as the person who wrote them meant them."""

    name, revision = "intended", "1"

    def __init__(self) -> None:
        super().__init__()
        self.labels = {text["text"]: text for text in (*SAMPLE.texts(), *SAMPLE.survey_texts())}

    def _judge(self, text: str) -> Judgement:
        label = self.labels.get(text) or next(
            label for words, label in self.labels.items() if text.endswith(words) or words.startswith(text)
        )
        sentiment: Any = label.get("sentiment") or rating_sentiment(1 + 4 * int(label["score"]) / TOP[label["survey"]])
        p = {name: 0.9 if name == sentiment else 0.05 for name in ("negative", "neutral", "positive")}
        tags = tuple(TopicTag(tag["topic"], 0.9, tag["sentiment"]) for tag in label.get("topics", ()))
        return Judgement(label["language"], sentiment, p["negative"], p["neutral"], p["positive"], tags, "intended@1")


@pytest.fixture(scope="session")
def cafe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    folder = tmp_path_factory.mktemp("cafe")
    made = Context(sample_settings(folder), clock=lambda: UNTIL, rng=random.Random(1), scorer=Intended())
    support.migrated(made.engine)
    with writing(made.engine) as session:
        synchronise(session, made.settings, now=UNTIL)
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=SAMPLE.FEEDBACK_COLUMNS)
    writer.writeheader()
    writer.writerows(SAMPLE.arrange(UNTIL))
    feedback = folder / "feedback.csv"
    feedback.write_text(table.getvalue(), encoding="utf-8")
    import_file(made, feedback, brand="polden")
    score(made)
    answered, ordered = load_sample(made, UNTIL)
    assert (answered.bad_rows, ordered.bad_rows) == ([], [])
    assert answered.n_new == 821 and ordered.n_new > 3000
    assert [result.n_new for result in load_sample(made, UNTIL)] == [0, 0]
    yield made
    made.engine.dispose()

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.adapt import Adapter, AdapterStore, Labelled, fit
from models.backend import Outputs
from models.errors import ModelError, TrainingError
from models.scorer import ModelScorer

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Leaning:
    """Calls everything with "meh" neutral (the user means negative), and judges the rest rightly."""

    name, revision, topics = "leaning", "1", ()
    thresholds = np.zeros(0, np.float32)
    at_once = 1

    def predict(self, texts: Sequence[str]) -> Outputs:
        p, vectors = [], []
        for text in texts:
            kind = 1 if "meh" in text or "fine" in text else 2 if "good" in text else 0
            jitter = (len(text) % 7) / 100
            p.append(np.roll([0.7 - jitter, 0.15 + jitter, 0.15], kind))
            vectors.append(
                [("meh" in text) * 1.0, ("good" in text) * 1.0, ("bad" in text) * 1.0, ("fine" in text) * 1.0, 0.3]
            )
        sentiment = np.array(p, np.float32).reshape(-1, 3)
        return Outputs(sentiment, None, None, np.array(vectors, np.float32).reshape(-1, 5))


def words(kind: str, n: int) -> list[str]:
    return [f"{kind} {'x' * (i % 11)} {i}" for i in range(n)]


def replay() -> list[Labelled | str]:
    return [*(Labelled(text, "positive") for text in words("good", 40)), *words("bad", 40), *words("fine", 60)]


def test_corrections_that_generalise_are_adopted_and_spare_the_rest() -> None:
    backend = Leaning()
    corrections = [Labelled(text, "negative") for text in words("meh", 60)]
    adapter, card = fit(backend, corrections, replay(), now=NOW)
    assert card.adopted, card.reason
    assert card.accuracy_before == 0
    assert card.accuracy_after > 0.9
    assert card.replay_after >= card.replay_before - 0.005
    assert card.ridge is not None, "a shift of everything neutral would harm 'fine'"
    scorer = ModelScorer(backend, adapter=adapter)
    meh, fine, good = scorer.score(["meh", "fine", "good"])
    assert (meh.sentiment, fine.sentiment, good.sentiment) == ("negative", "neutral", "positive")
    assert adapter.revision in meh.model


def test_corrections_without_rhyme_are_not_adopted() -> None:
    rng = np.random.default_rng(0)
    corrections = [Labelled(text, ("negative", "neutral", "positive")[rng.integers(3)]) for text in words("bad", 60)]
    _, card = fit(Leaning(), corrections, replay(), now=NOW)
    assert not card.adopted
    assert "held-back corrections" in card.reason


def test_corrections_that_harm_the_rest_are_not_adopted() -> None:
    """The users call "meh" negative, and the labelled replay says that the very same texts are neutral."""
    corrections = [Labelled(text, "negative") for text in words("meh", 40)]
    others = [Labelled(text, "neutral") for text in [f"{text} again" for text in words("meh", 160)]]
    _, card = fit(Leaning(), corrections, others, now=NOW)
    assert not card.adopted


def test_too_little_to_measure_is_refused() -> None:
    with pytest.raises(TrainingError, match="3 usable corrections; at least 20"):
        fit(Leaning(), [Labelled(text, "negative") for text in words("meh", 3)], replay(), now=NOW)
    corrections = [Labelled(text, "negative") for text in words("meh", 30)]
    with pytest.raises(TrainingError, match="0 usable replay texts"):
        fit(Leaning(), corrections, ["", "..."], now=NOW)


def test_versions_are_kept_adopted_and_reverted(tmp_path: Path) -> None:
    backend = Leaning()
    adapter, card = fit(backend, [Labelled(text, "negative") for text in words("meh", 60)], replay(), now=NOW)
    store = AdapterStore(tmp_path / "adapters")
    assert store.current() is None
    assert Adapter.read(tmp_path / "adapters", backend) is None
    first = store.add(adapter, card)
    second = store.add(adapter, card)
    assert [path.name for path in store.versions()] == ["0001", "0002"]
    assert store.current() == second
    read = Adapter.read(tmp_path / "adapters", backend)
    assert read is not None
    assert read.revision == adapter.revision
    assert store.revert() == first
    assert store.revert() is None
    assert Adapter.read(tmp_path / "adapters", backend) is None
    assert [found.created_at for _, found in store.cards()] == [NOW.isoformat()] * 2


def test_a_layer_of_another_network_is_refused(tmp_path: Path) -> None:
    adapter, card = fit(Leaning(), [Labelled(text, "negative") for text in words("meh", 60)], replay(), now=NOW)
    AdapterStore(tmp_path).add(adapter, card)
    other = Leaning()
    other.revision = "2"
    with pytest.raises(ModelError, match="adapts leaning@1, and the model loaded is leaning@2"):
        Adapter.read(tmp_path, other)

"""The figures of a model over rows whose labels are known: per set, language and source, for the model card."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models.labels import TOPICS
from models.network import FeedbackModel
from models.training.calibrate import Voices
from models.training.data import Corpus
from models.training.losses import bits
from models.training.metrics import calibration_error, macro_f1, topic_f1

MIN_ROWS = 30  # a set with fewer is not reported
BENCHMARK_SOURCE = "umsab"  # tweets in eight languages


def measure(model: FeedbackModel, corpus: Corpus, rows: np.ndarray, voices: Voices) -> dict[str, Any]:
    """Macro-F1, accuracy and calibration of the mixed model, and macro-F1 of each half alone."""
    mix = model.mix.detach().cpu()
    bias = torch.tensor(model.config.topic_bias)
    found = predictions(voices, mix, bias)
    result = judge(corpus, rows, *found, thresholds=np.array(model.config.thresholds))
    for name, only in (("encoder_alone", 0), ("ngrams_alone", 1)):
        single = torch.zeros_like(mix)
        single[:, only] = 1.0
        alone = judge(corpus, rows, *predictions(voices, single, bias), thresholds=np.full(len(TOPICS), 0.5))
        result[name] = {key: alone[key] for key in ("sentiment_sets", "benchmark", "topic_sets")}
    return result


def predictions(voices: Voices, mix: torch.Tensor, bias: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(p_sentiment, p_topics, p_topic_sentiment) of the mixed voices."""
    first, second, third = voices.mixed(mix)
    return first.softmax(-1).numpy(), torch.sigmoid(second + bias).numpy(), third.softmax(-1).numpy()


def judge(
    corpus: Corpus,
    rows: np.ndarray,
    p_sentiment: np.ndarray,
    p_topics: np.ndarray,
    p_polarity: np.ndarray,
    *,
    thresholds: np.ndarray,
) -> dict[str, Any]:
    """Figures of probabilities over rows: means over sets (source and language), by language, source, topic."""
    gold, predicted = corpus.sentiment[rows], p_sentiment.argmax(1)
    language, source, topical = corpus.language[rows], corpus.source[rows], corpus.is_topic[rows]
    sentiment_sets: dict[str, float] = {}
    topic_sets: dict[str, float] = {}
    micro: list[float] = []
    truth, said = bits(corpus.topics[rows]), p_topics >= thresholds
    labelled = bits(corpus.labelled[rows]) * ~corpus.weak[rows][:, None]
    for name_index in np.unique(source):
        for language_index in np.unique(language[source == name_index]):
            member = (source == name_index) & (language == language_index)
            kind, _, name = corpus.sources[name_index].partition("/")
            label = f"{name}:{corpus.languages[language_index]}"
            if kind == "topics":
                score = topic_f1(truth[member], said[member], labelled[member])
                if score.n_topics:
                    topic_sets[label] = round(score.macro, 4)
                    micro.append(score.micro)
            elif member.sum() >= MIN_ROWS and len(np.unique(gold[member])) > 1:
                sentiment_sets[label] = round(macro_f1(gold[member], predicted[member]), 4)
    known = (gold >= 0) & ~topical
    by_language = _by(language, known, gold, predicted, corpus.languages)
    calibration = {
        corpus.languages[index]: round(
            calibration_error(p_sentiment[member].max(1), predicted[member] == gold[member]), 4
        )
        for index in np.unique(language[known])
        if (member := known & (language == index)).sum() >= MIN_ROWS
    }
    benchmark = [value for name, value in sentiment_sets.items() if name.startswith(f"{BENCHMARK_SOURCE}:")]
    polarity = corpus.topic_sentiment[rows]
    has = polarity >= 0
    right = p_polarity.argmax(-1) == polarity
    overall = topic_f1(truth[topical], said[topical], labelled[topical])
    return {
        "n_sentiment": int(known.sum()),
        "n_topics": int(topical.sum()),
        "sentiment_sets": _mean(sentiment_sets.values()),
        "benchmark": _mean(benchmark),
        "sentiment_accuracy": round(float(np.mean(gold[known] == predicted[known])), 4) if known.any() else None,
        "topic_sets": _mean(topic_sets.values()),
        "topic_micro": _mean(micro),
        "topic_sentiment_accuracy": round(float(right[has].mean()), 4) if has.any() else None,
        "by_language": by_language,
        "ece_by_language": calibration,
        "by_sentiment_set": sentiment_sets,
        "by_topic_set": topic_sets,
        "by_topic": {TOPICS[index]: round(value, 4) for index, value in overall.per_topic.items()},
    }


def _by(
    group: np.ndarray, known: np.ndarray, gold: np.ndarray, predicted: np.ndarray, names: list[str]
) -> dict[str, float]:
    found = {}
    for index in np.unique(group[known]):
        member = known & (group == index)
        if member.sum() >= MIN_ROWS:
            found[names[index]] = round(macro_f1(gold[member], predicted[member]), 4)
    return found


def _mean(values: Any) -> float | None:
    values = list(values)
    return round(float(np.mean(values)), 4) if values else None

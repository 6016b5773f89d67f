"""Stage 3: how loud each half of the model speaks, how far its probabilities may be believed, when a topic is said.

Everything is fitted on development rows; the errors reported are measured on the half that was not fitted.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.half import multiplies_bf16
from models.labels import TOPICS
from models.network import FeedbackModel
from models.training.config import TrainConfig
from models.training.data import Corpus
from models.training.encode import Tokens
from models.training.fit import fill
from models.training.losses import bits
from models.training.metrics import calibration_error, f1_scores, macro_f1
from models.training.sampling import gather

MIN_POSITIVES = 10  # below, a topic keeps the threshold 0.5
MIN_SET = 30  # rows of a set that counts where the share of the encoder is chosen: smaller ones are noise
_SHARES = [index / 20 for index in range(21)]  # of the encoder in the sentiment head
_GRID = np.arange(0.08, 0.93, 0.02)


@dataclass(frozen=True)
class Voices:
    """Raw logits of the two halves over some rows: (encoder, n-grams) for each head."""

    sentiment: tuple[Tensor, Tensor]  # [n, 3]
    topics: tuple[Tensor, Tensor]  # [n, 19]
    topic_sentiment: tuple[Tensor, Tensor]  # [n, 19, 3]

    def mixed(self, mix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the three heads as the model puts them out."""
        pairs = (self.sentiment, self.topics, self.topic_sentiment)
        a, b, c = (mix[i, 0] * pair[0] + mix[i, 1] * pair[1] for i, pair in enumerate(pairs))
        return a, b, c


@torch.no_grad()
def listen(
    model: FeedbackModel,
    config: TrainConfig,
    tokens: Tokens,
    rows: np.ndarray,
    *,
    pad_id: int,
    device: torch.device,
    batch: int = 512,
) -> Voices:
    """Logits of both halves for these rows of the encoded corpus (first window only)."""
    model = model.to(device).eval()
    dtype = torch.bfloat16 if config.bf16 and multiplies_bf16(device.type) else torch.float32
    encoder = copy.deepcopy(model).to(dtype)
    lengths = np.minimum(tokens.lengths(), config.max_tokens)[rows]
    n_topics = len(TOPICS)
    heard = [torch.zeros(len(rows), 3), torch.zeros(len(rows), n_topics), torch.zeros(len(rows), n_topics, 3)]
    counted = [torch.zeros_like(part) for part in heard]
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(rows), batch):
        at = order[start : start + batch]
        part = rows[at]
        width = int(lengths[at].max())
        ids = np.full((len(part), width), pad_id, np.int64)
        fill(ids, tokens, part, np.zeros(len(part), np.int64), lengths[at], 0)
        mask = torch.from_numpy((np.arange(width)[None] < lengths[at][:, None]).astype(np.float32)).to(device, dtype)
        hidden = encoder.hidden(torch.from_numpy(ids).to(device), mask)
        found = encoder.encoder_heads(hidden, mask)[:3]
        ngrams, counts = gather(tokens.ngrams, tokens.ngram_offsets, part)
        starts = torch.from_numpy(np.cumsum(counts) - counts).to(device)
        vector = model.ngrams.vector(torch.from_numpy(ngrams.astype(np.int64)).to(device), starts, len(part))
        place = torch.from_numpy(at)
        for target, value in zip((*heard, *counted), (*found, *model.ngrams.heads(vector)), strict=True):
            target[place] = value.float().cpu()
    return Voices((heard[0], counted[0]), (heard[1], counted[1]), (heard[2], counted[2]))


def fit_mix(voices: Voices, corpus: Corpus, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """(mix [3, 2], topic bias [19]) that make the known labels of these rows most likely (Platt on two inputs)."""
    sentiment = torch.from_numpy(corpus.sentiment[rows].astype(np.int64))
    known = (sentiment >= 0) & torch.from_numpy(~corpus.is_topic[rows])
    topics, labelled = torch.from_numpy(bits(corpus.topics[rows])), torch.from_numpy(bits(corpus.labelled[rows]))
    labelled *= torch.from_numpy(~corpus.weak[rows])[:, None]
    polarity = torch.from_numpy(corpus.topic_sentiment[rows].astype(np.int64))
    has = polarity >= 0
    # A topic with few positives keeps the bias it was trained with.
    enough = (topics * labelled).sum(0) >= MIN_POSITIVES
    mix = torch.full((3, 2), 0.7, requires_grad=True)
    bias = torch.zeros(len(TOPICS), requires_grad=True)
    solver = torch.optim.LBFGS([mix, bias], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        first, second, third = voices.mixed(mix)
        loss = first.sum() * 0.0
        if bool(known.any()):
            loss = loss + functional.cross_entropy(first[known], sentiment[known])
        if bool((labelled > 0).any()):
            each = functional.binary_cross_entropy_with_logits(second + bias * enough, topics, reduction="none")
            loss = loss + (each * labelled).sum() / labelled.sum().clamp(min=1)
        if bool(has.any()):
            loss = loss + functional.cross_entropy(third[has], polarity[has])
        loss = loss + 1e-3 * (bias.square().mean() + (mix - 0.7).square().mean())
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    mix = mix.detach()
    if bool(known.any()):
        mix[0] = _sentiment_mix(voices, corpus, rows, known.numpy())
    return mix, (bias * enough).detach()


def _sentiment_mix(voices: Voices, corpus: Corpus, rows: np.ndarray, known: np.ndarray) -> Tensor:
    """The share of the encoder with the best mean macro-F1 over sets, and the temperature that fits it.

    Likelihood alone leans to the voice that knows the commonest classes best: measured, it costs macro-F1.
    """
    members = np.flatnonzero(known)
    gold = corpus.sentiment[rows[members]]
    label = corpus.source[rows[members]].astype(np.int64) * len(corpus.languages) + corpus.language[rows[members]]
    sets = [np.flatnonzero(label == value) for value in np.unique(label)]
    sets = [part for part in sets if len(part) >= MIN_SET]
    encoder, ngrams = (voice[torch.from_numpy(members)] for voice in voices.sentiment)
    scores = []
    for share in _SHARES:
        said = (share * encoder + (1 - share) * ngrams).argmax(1).numpy()
        scores.append(np.mean([macro_f1(gold[part], said[part]) for part in sets]) if sets else -abs(share - 0.5))
    # The middle of the nearly best shares around the best one moves less with the sample than the peak.
    first = last = int(np.asarray(scores, np.float64).argmax())
    while first > 0 and scores[first - 1] >= max(scores) - 0.001:
        first -= 1
    while last + 1 < len(scores) and scores[last + 1] >= max(scores) - 0.001:
        last += 1
    share = float(np.mean(_SHARES[first : last + 1]))
    logits, expected = share * encoder + (1 - share) * ngrams, torch.from_numpy(gold.astype(np.int64))
    heats = torch.arange(0.3, 2.0, 0.02)
    losses = [float(functional.cross_entropy(logits * heat, expected)) for heat in heats]
    heat = float(heats[int(np.argmin(losses))])
    return torch.tensor([share * heat, (1 - share) * heat])


def fit_thresholds(p_topics: np.ndarray, corpus: Corpus, rows: np.ndarray) -> list[float]:
    """The probability from which each topic is said: the best mean F1 over the sources that label it."""
    gold = bits(corpus.topics[rows])
    labelled = bits(corpus.labelled[rows]) * ~corpus.weak[rows][:, None]
    source = corpus.source[rows]
    thresholds = []
    for index in range(len(TOPICS)):
        groups = []
        for name in np.unique(source[labelled[:, index] > 0]):
            member = (source == name) & (labelled[:, index] > 0)
            if gold[member, index].sum() >= MIN_POSITIVES:
                groups.append((gold[member, index], p_topics[member, index]))
        if not groups:
            thresholds.append(0.5)
            continue
        score = [np.mean([f1_scores(truth, p >= least, [1])[0] for truth, p in groups]) for least in _GRID]
        # The middle of the plateau of nearly best thresholds moves less with the sample than its peak.
        good = np.flatnonzero(np.asarray(score) >= max(score) - 0.002)
        thresholds.append(round(float(_GRID[good].mean()), 3))
    return thresholds


def calibrate(
    model: FeedbackModel, config: TrainConfig, corpus: Corpus, tokens: Tokens, rows: np.ndarray, *, voices: Voices
) -> dict[str, float]:
    """Set mix, topic bias and thresholds of the model from development rows; ECE of each head, cross-fitted.

    The errors come from fitting on one half of the rows and judging the other, both ways.
    """
    rng = np.random.default_rng((config.seed, 4))
    half = rng.random(len(rows)) < 0.5
    errors: dict[str, list[float]] = {"sentiment": [], "topics": [], "topic_sentiment": []}
    for part in (half, ~half):
        if not part.any() or part.all():
            continue
        mix, bias = fit_mix(_take(voices, part), corpus, rows[part])
        for name, value in ece(_take(voices, ~part), corpus, rows[~part], mix=mix, bias=bias).items():
            errors[name].append(value)
    mix, bias = fit_mix(voices, corpus, rows)
    with torch.no_grad():
        model.mix.copy_(mix)
    model.config.topic_bias = [round(float(value), 4) for value in bias]
    p_topics = torch.sigmoid(voices.mixed(mix)[1] + bias).numpy()
    model.config.thresholds = fit_thresholds(p_topics, corpus, rows)
    return {name: float(np.mean(values)) if values else float("nan") for name, values in errors.items()}


def ece(voices: Voices, corpus: Corpus, rows: np.ndarray, *, mix: Tensor, bias: Tensor) -> dict[str, float]:
    """Expected calibration error of the three heads on these rows."""
    first, second, third = voices.mixed(mix)
    p = first.softmax(-1).numpy()
    gold = corpus.sentiment[rows]
    known = (gold >= 0) & ~corpus.is_topic[rows]
    p_topics = torch.sigmoid(second + bias).numpy()
    labelled = (bits(corpus.labelled[rows]) > 0) & ~corpus.weak[rows][:, None]
    truth = bits(corpus.topics[rows]) > 0
    p_polarity, polarity = third.softmax(-1).numpy(), corpus.topic_sentiment[rows]
    has = polarity >= 0
    return {
        "sentiment": calibration_error(p[known].max(1), p[known].argmax(1) == gold[known]),
        "topics": calibration_error(p_topics[labelled], truth[labelled]),
        "topic_sentiment": calibration_error(p_polarity[has].max(-1), p_polarity[has].argmax(-1) == polarity[has]),
    }


def _take(voices: Voices, part: np.ndarray) -> Voices:
    index = torch.from_numpy(np.flatnonzero(part))
    pairs = [(pair[0][index], pair[1][index]) for pair in (voices.sentiment, voices.topics, voices.topic_sentiment)]
    return Voices(*pairs)

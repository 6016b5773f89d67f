"""Other ways of judging, trained on the training rows that ours had: their answers to the development rows.

    pip install -e '.[bench]'
    python -m benchmarks.models_training --data ../shared/data [--only fasttext,tfidf] [--cache build/peers] [--again]

Peers of the sentiment: fastText (characters 2 to 5, pairs of words, 64 wide, ten epochs), TF-IDF with logistic
regression, words known to be good or bad, VADER for English. Of topics: logistic regression on hashed characters, one
per topic, and the trigger words. Those that learn do so on the sources that may ship, and (names that end in "-all") on
all of them: development rows of the sources left out are seen ground for those, and strange ground for ours. A training
row whose text is among the development rows is left out. Answers are kept in the cache, so that `benchmarks.accuracy`
measures a new model beside them in minutes. `--only curve` is the learning curve: our n-gram table alone, and fastText,
on shares of the rows.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.labels import TOPICS
from models.training.data import text_key
from models.training.licences import EXCLUDED

CACHE = Path("build/peers")
CURVE = (64, 16, 4)  # one of so many rows; the whole is the peer itself


@dataclass(frozen=True)
class Rows:
    """Texts with labels: sentiment 0 to 2; topics that are there, and that were looked for, bool [n, topics]."""

    texts: list[str]
    sentiment: np.ndarray
    topics: np.ndarray
    labelled: np.ndarray
    may_ship: np.ndarray
    language: np.ndarray
    source: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, at: np.ndarray) -> Rows:
        """These rows, in this order."""
        columns = ("sentiment", "topics", "labelled", "may_ship", "language", "source")
        return Rows([self.texts[i] for i in at], *(getattr(self, name)[at] for name in columns))


def development(data: Path, kind: str) -> list[dict[str, Any]]:
    """All development rows of one of the two collections, in the order of the cache."""
    import pyarrow.parquet as pq

    columns = {
        "sentiment": ["text", "label", "source", "domain"],
        "topics": ["text", "topics", "sentiments", "labelled_for", "source"],
    }[kind]
    found: list[dict[str, Any]] = []
    for path in sorted((data / kind).glob("*.parquet")):
        for row in pq.read_table(path, columns=[*columns, "split"], filters=[("split", "=", "dev")]).to_pylist():
            found.append({**row, "language": path.stem})
    return found


@dataclass(frozen=True)
class Answer:
    """What a peer said about the development texts: probabilities or votes [n, 3], or topics bool [n, topics]."""

    said: np.ndarray
    n_train: int
    seconds: float  # of processor time, training and judging


def stored(cache: Path, name: str, texts: list[str]) -> Answer | None:
    """A peer's answer, unless the cache has none about these very texts."""
    path = cache / f"{name}.npz"
    if not path.is_file():
        return None
    with np.load(path) as found:
        if str(found["key"]) != _key(texts):
            return None
        return Answer(found["said"], int(found["n_train"]), float(found["seconds"]))


def keep(cache: Path, name: str, texts: list[str], ask: Callable[[], np.ndarray], *, n_train: int = 0) -> None:
    """Ask a peer and keep its answer."""
    started = time.process_time()
    said = ask()
    seconds = time.process_time() - started
    print(f"{name}: {n_train:,} training rows, {seconds:.0f} s of processor time", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(cache / f"{name}.npz", key=_key(texts), said=said, n_train=n_train, seconds=seconds)


def _key(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()


def training(data: Path, kind: str, *, n_rows: int | None = None) -> Rows:
    """Training rows of one collection in random order, without texts that are among the development rows of either.

    n_rows: so many, drawn evenly from all. The order does not depend on it: fewer rows are a prefix of more.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    judged = {text_key(row["text"]) for part in ("sentiment", "topics") for row in development(data, part)}
    columns = ["text", "source", *(["label"] if kind == "sentiment" else ["topics", "labelled_for"])]
    files = {
        path.stem: pq.read_table(path, columns=columns, filters=[("split", "!=", "dev")])
        for path in sorted((data / kind).glob("*.parquet"))
    }
    table = pa.concat_tables(files.values(), promote_options="permissive")
    language = np.repeat(list(files), [part.num_rows for part in files.values()])
    order = np.random.default_rng(0).permutation(table.num_rows)
    order = order if n_rows is None else order[: int(1.2 * n_rows)]
    table, language = table.take(order), language[order]
    texts, source = table["text"].to_pylist(), np.array(table["source"].to_pylist())
    may_ship = ~np.isin(source, list(EXCLUDED))
    kept = np.array([i for i, text in enumerate(texts) if text_key(text) not in judged])[:n_rows]
    if kind == "sentiment":
        label = table["label"].to_numpy()
        nothing = np.zeros((len(texts), 0), bool)
        return Rows(texts, label, nothing, nothing, may_ship, language, source).of(kept)
    has, known = np.zeros((len(texts), len(TOPICS)), bool), np.zeros((len(texts), len(TOPICS)), bool)
    for i, (said, decided) in enumerate(
        zip(table["topics"].to_pylist(), table["labelled_for"].to_pylist(), strict=True)
    ):
        has[i, [TOPICS.index(topic) for topic in said]] = True
        known[i, [TOPICS.index(topic) for topic in decided]] = True
    return Rows(texts, np.full(len(texts), -1), has, known | has, may_ship, language, source).of(kept)


def fasttext(train: Rows, texts: list[str], *, dimension: int = 64, epochs: int = 10, threads: int = 1) -> np.ndarray:
    """Probabilities, float32 [n, 3], of a fastText model trained on these rows."""
    import fasttext as library

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for label, text in zip(train.sentiment, train.texts, strict=True):
            file.write(f"__label__{label} {_line(text)}\n")
        file.flush()
        model = library.train_supervised(
            file.name, dim=dimension, minn=2, maxn=5, wordNgrams=2, epoch=epochs, lr=0.5, thread=threads, verbose=0
        )
    p = np.zeros((len(texts), 3), np.float32)
    for index, text in enumerate(texts):
        # not model.predict: it does not work with numpy 2
        for probability, label in model.f.predict(f"{_line(text)}\n", 3, 0.0, "strict"):
            p[index, int(label[-1])] = probability
    return p


def _line(text: str) -> str:
    return " ".join(text.lower().split())


def tfidf(texts: list[str]) -> Any:
    """Pieces of words, two to four characters, hashed into 2^20 columns: scikit-learn's term frequencies."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectors = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=1 << 20, alternate_sign=False, norm=None, dtype=np.float32
    )
    return vectors.transform(texts)


def regression(train: Rows, counts: Any, asked: Any) -> np.ndarray:
    """Scores of the three classes: TF-IDF and logistic regression by stochastic gradients, ten passes."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import SGDClassifier

    weigh = TfidfTransformer(sublinear_tf=True).fit(counts)
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=10, tol=None, random_state=0)
    model.fit(weigh.transform(counts), train.sentiment)
    return np.asarray(model.predict_proba(weigh.transform(asked)), np.float32)


def topic_regression(train: Rows, counts: Any, asked: Any) -> np.ndarray:
    """bool [n, topics]: a logistic regression for each topic on the rows labelled for it.

    A tenth of the rows is kept out of the fit and chooses the threshold with the best F1.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import SGDClassifier

    weigh = TfidfTransformer(sublinear_tf=True).fit(counts)
    features, asked = weigh.transform(counts), weigh.transform(asked)
    said = np.zeros((asked.shape[0], len(TOPICS)), bool)
    for k in range(len(TOPICS)):
        at = np.flatnonzero(train.labelled[:, k])
        truth = train.topics[at, k]
        if truth.sum() < 50:
            continue
        fit, kept = at[len(at) // 10 :], at[: len(at) // 10]
        model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=10, tol=None, random_state=0)
        model.fit(features[fit], train.topics[fit, k])
        p = model.decision_function(features[kept])
        right = train.topics[kept, k]
        candidates = np.quantile(p, np.linspace(0.01, 0.99, 99))
        f1 = [2 * (right & (p >= c)).sum() / max(1, right.sum() + (p >= c).sum()) for c in candidates]
        said[:, k] = model.decision_function(asked) >= candidates[int(np.argmax(f1))]
    return said


def known_words(texts: list[str], languages: list[str]) -> np.ndarray:
    """Votes of the good and bad words of `models/training/written`, float32 [n, 3]; none, or as many: neutral."""
    from models.training.written import read_all

    lists: dict[str, dict[str, int]] = {}
    for written in read_all():
        found = lists.setdefault(written.language, {})
        for sign, words in ((-1, written.words[0]), (1, written.words[2])):
            found.update({" ".join(_WORD.findall(word.lower())): sign for word in words})
    said = np.zeros((len(texts), 3), np.float32)
    for row, (text, language) in enumerate(zip(texts, languages, strict=True)):
        table = lists.get(language, {})
        score = sum(table.get(piece, 0) for piece in _pieces(text.lower()[:2000], spaced=language not in _UNSPACED))
        said[row, int(np.sign(score)) + 1] = 1.0
    return said


_WORD = re.compile(r"\w+|[^\w\s]")
_UNSPACED = {"zh", "ja", "th"}


def _pieces(text: str, *, spaced: bool) -> Iterator[str]:
    """Runs of one to four words, or of one to six characters where words are not spaced."""
    units, joint, longest = (_WORD.findall(text), " ", 4) if spaced else (list(text), "", 6)
    for length in range(1, longest + 1):
        for start in range(len(units) - length + 1):
            yield joint.join(units[start : start + length])


def vader(texts: list[str], languages: list[str]) -> np.ndarray:
    """VADER's verdict on English texts by its authors' limits (0.05 either way); zeros elsewhere. float32 [n, 3]"""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    said = np.zeros((len(texts), 3), np.float32)
    for row, (text, language) in enumerate(zip(texts, languages, strict=True)):
        if language == "en":
            compound = analyzer.polarity_scores(text)["compound"]
            said[row, 2 if compound >= 0.05 else 0 if compound <= -0.05 else 1] = 1.0
    return said


def trigger_words(texts: list[str], languages: list[str]) -> np.ndarray:
    """bool [n, topics]: topics whose trigger words occur."""
    from models.taxonomy import lexicon

    words = lexicon()
    said = np.zeros((len(texts), len(TOPICS)), bool)
    for row, (text, language) in enumerate(zip(texts, languages, strict=True)):
        said[row, [TOPICS.index(topic) for topic in words.topics_of(text, language)]] = True
    return said


SENTIMENT = ("words", "vader", "tfidf", "tfidf-all", "fasttext", "fasttext-all")
ON_TOPICS = ("trigger-words", "regression", "regression-all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--only", default=",".join((*SENTIMENT, *ON_TOPICS)), help="of: %(default)s, curve")
    parser.add_argument("--again", action="store_true", help="although the cache has it")
    parser.add_argument("--rows", type=int, help="training rows of fastText, drawn evenly; all if not given")
    parser.add_argument("--regression-rows", type=int, default=300_000, help="of the regressions, drawn evenly")
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := set(names) - {*SENTIMENT, *ON_TOPICS, "curve"}:
        parser.error(f"--only: {', '.join(sorted(unknown))}; known: {', '.join((*SENTIMENT, *ON_TOPICS))}, curve")
    sentiment(given, [name for name in names if name in SENTIMENT])
    topics(given, [name for name in names if name in ON_TOPICS])
    if "curve" in names:
        curve(given)


def sentiment(given: argparse.Namespace, names: list[str]) -> None:
    """Ask the peers named that are not in the cache about the development rows of the sentiment collection."""
    rows = development(given.data, "sentiment")
    texts, languages = [row["text"] for row in rows], [row["language"] for row in rows]
    names = [name for name in names if given.again or stored(given.cache, name, texts) is None]
    for name, judge in (("words", known_words), ("vader", vader)):
        if name in names:
            keep(given.cache, name, texts, lambda judge=judge: judge(texts, languages))
    if {"tfidf", "tfidf-all"} & set(names):
        train = training(given.data, "sentiment", n_rows=given.regression_rows)
        counts, asked = tfidf(train.texts), tfidf(texts)
        for name in {"tfidf", "tfidf-all"} & set(names):
            at = np.flatnonzero(train.may_ship | name.endswith("-all"))
            ask = lambda at=at: regression(train.of(at), counts[at], asked)  # noqa: E731
            keep(given.cache, name, texts, ask, n_train=len(at))
    if {"fasttext", "fasttext-all"} & set(names):
        train = training(given.data, "sentiment", n_rows=given.rows)
        for name in ("fasttext", "fasttext-all"):
            if name in names:
                at = np.flatnonzero(train.may_ship | name.endswith("-all"))
                keep(given.cache, name, texts, lambda at=at: _fasttext(train.of(at), texts, given), n_train=len(at))


def topics(given: argparse.Namespace, names: list[str]) -> None:
    """The same for topics."""
    rows = development(given.data, "topics")
    texts, languages = [row["text"] for row in rows], [row["language"] for row in rows]
    names = [name for name in names if given.again or stored(given.cache, name, texts) is None]
    if "trigger-words" in names:
        keep(given.cache, "trigger-words", texts, lambda: trigger_words(texts, languages))
    if {"regression", "regression-all"} & set(names):
        train = training(given.data, "topics", n_rows=given.regression_rows)
        counts, asked = tfidf(train.texts), tfidf(texts)
        for name in {"regression", "regression-all"} & set(names):
            at = np.flatnonzero(train.may_ship | name.endswith("-all"))
            ask = lambda at=at: topic_regression(train.of(at), counts[at], asked)  # noqa: E731
            keep(given.cache, name, texts, ask, n_train=len(at))


def curve(given: argparse.Namespace) -> None:
    """Ask fastText and our n-gram table that learnt from shares of the rows that may ship."""
    texts = [row["text"] for row in development(given.data, "sentiment")]
    train = training(given.data, "sentiment", n_rows=given.rows)
    whole = np.flatnonzero(train.may_ship)
    for share in (*CURVE, 1):
        part = train.of(whole[: len(whole) // share])
        for name, ask in (("table", _table), ("fasttext", _fasttext)):
            if (name, share) == ("fasttext", 1):
                continue  # the peer itself
            if given.again or stored(given.cache, f"curve-{name}-{share}", texts) is None:
                answer = lambda ask=ask, part=part: ask(part, texts, given)  # noqa: E731
                keep(given.cache, f"curve-{name}-{share}", texts, answer, n_train=len(part))


def _table(train: Rows, texts: list[str], given: argparse.Namespace) -> np.ndarray:
    """The n-gram half by itself: one table of the `small` profile, sentiment only, without texts of our own."""
    from tokenizers import Tokenizer

    from models.embedded import DIRECTORY
    from models.tokenizer import TextEncoder, normalise_all
    from models.training.config import profile
    from models.training.data import TRAIN, Corpus
    from models.training.encode import choose_buckets, encode
    from models.training.ngrams import train_table
    from models.training.sampling import row_weights

    n, languages, sources = len(train), sorted(set(train.language)), sorted(set(train.source))
    nothing = np.zeros(n, np.int32)
    corpus = Corpus(
        texts=normalise_all(train.texts),
        language=np.searchsorted(languages, train.language).astype(np.int16),
        source=np.searchsorted(sources, train.source).astype(np.int16),
        sentiment=train.sentiment.astype(np.int8),
        topics=nothing,
        labelled=nothing,
        topic_sentiment=np.full((n, len(TOPICS)), -1, np.int8),
        split=np.full(n, TRAIN, np.int8),
        is_topic=np.zeros(n, bool),
        weak=np.zeros(n, bool),
        languages=languages,
        sources=[f"sentiment/{source}" for source in sources],
    )
    config = profile("small", data=given.data, n_tables=1, topic_share=0.0, written=False, threads=given.threads)
    buckets = choose_buckets(config, corpus)
    tokenizer = Tokenizer.from_file(str(DIRECTORY / "tokenizer.json"))
    encoder = TextEncoder(
        tokenizer, log2_buckets=config.n_buckets_log2, kept_buckets=buckets, word_order=config.word_order
    )
    with tempfile.TemporaryDirectory() as folder:
        table = train_table(
            config, corpus, encode(encoder, corpus.texts), row_weights(config, corpus), n_rows=len(buckets),
            checkpoint=Path(folder) / "table.npz",
        )  # fmt: skip
    asked = encode(encoder, normalise_all(texts))
    logits = table.logits(asked, np.arange(len(texts)))[:, :3]
    exp = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exp / exp.sum(1, keepdims=True), np.float32)


def _fasttext(train: Rows, texts: list[str], given: argparse.Namespace) -> np.ndarray:
    return fasttext(train, texts, dimension=given.dimension, epochs=given.epochs, threads=given.threads)


if __name__ == "__main__":
    main()

"""Speed, memory and agreement of scoring, all in one run on the same texts.

    python -m benchmarks.scoring embedded [DIRECTORY]   texts a second whole and per step, cold start, memory, int8
    python -m benchmarks.scoring hub                    an XLM-R-base-sized checkpoint beside transformers.pipeline

Texts are made here (words of several languages, lengths as in customer feedback), so nothing has to be downloaded.
Times are the best of a few short rounds: on a shared machine the ratios mean more than the rates, unless the others are
made to wait (--alone).
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

WORDS = (
    """the a was very not good bad delivery late courier rude food great staff friendly price too high quality room
    clean never again recommend because but waiting hour app does work support answered broken package arrived""",
    """и не очень хорошо плохо доставка опоздала курьер нагрубил еда вкусная персонал вежливый цена высокая качество
    номер
    чистый больше никогда рекомендую потому но ждали час приложение работает поддержка ответила сломан упаковка""",
    """el la muy no bueno malo entrega tarde repartidor comida rica personal amable precio alto calidad habitación
    limpia nunca más recomiendo porque pero esperar hora aplicación funciona soporte roto paquete llegó""",
    """der die das sehr nicht gut schlecht lieferung spät fahrer unhöflich essen lecker personal freundlich preis hoch
    qualität zimmer sauber nie wieder empfehle weil aber warten stunde app geht kundendienst kaputt paket""",
)


def make_texts(n: int, *, mean_words: int, seed: int = 0) -> list[str]:
    """Different texts; the number of words is drawn from a gamma distribution (feedback is mostly short, sometimes
    long).
    """
    rng = random.Random(seed)
    lists = [words.split() for words in WORDS]
    texts = []
    for _ in range(n):
        words = rng.choice(lists)
        length = max(2, int(rng.gammavariate(1.6, mean_words / 1.6)))
        texts.append(" ".join(rng.choice(words) for _ in range(length)) + rng.choice([".", "!", "!!!", " 👍", ""]))
    return texts


class Rate:
    """Texts a second by the clock, and per second of processor time over all threads (which others cannot disturb).

    `alone`: each round runs in a real-time class, so that other programs of the machine wait for it.
    """

    alone = False

    def __init__(self, n: int, run: Callable[[], object], *, rounds: int = 3) -> None:
        walls, used = [], []
        for _ in range(rounds):
            with real_time() if self.alone else nullcontext():
                wall, cpu = time.perf_counter(), time.process_time()
                run()
                walls.append(time.perf_counter() - wall)
                used.append(time.process_time() - cpu)
        self.wall, self.cpu = n / min(walls), n / max(min(used), 1e-9)

    def __str__(self) -> str:
        return f"{self.wall:9.1f} texts/s {self.cpu:9.1f} per CPU second"


@contextmanager
def real_time() -> Iterator[None]:
    """Linux gives the processors to what runs in here first, and to others a twentieth of the time; then they have a
    second for themselves.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        time.sleep(1)


def embedded(directory: Path | None, *, n_texts: int, file: Path | None) -> None:
    import numpy as np

    from models import language
    from models.embedded import DIRECTORY, Embedded
    from models.scorer import ModelScorer, load
    from models.tagging import OwnHeads
    from models.text import prepare
    from models.tokenizer import normalise_all
    from models.triggers import Triggers

    directory = directory or DIRECTORY
    code = f"""
import resource, time
start = time.perf_counter()
import models
scorer = models.load({str(directory)!r})
loaded = time.perf_counter()
scorer.score(["The courier was late but kind"])
done = time.perf_counter()
print(loaded - start, done - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    starts = [
        list(
            map(
                float,
                subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split(),
            )
        )
        for _ in range(3)
    ]
    load_s, first_s, memory = min(starts, key=lambda row: row[1])
    print(f"cold start: loaded {load_s:.2f} s after the interpreter, first judgement {first_s:.2f} s, {memory:.0f} MB")
    backend = Embedded(directory)
    texts = make_texts(n_texts, mean_words=21)
    if file is not None:
        lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
        texts = list(dict.fromkeys(line for line in lines if line))[:n_texts]
    counts = np.diff(backend._encoder.encode(texts).token_offsets)
    longest = np.quantile(counts, 0.95)
    print(f"{len(texts)} texts, {counts.mean():.1f} tokens in the mean, {longest:.0f} at the 95th percentile")

    def score(*, clauses: bool) -> None:
        tagger = OwnHeads(backend, Triggers.read(directory) if clauses else None)
        ModelScorer(backend, tagger=tagger).score(texts)  # a new scorer: nothing remembered

    print(f"{'end to end':26}{Rate(len(texts), lambda: score(clauses=True))}")
    print(f"{'  without clauses':26}{Rate(len(texts), lambda: score(clauses=False))}")
    seen = {"count": 0, "read": 0}  # of clauses: whole texts go through `predict`

    def spy(name: str, plain: Callable[[Sequence[str]], Any]) -> Callable[[Sequence[str]], Any]:
        def counting(given: Sequence[str]) -> Any:
            seen[name] += sum(map(len, given))
            return plain(given)

        return counting

    for name in seen:
        setattr(backend, name, spy(name, getattr(backend, name)))
    score(clauses=True)
    for name in seen:
        delattr(backend, name)
    shares = {name: f"{100 * n / sum(map(len, texts)):.0f} %" for name, n in seen.items()}
    print(f"of the signs {shares['count']} are counted once more as clauses, {shares['read']} are read once more")
    encoded = backend._encoder.encode(texts)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("clean", lambda: [prepare(text) for text in texts]),
        ("language", lambda: language.detect(texts)),
        ("normalise", lambda: normalise_all(texts)),
        ("tokens and n-grams", lambda: backend._encoder.encode(texts)),
        ("n-gram half", lambda: backend._ngrams(encoded.ngrams, encoded.ngram_offsets)),
        ("network, all of it", lambda: [backend.predict(texts[i : i + 1024]) for i in range(0, len(texts), 1024)]),
    ]
    for name, run in steps:
        print(f"  {name:24}{Rate(len(texts), run)}")
    exact, small = Embedded(directory, int8=False), Embedded(directory, int8=True)
    a, b = exact.predict(texts), small.predict(texts)
    same = float((a.sentiment.argmax(1) == b.sentiment.argmax(1)).mean())
    for name, model in (("fp32", exact), ("int8", small)):
        print(f"  {name:24}{Rate(len(texts), partial(model.predict, texts))}")
    apart = np.abs(a.sentiment - b.sentiment).max()
    print(f"  int8: equal sentiment {100 * same:.2f} %, largest difference of a probability {apart:.4f}")
    scorer = load(str(directory))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    from models.scorer import stream

    for _ in stream(scorer, (f"{text} {i}" for i in range(10) for text in texts), str):
        pass
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"a stream of {10 * len(texts)} texts grew memory by {grown:.0f} MB")


def checkpoint(directory: Path) -> None:
    """An XLM-R-base-sized classifier with random weights and a small unigram tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(make_texts(2000, mean_words=20, seed=9), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=512,
    ).save_pretrained(directory)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=250_002, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
        max_position_embeddings=514, type_vocab_size=1, num_labels=3, initializer_range=0.05,
        id2label={0: "negative", 1: "neutral", 2: "positive"}, label2id={"negative": 0, "neutral": 1, "positive": 2},
    )  # fmt: skip
    network = XLMRobertaForSequenceClassification(config).eval()
    # Random weights prefer one label for everything; centred and scaled, the three are about equally frequent.
    wrapped = PreTrainedTokenizerFast.from_pretrained(directory)
    with torch.inference_mode():
        batch = wrapped(make_texts(32, mean_words=14, seed=8), padding=True, return_tensors="pt")
        logits = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        last = network.classifier.out_proj
        last.weight.mul_(1 / logits.std(dim=0)[:, None])
        last.bias.copy_(-logits.mean(dim=0) / logits.std(dim=0))
    network.save_pretrained(directory)


def hub(directory: Path | None, *, n_texts: int, threads: int) -> None:
    warnings.filterwarnings("ignore")
    import torch
    from transformers import pipeline

    from models.embedded import DIRECTORY, Embedded
    from models.hub import HubClassifier
    from models.scorer import ModelScorer

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint(Path(folder))
        texts = make_texts(n_texts, mean_words=14)
        ours = HubClassifier(folder, device="cpu", threads=threads)
        peer = pipeline("text-classification", model=folder, device=-1)
        n_tokens = sum(len(ids) for ids in peer.tokenizer(texts)["input_ids"]) / len(texts)
        print(f"{len(texts)} texts, {n_tokens:.1f} tokens in the mean", flush=True)
        given: dict[str, Any] = {"truncation": True, "max_length": 512}
        judged = [row["label"] for row in peer(texts, batch_size=32, **given)]
        said = ours.predict(texts).sentiment.argmax(axis=1)
        same = sum(
            ("negative", "neutral", "positive")[i] == label for i, label in zip(said, judged, strict=True)
        ) / len(texts)
        spread = {label: judged.count(label) for label in set(judged)}
        print(f"equal labels {100 * same:.1f} % (labels of the pipeline: {spread})", flush=True)
        few = texts[: len(texts) // 3]
        rates = {
            "ours": Rate(len(texts), lambda: ours.predict(texts), rounds=2),
            "pipeline, defaults": Rate(len(few), lambda: peer(few, **given), rounds=1),
        }
        for size in (8, 32):
            run = lambda size=size: peer(texts, batch_size=size, **given)  # noqa: E731
            rates[f"pipeline, batch {size}"] = Rate(len(texts), run, rounds=1)
        if (DIRECTORY / "model.safetensors").is_file() or directory:
            small = Embedded(directory or DIRECTORY, threads=threads)
            many = make_texts(3000, mean_words=14, seed=3)
            rates["embedded model, all of scoring"] = Rate(len(many), lambda: ModelScorer(small).score(many))
        plain = rates["pipeline, defaults"]
        top = max((rate for name, rate in rates.items() if name.startswith("pipeline")), key=lambda rate: rate.wall)
        for name, rate in rates.items():
            times = f"{rate.wall / plain.wall:7.1f} x defaults {rate.wall / top.wall:6.2f} x best"
            print(f"{name:32}{rate}  {times} ({rate.cpu / top.cpu:.2f} x best by CPU time)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("embedded", "hub"))
    parser.add_argument("directory", type=Path, nargs="?", help="a model directory instead of the shipped one")
    parser.add_argument("--threads", type=int, default=2, help="for hub; 1 gives honest CPU times on a busy machine")
    parser.add_argument("--texts", type=int, help="default 4000 (embedded), 208 (hub)")
    parser.add_argument("--file", type=Path, help="for embedded: texts of your own, one a line")
    parser.add_argument("--alone", action="store_true", help="let other programs of the machine wait (Linux, as root)")
    given = parser.parse_args()
    Rate.alone = given.alone
    if given.what == "embedded":
        embedded(given.directory, n_texts=given.texts or 4000, file=given.file)
    else:
        hub(given.directory, n_texts=given.texts or 208, threads=given.threads)


if __name__ == "__main__":
    main()

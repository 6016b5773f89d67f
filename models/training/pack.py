"""A run's rows in one small folder, to train on a machine that has neither the data sets nor pyarrow.

`pack` writes texts.xz (normalised texts, one a line), columns.npz (labels) and meta.json; `load_pack` reads them
with numpy alone. All sources of the data sets under the licence policy, about 38 MiB, never shipped.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.errors import TrainingError
from models.tokenizer import normalise_all
from models.training.config import TrainConfig
from models.training.data import Corpus, hold_out, read, without_leaks
from models.training.weak import add_weak_topics, load_lexicon

TEXTS, COLUMNS, META = "texts.xz", "columns.npz", "meta.json"
LEXICON = Path(__file__).resolve().parent.parent / "taxonomy" / "lexicon.yaml"


def corpus_of(config: TrainConfig) -> Corpus:
    """Rows of a run with normalised texts and weak topics: from the pack if the run names one, else from the data."""
    if config.packed is not None:
        return load_pack(config.packed, held_out=config.held_out)
    corpus = read(config, limit=config.limit)
    corpus.texts = normalise_all(corpus.texts)
    if config.weak_topics:
        add_weak_topics(corpus, load_lexicon(LEXICON))
    return corpus


def pack(
    config: TrainConfig, directory: Path, *, progress: Callable[[float, str], None] | None = None
) -> dict[str, int]:
    """Write the pack of a run's rows; bytes of each file by name."""
    report = progress or (lambda _done, _text: None)
    report(0.0, "reading")
    corpus = corpus_of(config)
    directory.mkdir(parents=True, exist_ok=True)
    report(0.4, f"compressing {len(corpus)} texts")
    # Neighbours in one language compress better; rows keep their order of reading, which is by file.
    blob = "\n".join(corpus.texts).encode()
    (directory / TEXTS).write_bytes(lzma.compress(blob, preset=4))
    report(0.9, "writing labels")
    np.savez_compressed(directory / COLUMNS, **corpus.arrays())  # type: ignore[arg-type]
    meta = {
        "languages": corpus.languages,
        "sources": corpus.sources,
        "licences": config.licences,
        "rows": len(corpus),
    }
    (directory / META).write_text(json.dumps(meta, ensure_ascii=False, indent=1), encoding="utf-8")
    report(1.0, "packed")
    return {name: (directory / name).stat().st_size for name in (TEXTS, COLUMNS, META)}


def load_pack(directory: Path, *, held_out: tuple[str, ...] = ()) -> Corpus:
    """The rows of a pack. `held_out` sources are taken out of training here as well. TrainingError if incomplete."""
    for name in (TEXTS, COLUMNS, META):
        if not (directory / name).is_file():
            raise TrainingError(f"{directory / name} is missing: write the folder with `pack` first")
    meta = json.loads((directory / META).read_text(encoding="utf-8"))
    texts = lzma.decompress((directory / TEXTS).read_bytes()).decode().split("\n")
    with np.load(directory / COLUMNS) as stored:
        columns = {name: stored[name] for name in stored.files}
    if len(texts) != len(columns["split"]):
        raise TrainingError(f"{directory}: {len(texts)} texts but {len(columns['split'])} rows of labels")
    corpus = Corpus(texts=texts, languages=meta["languages"], sources=meta["sources"], **columns)
    hold_out(corpus, held_out)
    return without_leaks(corpus) if held_out else corpus

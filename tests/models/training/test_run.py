"""A whole training run in small: it learns, resumes after a kill, packs, and says what it did."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import TrainingError
from models.network import load_directory
from models.tokenizer import build_tokenizer
from models.training import run
from models.training.__main__ import main
from models.training.card import licences_in
from models.training.config import TrainConfig
from models.training.data import HELD_OUT
from models.training.pack import corpus_of, load_pack
from models.training.transfer import join_files, split_files
from tests.models.training.conftest import write_data


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained long enough to have learnt the made-up language."""
    from models.training.config import profile

    folder = tmp_path_factory.mktemp("run")
    config = profile(
        "tiny",
        data=data,
        work=folder / "work",
        out=folder / "model",
        steps=60,
        ngram_epochs=12.0,
        lr=3e-3,
        held_out=("tweets",),
        mlm_steps=4,
    )
    seen: list[float] = []
    out = run.train(config, progress=lambda done, _text: seen.append(done))
    assert seen[-1] == 1.0
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(seen))
    return out


def test_a_run_learns_what_the_words_say(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["sentiment_sets"] > 0.9
    assert metrics["topic_sets"] > 0.9
    assert metrics["held_out"]["sentiment_sets"] > 0.9
    assert 0 <= metrics["ece"]["sentiment"] <= 1
    assert {line["stage"] for line in metrics["curve"]} == {"fit"}
    assert set(metrics["seconds"]) == {"prepare", "ngrams", "mlm", "fit", "calibrate"}


def test_the_model_directory_loads_and_judges(finished: Path) -> None:
    model, encoder = load_directory(finished)
    batch = encoder.encode(["great lovely excellent 1", "awful rude broken 2"])
    spans = pairwise(batch.token_offsets)
    ids = [torch.from_numpy(batch.tokens[begin:end].astype(np.int64)) for begin, end in spans]
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=encoder.pad_id)
    mask = torch.arange(padded.shape[1])[None] < torch.tensor([len(part) for part in ids])[:, None]
    with torch.inference_mode():
        output = model(
            padded,
            mask.float(),
            torch.from_numpy(batch.ngrams.astype(np.int64)),
            torch.from_numpy(batch.ngram_offsets),
        )
    assert output.sentiment.argmax(1).tolist() == [2, 0]
    assert len(model.config.thresholds) == 19
    assert model.config.revision


def test_the_card_names_data_settings_and_limits(finished: Path) -> None:
    card = (finished / "MODEL_CARD.md").read_text(encoding="utf-8")
    for words in ("shop_reviews", "rusentiment", "non-commercial", "Whole sources never trained on", "Weakest"):
        assert words in card
    assert not re.search(r"\bnan\b", card)


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_and_ends_the_same(tiny: TrainConfig) -> None:
    whole = run.train(tiny)
    other = replace(tiny, work=tiny.work.parent / "work2", out=tiny.out.parent / "model2")
    for instant in (
        "counting n-grams",
        "encoding texts",
        "n-gram table 2/3",
        "n-gram table 3/3",
        "learning the tasks: step 10",
    ):

        def dies(_done: float, text: str, instant: str = instant) -> None:
            if text == instant:
                raise Killed

        with pytest.raises(Killed):
            run.train(other, progress=dies)
    resumed = run.train(other)
    first, second = load_directory(whole)[0].state_dict(), load_directory(resumed)[0].state_dict()
    for name, value in first.items():
        assert torch.allclose(value.float(), second[name].float(), atol=1e-4), name


def test_a_tokenizer_is_the_same_in_every_run() -> None:
    signs = [chr(0x4E00 + i) for i in range(400)]  # as frequent one as another, and room for half of them
    built = {build_tokenizer([2 * sign for sign in signs], vocab_size=600).to_str() for _ in range(3)}
    assert len(built) == 1


def test_a_run_may_start_from_a_finished_encoder(tiny: TrainConfig, tmp_path: Path) -> None:
    first = run.train(tiny)
    kept = replace(tiny, work=tmp_path / "again", out=tmp_path / "model_again", init=first, steps=0, ngram_epochs=2.0)
    kept = replace(kept, n_layers=tiny.n_layers + 1)  # the finished encoder's number counts
    again, before = load_directory(run.train(kept))[0].state_dict(), load_directory(first)[0].state_dict()
    assert again.keys() == before.keys()
    for name, value in before.items():
        if name.startswith(("ngrams.", "mix")):
            continue
        assert torch.allclose(again[name].float(), value.float(), atol=1e-3), name
    assert not torch.allclose(again["ngrams.weight"], before["ngrams.weight"], atol=1e-3)
    assert (kept.out / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    beside = replace(kept, work=tmp_path / "beside", out=tmp_path / "model_beside", n_tables=0)
    assert (run.train(beside) / "model.safetensors").is_file()
    with pytest.raises(TrainingError, match="no n-gram table"):
        run.train(replace(beside, work=tmp_path / "none", init=None))


def test_an_encoder_of_another_shape_is_named(tiny: TrainConfig, tmp_path: Path) -> None:
    first = run.train(replace(tiny, steps=0))
    wider = replace(tiny, work=tmp_path / "w", out=tmp_path / "m", init=first, intermediate_size=48)
    with pytest.raises(TrainingError, match=r"feed_in.*\(32, 32\) there and \(48, 32\)"):
        run.train(wider)


def test_a_work_folder_belongs_to_one_configuration_and_its_rows(tiny: TrainConfig, tmp_path: Path) -> None:
    run.train(replace(tiny, steps=1))
    with pytest.raises(TrainingError, match="other settings"):
        run.train(replace(tiny, steps=1, seed=99))
    other = write_data(tmp_path / "other", seed=8)  # as many rows, other texts
    with pytest.raises(TrainingError, match="the rows are not those"):
        run.train(replace(tiny, steps=1, data=other))


def test_a_time_limit_ends_the_schedule(tiny: TrainConfig) -> None:
    limited = replace(tiny, steps=1_000_000, max_seconds=0.5)
    run.train(limited)
    steps = torch.load(limited.work / "fit.pt", weights_only=True)["step"]
    assert 1 <= steps < 10_000


def test_a_pack_trains_without_the_data(tiny: TrainConfig, tmp_path: Path) -> None:
    sizes = run.pack(tiny, tmp_path / "pack")
    assert set(sizes) == {"texts.xz", "columns.npz", "meta.json"}
    expected = corpus_of(tiny)
    packed = load_pack(tmp_path / "pack")
    assert packed.texts == expected.texts
    for name, column in expected.arrays().items():
        assert np.array_equal(packed.arrays()[name], column), name
    held = load_pack(tmp_path / "pack", held_out=("tweets",))
    assert set(held.split[held.source == held.sources.index("sentiment/tweets")]) == {HELD_OUT}
    config = replace(tiny, data=tmp_path / "nowhere", packed=tmp_path / "pack", steps=2)
    assert (run.train(config) / "model.safetensors").is_file()


def test_an_incomplete_pack_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"texts\.xz is missing"):
        load_pack(tmp_path)


def test_pieces_come_together_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights").write_bytes(bytes(range(256)) * 10)
    (source / "empty").write_bytes(b"")
    pieces = split_files(source, tmp_path / "pieces", piece=1000)
    assert [path.name for path in pieces] == ["empty.000", "weights.000", "weights.001", "weights.002"]
    join_files(tmp_path / "pieces", tmp_path / "back")
    assert (tmp_path / "back" / "weights").read_bytes() == (source / "weights").read_bytes()
    assert (tmp_path / "back" / "empty").read_bytes() == b""
    (tmp_path / "pieces" / "weights.001").unlink()
    with pytest.raises(ValueError, match="weights: pieces are missing"):
        join_files(tmp_path / "pieces", tmp_path / "back")


def test_commands(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--data", str(data), "--profile", "tiny"]
    assert main(["pack", *settings, "--out", str(tmp_path / "pack")]) == 0
    arguments = ["train", *settings, "--packed", str(tmp_path / "pack"), "--work", str(tmp_path / "w")]
    assert main([*arguments, "--max-seconds", "0.2", "--out", str(tmp_path / "m")]) == 0
    assert str(tmp_path / "m") in capsys.readouterr().out
    paths = ["--data", str(tmp_path / "none"), "--work", str(tmp_path / "x"), "--out", str(tmp_path / "y")]
    assert main(["train", "--profile", "tiny", *paths]) == 2
    assert "no sentiment/*.parquet" in capsys.readouterr().err


def test_licences_come_from_the_tables_of_the_manifest(tmp_path: Path) -> None:
    table = "| source | rows | licence as stated |\n|---|---|---|\n| a | 3 | MIT |\n| b | 4 | none |\n"
    text = f"# T\n{table}\n| c | d | e |\n"
    (tmp_path / "MANIFEST.md").write_text(text, encoding="utf-8")
    assert licences_in([tmp_path / "MANIFEST.md", tmp_path / "none.md"]) == {"a": "MIT", "b": "none"}


def test_the_real_data_obeys_the_licence_policy(shared: Path) -> None:
    import pyarrow.parquet

    from models.training.config import profile
    from models.training.licences import EXCLUDED

    corpus = corpus_of(profile("small", data=shared / "data", limit=100, weak_topics=False))
    assert not {name.partition("/")[2] for name in corpus.sources} & set(EXCLUDED)
    assert len(corpus.languages) >= 48  # Romanian and Marathi have hardly a source that may ship
    # Every excluded name is a real one: a typing error would let a source through.
    everything = {
        name
        for file in (shared / "data").glob("*/*.parquet")
        for name in pyarrow.parquet.read_table(file, columns=["source"]).column("source").unique().to_pylist()
    }
    assert set(EXCLUDED) <= everything

"""Trains the language head: labelled texts and catalogues of translations in, `language.npz` out.

    python -m models.language_training --texts DIR --texts DIR --catalogues DIR

`--texts`: directories of <code>.parquet with columns text, source, split; the sources in `EXCLUDED` (non-commercial,
research-only or copyleft) are not trained on. `--catalogues`: a directory with <locale>/LC_MESSAGES/*.po below it
(the shipped head: Django, Django REST framework, allauth, Oscar, Wagtail and Sphinx, all BSD or MIT) for languages
that lack labelled texts; the texts written for this project and the trigger terms join them. Random crops of one word
and more teach short texts; Latin letters lose their accents in a fifth of the texts, as they do on many keyboards. Two
CPU cores need about three minutes.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.language import MAX_CHARACTERS, WEIGHTS, _bare, by_script, ngrams
from models.taxonomy.topics import HERE, read_yaml

EXCLUDED = (
    "rusentiment", "jrte_pn", "parsinlu", "da_social", "laroseda", "blp23", "bn_consolidated", "mahasent", "dimabsa",
    "bec2016",
    "uit_visfd", "marc", "astd", "amazon_ja_darkmap", "roman_urdu", "husst", "sentirueval_rest", "semeval14_rest",
)  # fmt: skip
N_BUCKETS, WIDTH, PER_LANGUAGE = 1 << 16, 32, 6000
_SAME = {
    "nb": "no",
    "nn": "no",
    "zh_Hans": "zh",
    "zh_Hant": "zh",
    "sr_Latn": "sr",
    "bs": "hr",
    "pt_BR": "pt",
    "en_GB": "en",
}
_LEFT_OUT = {"ast", "br", "dsb", "hsb", "fy", "gd", "ia", "io", "os", "udm", "lb", "eo", "kab", "ckb", "be_Latn"}
# Hand-written everyday words, for languages whose labelled texts are few or may not be used.
EVERYDAY = {
    "ro": """
        și si că ca nu este e sunt eram era foarte dar pentru cu la din de mai am ai are avem aveți aveti au
        fost fi să sa o un una il îl le lui ei ea el noi voi acest această aceasta acesta aceste asta asa așa
        ce cum când cand unde cine care deci doar decât decat încă inca tot toate tuturor prea bine bun bună
        buna bune rau rău slab slabă proastă proasta frumos frumoasă super ok recomand nu recomand cu
        încredere mulțumit multumit mulțumită multumita mulțumesc multumesc dezamăgit dezamagit nemulțumit
        produs produsul produse calitate calitatea preț pret prețul pretul bani banii livrare livrarea livrat
        rapid rapidă repede curier curierul comandă comanda comandat primit ajuns a ajuns a venit returnat
        stricat merge funcționează functioneaza nu merge bateria ecranul telefonul se vede se aude zile luni
        an după dupa folosesc folosit cumpărat cumparat am cumparat am luat merită merita banii pe care il cel
        cea cei cele mâncare mancare mancarea gustoasă servicii personal personalul magazin niciodată
        niciodata mereu acum ieri azi mâine oameni oricum numai nimic ceva cineva nimeni trebuie poate pot
        vreau știu stiu cred vezi fac face
    """,
    "uk": """
        і й та але не є був була було були дуже так що як це цей ця ці той та те ті я ми ви він вона воно вони
        мене мені нам вам його її їх для від до на у в з зі із про при під над через після перед без все всі
        всього ще вже тільки лише також теж або чи коли де хто який яка яке які куди чому тому бо якщо щоб хоч
        дуже смачно смачна смачний добре добрий гарно гарний гарна чудово чудовий погано поганий жахливо
        жахливий жах нормально рекомендую не рекомендую раджу дякую спасибі велике привітний персонал
        обслуговування офіціант кухня їжа страви піца салат борщ кава чай ціна ціни дорого дешево грошей гроші
        замовлення замовили замовляли принесли чекали довго швидко доставка товар якість магазин завжди ніколи
        сьогодні вчора завтра будь ласка можна треба потрібно сподобалось сподобалося не сподобалось прийшли
        поїли взяли були тут там більше менше найкращий краще гірше людей люди разом місце атмосфера затишно
        інтер'єр музика вечір друзями родиною дитиною день народження ще раз прийдемо повернемось
    """,
    "hu": """
        és de nem van volt lesz nagyon hogy ez az azt ezt egy is meg már még csak mint mert ha vagy én te mi
        ti ők engem neki nekem jó jól rossz rosszul szuper remek kiváló finom ízletes drága olcsó ár ára
        minőség minősége termék terméket szállítás gyors lassú futár csomag rendelés rendeltem megérkezett
        késett pincér kiszolgálás kedves udvarias bunkó étterem étel adag bolt üzlet pénz pénzt visszakaptam
        soha többet mindig ajánlom nem ajánlom mindenkinek köszönöm köszönjük működik nem működik elromlott
        vettem használom nap hét hónap év óra percet vártunk vártam itt ott ilyen olyan minden semmi valami
        kell lehet tud tudom szerintem
    """,
    "mr": """
        आहे आहेत नाही नाहीत होते होता होती आणि पण खूप छान चांगले चांगला चांगली वाईट मी तू तो ती ते आम्ही
        तुम्ही आपण त्या त्याने हे हा ही काय कसे कधी कुठे का कारण म्हणून म्हणजे तर मला तुला त्याला आम्हाला
        तुम्हाला माझा माझी माझे तुझा आपले साठी मध्ये वर खाली सोबत नंतर आधी आता आज काल उद्या झाले झाला झाली
        केले केला केली करतो करते करा द्या दिले घेतले सांगा सर्व सगळे काही कोणी कोणीही फक्त अजून परत पैसे किंमत
        वेळ माणूस लोक सरकार जेवण सेवा दर्जा उत्तम आवडले आवडला आवडली धन्यवाद अभिनंदन
    """,
}
# Reviewers of Kazakh shops write in Russian, too, and the labels do not tell: "норм" is not Kazakh.
_KAZAKH = re.compile("[әғқңөұүһі]", re.IGNORECASE)
_MESSAGE = re.compile(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE)


def labelled(directories: list[Path], *, split: str = "train") -> Iterator[tuple[str, str]]:
    """(code, text) of every row of the split whose source is allowed; dev keeps all sources.

    A Kazakh text of one to three words needs a letter that Russian has not.
    """
    import pyarrow.parquet as pq

    for directory in directories:
        for path in sorted(directory.glob("*.parquet")):
            table = pq.read_table(path, columns=["text", "source", "split"])
            for row in table.to_pylist():
                allowed = split == "dev" or not row["source"].startswith(EXCLUDED)
                if path.stem == "kk" and len(row["text"].split()) < 4 and not _KAZAKH.search(row["text"]):
                    allowed = split == "dev"
                if row["split"] == split and allowed:
                    yield path.stem, row["text"]


def catalogue(directory: Path) -> Iterator[tuple[str, str]]:
    """(code, text) of every translated message under <locale>/LC_MESSAGES."""
    for path in sorted(directory.rglob("*/LC_MESSAGES/*.po")):
        locale = path.parent.parent.name
        code = _SAME.get(locale, locale)
        if "_" in code or code in _LEFT_OUT:
            continue
        for found in _MESSAGE.finditer(path.read_text(encoding="utf-8")):
            text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found.group(1))).replace("\\n", " ").replace('\\"', '"')
            text = re.sub(r"%\(\w+\)[sd]|%[sd]|\{[^}]*\}|<[^>]*>", " ", text).strip()
            if len(text) > 3 and text.isprintable():
                yield code, text


def trigger_terms(times: int = 5) -> Iterator[tuple[str, str]]:
    """(code, term) of our own lexicon: words of feedback in languages that have few labelled texts."""
    for by_language in read_yaml(HERE / "lexicon.yaml")["topics"].values():
        for code, terms in by_language.items():
            yield from ((code, term.replace("*", "")) for term in terms for _ in range(times))


def everyday(rng: np.random.Generator, n: int = 1500) -> Iterator[tuple[str, str]]:
    """(code, words in random order) from the hand-written lists."""
    for code, words in EVERYDAY.items():
        pool = words.split()
        for _ in range(n):
            yield code, " ".join(rng.choice(pool, size=int(rng.integers(2, 12))))


def written(times: int = 3) -> Iterator[tuple[str, str]]:
    """(code, text) of the texts written for this project (`training/written`), without those held back."""
    from models.training.written import read_all, rows_of

    for one in read_all():
        pieces = [row.text for row in rows_of(one, seed=0, joined=0) if not row.is_dev]
        yield from ((one.language, text) for text in pieces for _ in range(times))


def train(rows: list[tuple[str, str]], *, seed: int = 0, epochs: int = 5) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of `language.npz` from (code, text) rows; deterministic for one machine and seed."""
    import torch

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    texts: dict[str, list[str]] = {}
    for code, text in rows:
        bare = _bare(text)
        # what the script rules answer is not learned: the head spends its buckets on the rest
        if bare and (bare.isascii() or by_script(bare) is None):
            texts.setdefault(code, []).append(bare)
    codes = sorted(code for code, found in texts.items() if len(found) >= 150)
    vectors = torch.nn.EmbeddingBag(N_BUCKETS, WIDTH, mode="mean", sparse=True)
    torch.nn.init.uniform_(vectors.weight, -1 / WIDTH, 1 / WIDTH)
    linear = torch.nn.Linear(WIDTH, len(codes))
    slow = torch.optim.SparseAdam(vectors.parameters(), lr=0.01)
    fast = torch.optim.Adam(linear.parameters(), lr=0.01)
    for epoch in range(epochs):
        batch: list[tuple[int, str]] = []
        for number, code in enumerate(codes):
            pool = texts[code]
            share = rng.choice(
                len(pool), size=int(min(PER_LANGUAGE, max(len(pool) * 3, 900))), replace=len(pool) < PER_LANGUAGE
            )
            batch.extend((number, _crop(pool[i], rng)) for i in share)
        rng.shuffle(batch)
        for group in slow.param_groups + fast.param_groups:
            group["lr"] = 0.01 * (1 - epoch / epochs)
        total = 0.0
        for start in range(0, len(batch), 256):
            part = batch[start : start + 256]
            buckets, starts = ngrams([text for _, text in part], n_buckets=N_BUCKETS)
            logits = linear(vectors(torch.from_numpy(buckets), torch.from_numpy(starts)))
            loss = torch.nn.functional.cross_entropy(
                logits, torch.tensor([int(number) for number, _ in part]), label_smoothing=0.02
            )
            slow.zero_grad()
            fast.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            slow.step()  # type: ignore[no-untyped-call]
            fast.step()
            total += float(loss.detach()) * len(part)
        print(
            f"epoch {epoch + 1}: {len(batch)} texts, {len(codes)} languages, loss {total / len(batch):.4f}", flush=True
        )
    weight = vectors.weight.detach().numpy()
    scales = np.maximum(np.abs(weight).max(axis=1), 1e-8) / 127
    return {
        "codes": np.array(codes),
        "vectors": np.rint(weight / scales[:, None]).astype(np.int8),
        "scales": scales.astype(np.float16).clip(1e-7),
        "matrix": linear.weight.detach().numpy().T.astype(np.float16),
        "bias": linear.bias.detach().numpy().astype(np.float16),
    }


def _crop(bare: str, rng: np.random.Generator) -> str:
    if rng.random() < 0.2 and not bare.isascii() and bare[1] < "\u0250":
        bare = "".join(c for c in unicodedata.normalize("NFD", bare) if not unicodedata.combining(c))
    words = bare.split()
    if len(words) < 2 or rng.random() < 0.35:
        return bare
    n = int(rng.integers(1, min(len(words), 12) + 1))
    start = int(rng.integers(0, len(words) - n + 1))
    return f" {' '.join(words[start : start + n])[:MAX_CHARACTERS]} "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, action="append", required=True)
    parser.add_argument("--catalogues", type=Path)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = [*labelled(given.texts), *trigger_terms(), *written(), *everyday(np.random.default_rng(given.seed))]
    if given.catalogues:
        rows += catalogue(given.catalogues)
    arrays: dict[str, Any] = train(rows, seed=given.seed)
    np.savez_compressed(given.out, **arrays)


if __name__ == "__main__":
    main()

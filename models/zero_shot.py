"""Topics in the user's own words without examples: any NLI checkpoint is asked whether a text entails "This text is
about ...".

Yin, Hay and Roth 2019. One pass per text and topic: for a few topics and thousands of texts, not for a firehose; fit
a `models.user_topics` head once there are examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.batching import plan
from models.errors import LabelsUnknown, TextRejected
from models.hub import MAX_TOKENS, pretrained
from models.text import prepare

HYPOTHESIS = "This text is about {}."
_BUDGET = 2048


class ZeroShot:
    """An NLI checkpoint (hub id or directory). Raises WeightsMissing, or LabelsUnknown where no label means
    entailment.
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        offline: bool | None = None,
        device: str | None = None,
        hypothesis: str = HYPOTHESIS,
    ) -> None:
        import torch

        if "{}" not in hypothesis:
            raise LabelsUnknown(f"hypothesis {hypothesis!r} needs one {{}} where the topic's description goes")
        self.name = name
        self._hypothesis = hypothesis
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model, self._tokenizer = pretrained(name, revision=revision, offline=offline)
        labels = {str(label).lower(): int(number) for number, label in model.config.id2label.items()}
        self._yes = next((n for label, n in labels.items() if label.startswith("entail")), None)
        self._no = next(
            (n for label, n in labels.items() if label.startswith(("contra", "not_entail", "not entail"))), None
        )
        if self._yes is None or self._no is None:
            raise LabelsUnknown(
                f"{name}: an NLI checkpoint has labels entailment and contradiction; it has: {', '.join(labels)}"
            )
        self._model = model.to(self._device).eval()

    def probabilities(self, texts: Sequence[str], topics: Mapping[str, str]) -> npt.NDArray[np.float32]:
        """[n_texts, n_topics]: entailment against contradiction for each description; zeros for texts that cannot be
        judged.
        """
        import torch

        pairs: list[tuple[str, str]] = []
        places: list[tuple[int, int]] = []
        for i, text in enumerate(texts):
            try:
                cleaned = prepare(text)
            except TextRejected:
                continue
            for j, description in enumerate(topics.values()):
                pairs.append((cleaned, self._hypothesis.format(description)))
                places.append((i, j))
        found = np.zeros((len(texts), len(topics)), dtype=np.float32)
        lengths = np.array([len(premise) // 3 + len(claim) // 3 + 4 for premise, claim in pairs], dtype=np.int64)
        with torch.inference_mode():
            for rows in plan(lengths, budget=_BUDGET):
                batch = self._tokenizer(
                    [pairs[row][0] for row in rows],
                    [pairs[row][1] for row in rows],
                    truncation="only_first",
                    max_length=MAX_TOKENS,
                    padding=True,
                    return_tensors="pt",
                ).to(self._device)
                logits = self._model(**batch).logits[:, [self._no, self._yes]].float().softmax(dim=1)[:, 1]
                for row, p in zip(rows, logits.tolist(), strict=True):
                    found[places[row]] = p
        return found

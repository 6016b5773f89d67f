"""What can go wrong while judging, one class per thing the caller does next.

ModelError
|-- WeightsMissing   no such model, or its files are incomplete: name another, or install the files
|-- LabelsUnknown    a checkpoint whose labels cannot be guessed: configure the mapping
|-- AdapterOutdated  what was learnt from corrections belongs to another model: learn again, or go on without
|-- TextRejected     this one text cannot be judged: mark it and go on
`-- TrainingError    data or configuration of a training run are wrong
"""

from __future__ import annotations


class ModelError(Exception):
    """Root of everything this package raises on purpose."""


class WeightsMissing(ModelError):
    """The model cannot be loaded; the message names what was looked for, where, and what is there."""


class LabelsUnknown(ModelError):
    """The checkpoint's labels say nothing about sentiment; the message shows them and the setting to write."""


class AdapterOutdated(ModelError):
    """A learnt layer stands on another network than the one that is loaded."""


class TextRejected(ModelError):
    """One text cannot be judged; the message is the reason that is stored with it."""


class TrainingError(ModelError):
    """A training run cannot start or go on; the message names file, key or value."""

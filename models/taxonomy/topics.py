"""The list of topics with names, stage of the journey, touchpoint and kind of experience; a user's file may override
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from models.errors import ModelError

HERE = Path(__file__).parent
# The order of the network's outputs. Appending is safe; reordering breaks weights.
TOPICS: tuple[str, ...] = (
    "delivery", "price", "staff", "quality", "food", "assortment", "waiting", "support", "returns", "payment", "app",
    "packaging", "ambience", "cleanliness", "location", "safety", "loyalty", "information", "general",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Topic:
    """One entry. `names`, `about`, `touchpoint`: language code -> text for people; `stage`, `experience`: keys of the
    taxonomy.
    """

    key: str
    names: Mapping[str, str]
    about: Mapping[str, str]
    stage: str
    touchpoint: Mapping[str, str]
    experience: str

    def name(self, language: str = "en") -> str:
        return self.names.get(language) or self.names.get("en") or self.key


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Topics by key, and the names of stages (in the order of the journey) and kinds of experience."""

    topics: Mapping[str, Topic]
    stages: Mapping[str, Mapping[str, str]]
    experiences: Mapping[str, Mapping[str, str]]

    def __getitem__(self, key: str) -> Topic:
        try:
            return self.topics[key]
        except KeyError:
            raise ModelError(f"topic {key!r} is not in the taxonomy; known: {', '.join(self.topics)}") from None


@lru_cache(maxsize=8)
def taxonomy(override: Path | None = None) -> Taxonomy:
    """The shipped taxonomy, with the blocks of `override` (a file of the same shape) laid over it.

    Raises ModelError naming file, topic and key when a block is incomplete or a stage or experience is unknown.
    """
    shipped = HERE / "topics.yaml"
    raw = read_yaml(shipped)
    if override is not None:
        own = read_yaml(override)
        for section in own.keys() - {"version", "stages", "experiences", "topics"}:
            raise ModelError(f"{override}: unknown section {section!r}; allowed: stages, experiences, topics")
        for section in ("stages", "experiences"):
            raw[section] = {**raw[section], **own.get(section, {})}
        for key, block in own.get("topics", {}).items():
            raw["topics"][key] = {**raw["topics"].get(key, {}), **block}
    source = override or shipped
    return Taxonomy(
        topics=MappingProxyType({key: _topic(key, block, raw, source) for key, block in raw["topics"].items()}),
        stages=MappingProxyType(raw["stages"]),
        experiences=MappingProxyType(raw["experiences"]),
    )


def _topic(key: str, block: dict[str, Any], raw: dict[str, Any], source: Path) -> Topic:
    for field in ("name", "about", "stage", "touchpoint", "experience"):
        if field not in block:
            raise ModelError(f"{source}: topic {key!r} lacks {field!r}")
    for field in block.keys() - {"name", "about", "stage", "touchpoint", "experience"}:
        raise ModelError(f"{source}: topic {key!r} has an unknown key {field!r}")
    for field, known in (("stage", raw["stages"]), ("experience", raw["experiences"])):
        if block[field] not in known:
            raise ModelError(f"{source}: topic {key!r}: {field} is {block[field]!r}; allowed: {', '.join(known)}")
    return Topic(key, block["name"], block["about"], block["stage"], block["touchpoint"], block["experience"])


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from a YAML file; ModelError names the file when it cannot be one."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where built in: 10 times faster
    try:
        with path.open(encoding="utf-8") as stream:
            raw = yaml.load(stream, Loader=loader)  # noqa: S506 - both loaders are the safe ones
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ModelError(f"{path}: a mapping is expected, not {type(raw).__name__}")
    return raw

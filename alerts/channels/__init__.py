"""Channels by name: every module of this folder that declares a `Channel` is one; there is no other register."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
from pydantic import ValidationError

from alerts.channels.base import Channel, Declaration, Receipt, Settings
from alerts.errors import BadRule, UnknownChannel

__all__ = ["Channel", "Declaration", "Receipt", "Settings", "get", "names", "open_channel"]


@cache
def _found() -> dict[str, type[Channel[Any]]]:
    found: dict[str, type[Channel[Any]]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "base":
            continue
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Channel) and value.__module__.endswith(f".{module.name}"):
                found[value.declaration.kind] = value
    return found


def names() -> list[str]:
    """Kinds of channels there are."""
    return sorted(_found())


def get(kind: str) -> type[Channel[Any]]:
    """The class of a kind. Raises UnknownChannel with the names there are."""
    try:
        return _found()[kind]
    except KeyError:
        near = difflib.get_close_matches(kind, names(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise UnknownChannel(f"channel kind={kind!r}{hint}; allowed is {', '.join(names())}") from None


def open_channel(kind: str, values: Mapping[str, Any], *, client: httpx.Client | None = None) -> Channel[Any]:
    """A channel with its settings checked. Raises BadRule naming each wrong key, its value and what is allowed."""
    found = get(kind)
    try:
        settings = found.settings_type.model_validate(dict(values))
    except ValidationError as error:
        told = []
        for problem in error.errors(include_url=False):
            key = ".".join(map(str, problem["loc"])) or kind
            value = problem["input"]
            shown = repr(value) if isinstance(value, (str, int, float, bool)) and not _secret(found, key) else "..."
            told.append(f"{key}={shown}: {problem['msg']}")
        known = ", ".join(found.settings_type.model_fields)
        raise BadRule(f"channel {kind}: {'; '.join(told)} (keys: {known})") from None
    return found(settings, client=client)


def _secret(found: type[Channel[Any]], key: str) -> bool:
    field = found.settings_type.model_fields.get(key)
    return field is not None and "Secret" in str(field.annotation)

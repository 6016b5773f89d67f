"""Messages of survey tools: one sheet of answers in the tool's own words becomes a row with a column per question.

    opened(body) -> ImportRun    Typeform, Tally and Formbricks by their shape; anything else is read as a file is
    is_native(headers), is_signed(body, headers, secrets)    the signatures of Typeform and Tally: no id, no time

What they send is described at https://www.typeform.com/developers/webhooks, https://tally.so/help/webhooks and
https://formbricks.com/docs. Formbricks signs as Standard Webhooks do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scrapers import imports
from scrapers.errors import BadParams
from scrapers.imports import json_rows
from scrapers.imports.run import ImportRun, Raw

_NATIVE = {"typeform-signature": "sha256=", "tally-signature": ""}  # header -> what stands before the base64
_SCORED = {"nps": "NPS", "csat": "CSAT", "ces": "CES"}  # types of questions that say what they measure


def opened(body: bytes) -> ImportRun:
    """Rows before anybody says what they mean. Raises `BadParams` for what is no table and no known message."""
    if not body.strip():
        raise BadParams("the message is empty")
    row = _sheet(body)
    if row is not None:
        return ImportRun("json", [Raw(1, row)])
    file = io.BytesIO(body)
    form = imports._format(file, "message")
    if form in ("eml", "mbox"):
        raise BadParams("is mail, not a table")
    return imports._table(file, form, len(body), None)


def is_native(headers: Mapping[str, str]) -> bool:
    """Whether a message bears the signature of a tool that signs in its own way. Names are in lower case."""
    return any(name in headers for name in _NATIVE)


def is_signed(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> bool:
    """Whether one of the secrets, as it was pasted into the tool, signed the body: base64 of HMAC-SHA256."""
    found = False
    for name, prefix in _NATIVE.items():
        given = headers.get(name, "").strip().removeprefix(prefix)
        for secret in secrets:
            for key in {secret, secret.removeprefix("whsec_")}:
                expected = base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest())
                found |= hmac.compare_digest(expected, given.encode("ascii", "replace"))
    return found


def _sheet(body: bytes) -> dict[str, Any] | None:
    """The row of a known tool's message; None for any other."""
    try:
        said = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    for tool in (_typeform, _tally, _formbricks):
        pairs = tool(said)
        if pairs is not None:
            row: dict[str, Any] = {}
            for column, value in pairs:
                if value not in (None, "", [], {}):
                    row.setdefault(column, value)
            return json_rows.flat(row)
    return None


def _typeform(said: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    sheet = _object(said.get("form_response"))
    if not sheet or not isinstance(sheet.get("answers"), list):
        return None
    asked = {_text(one.get("id")): one for one in _objects(_object(sheet.get("definition")).get("fields"))}
    found = [("response id", sheet.get("token")), ("submitted at", sheet.get("submitted_at"))]
    found += _object(sheet.get("hidden")).items()
    for answer in _objects(sheet["answers"]):
        field = _object(answer.get("field"))
        question = asked.get(_text(field.get("id")), {})
        name = _text(question.get("title")) or _text(field.get("ref")) or _text(field.get("id"))
        said_of_it = answer.get(_text(answer.get("type")))
        if isinstance(said_of_it, dict):
            said_of_it = said_of_it.get("label") or said_of_it.get("labels") or said_of_it.get("other")
        found.append((_named(name, field.get("type")), _one(said_of_it)))
    return found


def _tally(said: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    sheet = _object(said.get("data"))
    if said.get("eventType") != "FORM_RESPONSE" or not isinstance(sheet.get("fields"), list):
        return None
    found = [("response id", sheet.get("responseId") or sheet.get("submissionId"))]
    found.append(("submitted at", sheet.get("createdAt") or said.get("createdAt")))
    for field in _objects(sheet["fields"]):
        chosen = {_text(one.get("id")): one.get("text") for one in _objects(field.get("options"))}
        value = field.get("value")
        values = value if isinstance(value, list) else [value]
        picked = [chosen.get(_text(one), one) if chosen else one for one in values if not isinstance(one, dict)]
        found.append((_text(field.get("label")) or _text(field.get("key")), _one(picked)))
    return found


def _formbricks(said: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    sheet = _object(said.get("data"))
    if not _text(said.get("event")).startswith("response") or not isinstance(sheet.get("data"), dict):
        return None
    person = {**_object(sheet.get("contact")), **_object(sheet.get("contactAttributes"))}
    found = [("response id", sheet.get("id")), ("submitted at", sheet.get("updatedAt") or sheet.get("createdAt"))]
    found += [("language", sheet.get("language"))] if sheet.get("language") != "default" else []
    found += [(name, _one(value)) for name, value in _object(sheet["data"]).items()]
    found += [("customer id", person.get("userId") or person.get("email"))]
    return found


def _named(name: str, kind: Any) -> str:
    """The question, with what it measures where only its type says so."""
    mark = _SCORED.get(_text(kind))
    return f"{name} ({mark})" if mark and mark.casefold() not in name.casefold() else name


def _one(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if len(value) == 1 else ", ".join(_text(one) for one in value) or None
    return value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""

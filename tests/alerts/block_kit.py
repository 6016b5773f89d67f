"""Limits of Block Kit, as Slack documents them, written as checks on a payload."""

from __future__ import annotations

from typing import Any

KNOWN = {"header", "section", "context", "actions", "rich_text", "divider", "image"}


def validate(payload: dict[str, Any]) -> None:
    """Raises AssertionError at the first limit a payload breaks."""
    assert 0 < len(payload["text"]) <= 4000
    assert 0 < len(payload["blocks"]) <= 50
    ids = [block["block_id"] for block in payload["blocks"] if "block_id" in block]
    assert len(ids) == len(set(ids))
    for block in payload["blocks"]:
        assert block["type"] in KNOWN
        globals()[f"_{block['type']}"](block)


def _text(text: dict[str, Any], limit: int) -> None:
    assert text["type"] in ("plain_text", "mrkdwn")
    assert 0 < len(text["text"]) <= limit
    assert "emoji" not in text or text["type"] == "plain_text"


def _header(block: dict[str, Any]) -> None:
    assert block["text"]["type"] == "plain_text"
    _text(block["text"], 150)


def _section(block: dict[str, Any]) -> None:
    assert ("text" in block) or block["fields"]
    if "text" in block:
        _text(block["text"], 3000)
    assert len(block.get("fields", [])) <= 10
    for field in block.get("fields", []):
        _text(field, 2000)


def _context(block: dict[str, Any]) -> None:
    assert 0 < len(block["elements"]) <= 10
    for element in block["elements"]:
        _text(element, 2000)


def _actions(block: dict[str, Any]) -> None:
    assert 0 < len(block["elements"]) <= 25
    ids = [element["action_id"] for element in block["elements"]]
    assert len(ids) == len(set(ids))
    for element in block["elements"]:
        assert element["type"] == "button"
        _text(element["text"], 75)
        assert len(element["action_id"]) <= 255
        assert len(element.get("url", "")) <= 3000
        assert len(element.get("value", "")) <= 2000
        assert element.get("style") in (None, "primary", "danger")


def _rich_text(block: dict[str, Any]) -> None:
    assert block["elements"]
    for element in block["elements"]:
        assert element["type"] in ("rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted")
        if element["type"] == "rich_text_list":
            assert element["style"] in ("bullet", "ordered")
            assert element["elements"]
            for item in element["elements"]:
                assert item["type"] == "rich_text_section"
                _runs(item)
        else:
            _runs(element)


def _runs(element: dict[str, Any]) -> None:
    assert element["elements"]
    for run in element["elements"]:
        if run["type"] == "link":
            assert run["url"].startswith(("https://", "http://")) and len(run["url"]) <= 3000
        else:
            assert run["type"] == "text"
        assert 0 < len(run["text"]) <= 3000
        assert set(run.get("style", {})) <= {"bold", "italic", "strike", "code"}

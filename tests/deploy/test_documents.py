"""What the documents name exists: tests as proofs, commands as remedies."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from typer.main import get_command

from monitor.cli import app

ROOT = Path(__file__).resolve().parents[2]


def test_every_proof_exists() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    proofs = set(re.findall(r"`(test_\w+)`", text))
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(proofs) > 25
    assert sorted(name for name in proofs if f"def {name}(" not in code) == []
    for path in set(re.findall(r"`([\w/]+/test_\w+\.py)`", text)):
        assert (ROOT / "tests" / path).is_file(), path


@pytest.mark.parametrize("name", ["reliability", "scale", "operations"])
def test_every_command_exists(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    commands = get_command(app).commands  # type: ignore[attr-defined]
    named = re.findall(r"`monitor ([a-z]+)(?: ([a-z]+))?", text)
    assert named
    for first, second in named:
        assert first in commands, first
        inner = getattr(commands[first], "commands", None)
        assert not inner or not second or second in inner, (first, second)


def test_the_worked_story_holds_what_its_commands_print() -> None:
    """Every block of docs/cx.md is one that benchmarks/story.py tells, and none is empty."""
    spec = importlib.util.spec_from_file_location("story", ROOT / "benchmarks" / "story.py")
    assert spec is not None and spec.loader is not None
    story = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(story)
    document = story.DOCUMENT.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"<!-- story:(\w+) -->(.*?)<!-- /story -->", document, flags=re.DOTALL))
    assert blocks.keys() == story.COMMANDS.keys()
    assert all(f"$ monitor {story.COMMANDS[name][0]}" in held and held.count("\n") > 5 for name, held in blocks.items())
    told = story.rewritten(document, dict.fromkeys(story.COMMANDS, "NPS 14\n"))
    assert told.count("NPS 14") >= len(blocks) and told.count("<!-- /story -->") == len(blocks)

"""The help texts: what commands say of themselves and of their options, found where it is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from monitor.sayings import Saying

HELP = "help"  # the context of help texts in a catalogue
HEADS = (  # of every help text
    "Usage", "[OPTIONS]", "COMMAND [ARGS]...", "Arguments", "Options", "Commands", "default", "required",
    "Show this message and exit.", "Install completion for the current shell.",
    "Show completion for the current shell, to copy it or customize the installation.",
)  # fmt: skip


def helps(folder: Path) -> Iterator[Saying]:
    """Docstrings of the commands of a folder, and each `help=`."""
    for path in sorted(folder.glob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        commands = {
            name.id for node in nodes if isinstance(node, ast.Call) and _makes_command(node.func)
            for name in node.args if isinstance(name, ast.Name)
        }  # fmt: skip
        for node in nodes:
            if isinstance(node, ast.Call):
                values = [keyword.value for keyword in node.keywords if keyword.arg == "help"]
                words = [str(value.value) for value in values if isinstance(value, ast.Constant)]
            elif isinstance(node, ast.FunctionDef) and (
                node.name in commands or any(map(_makes_command, node.decorator_list))
            ):
                words = [ast.get_docstring(node) or ""]
            else:
                continue
            for text in filter(None, words):
                yield Saying(unbroken(text), f"monitor/cli/{path.name}", node.lineno)
    for text in HEADS:
        yield Saying(text, "monitor/helps.py", 1)


def unbroken(text: str) -> str:
    """A text without the breaks of its lines; paragraphs stay."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _makes_command(node: ast.AST) -> bool:
    """`app.command("name")`, which decorates a function or is called with it."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "command"

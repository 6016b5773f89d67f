"""The table of docs/metrics.md: every formula is in it, with tests that are there and play it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NO_FORMULAS = {"tails", "sample", "metric"}  # distributions (test_tails.py), lists of values, what a number is


def functions(folder: Path) -> dict[str, ast.FunctionDef]:
    """Module-level functions by "module.name"."""
    return {
        f"{file.stem}.{node.name}": node
        for file in folder.glob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def rows() -> list[tuple[set[str], str, set[str], set[str]]]:
    """Functions, what they are held against, tests, tests of properties."""
    document = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    lines = document.split("## Which test holds which formula")[1].split("\n## ")[0].splitlines()
    found = []
    for line in [line for line in lines if line.startswith("| `")]:
        named, source, tests, properties = (cell.strip() for cell in line.strip("|").split(" | "))
        module, held = "", set()
        for name in re.findall(r"`([\w.]+)`", named):
            module = name.partition(".")[0] if "." in name else module
            held.add(f"{module}.{name.rpartition('.')[2]}")
        found.append((held, source, *(set(re.findall(r"`(\w+)`", cell)) for cell in (tests, properties))))
    return found


def test_every_formula_has_its_example_and_its_properties() -> None:
    public = {
        name
        for name in functions(ROOT / "monitor" / "metrics")
        if name.partition(".")[0] not in NO_FORMULAS and not name.partition(".")[2].startswith("_")
    }
    told = rows()
    assert set().union(*(held for held, *_ in told)) == public
    tests = {name.partition(".")[2]: node for name, node in functions(Path(__file__).parent).items()}
    for held, source, examples, properties in told:
        assert source and examples and properties
        assert examples | properties <= tests.keys(), (examples | properties) - tests.keys()
        played = {
            node.id for test in examples | properties for node in ast.walk(tests[test]) if isinstance(node, ast.Name)
        }
        assert {name.partition(".")[2] for name in held} & played, f"no test of {held} plays any of them"

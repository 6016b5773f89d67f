"""The program, run in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import models
from monitor.cli import main
from tests.monitor.support import WordScorer


class Told(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The program in this process, in an empty folder, with the scorer that follows plain words."""
    monkeypatch.chdir(tmp_path)
    for name in ("MONITOR_CONFIG", "MONITOR_LOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(models, "load", lambda name=None, **options: WordScorer())

    def call(*arguments: Any, stdin: bytes = b"") -> Told:
        monkeypatch.setattr(sys, "argv", ["monitor", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err, captured.err
        return Told(int(ended.value.code or 0), captured.out, captured.err)

    return call

"""What commands share: progress where nobody watches a terminal."""

from __future__ import annotations

import pytest

from monitor.cli.common import progress


def test_without_a_terminal_a_long_run_writes_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with progress(every=60, clock=lambda: now[0]) as report:
        for done in range(11):
            report("learning", done, 10)
            now[0] += 25
    shares = [line.split(" %  learning")[0].strip() for line in capsys.readouterr().err.splitlines()]
    assert shares == ["0.0", "30.0", "60.0", "90.0", "100.0"]


def test_others_are_silent_there(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        report("judging", 10, 10)
    assert capsys.readouterr().err == ""

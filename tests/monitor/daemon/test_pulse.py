"""The pulse: failures are told until they are over, what hangs ends the process, the dead man's switch is honest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitor.daemon.pulse import HANGS, Pulse, ping
from monitor.pipeline.context import Context
from monitor.pipeline.housekeeping import KEEP_RUNS, housekeep
from monitor.pipeline.wellbeing import STEPS, ailing
from monitor.store import notices
from monitor.store.engine import reading, writing
from monitor.store.queries import operations
from monitor.store.tables import Run
from tests.monitor import support
from tests.monitor.support import NOW


@pytest.fixture
def called() -> Iterator[tuple[str, list[str]]]:
    """An address, and what was asked for there."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/ping/secret", asked
        server.shutdown()
        thread.join()


def all_well(pulse: Pulse, *, but: str = "") -> None:
    for step in STEPS:
        if step != but:
            with pulse.step(step):
                pass


def why(context: Context) -> list[str]:
    with reading(context.engine) as session:
        return ailing(session, context.settings, now=context.now)


def test_the_switch_is_held_while_all_is_well_only(tmp_path: Path, called: tuple[str, list[str]]) -> None:
    url, asked = called
    context = support.context(tmp_path, heartbeat={"url": url})
    clock = [0.0]
    pulse = Pulse(context, clock=lambda: clock[0])
    all_well(pulse, but="detect")
    assert not ping(context) and why(context) == ["detect has not run yet"]
    all_well(pulse)
    assert ping(context) and asked == ["/ping/secret"]
    with pytest.raises(OSError, match="full"), pulse.step("notify"):
        raise OSError(28, "disk full")
    assert not ping(context) and why(context) == ["notify fails"]
    with reading(context.engine) as session:
        assert [n.text for n in notices.open_notices(session)] == ["notify: OSError: [Errno 28] disk full"]
    all_well(pulse)
    assert ping(context)
    at = NOW + timedelta(hours=2)
    context.clock = lambda: at
    clock[0] += 7200
    all_well(pulse, but="report")
    assert not ping(context) and why(context) == [f"report last went well at {NOW:%Y-%m-%d %H:%M} UTC"]
    assert len(asked) == 2


def test_a_switch_that_cannot_be_reached_shows_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = support.context(tmp_path, heartbeat={"url": "http://127.0.0.1:9/ping/secret"})
    all_well(Pulse(context))
    assert not ping(context)
    said = capsys.readouterr()
    assert "heartbeat.failed" in said.out + said.err and "secret" not in said.out + said.err


def test_a_step_hangs_when_it_neither_tells_nor_asks(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    clock = [0.0]
    pulse = Pulse(context, clock=lambda: clock[0])
    with pulse.step("score"):
        for sign in (lambda: context.progress("score", 1, 2), context.should_stop):
            clock[0] += HANGS - 1
            sign()
            clock[0] += HANGS - 1
            assert pulse.hanging() == []
        clock[0] += 2
        assert pulse.hanging() == ["score"]
    assert pulse.hanging() == []


def test_counters_never_fall(tmp_path: Path) -> None:
    """Runs are kept for ninety days; what they counted is kept for ever, or Prometheus would see a burst."""
    context = support.context(tmp_path)
    with writing(context.engine) as session:
        for days in (1, 100):
            at = NOW - timedelta(days=days)
            session.add(Run(step="push", started_at=at, finished_at=at + timedelta(seconds=3), n_items=5, n_new=2))
    with reading(context.engine) as session:
        before = operations.all_runs(session)
    assert [row[2:5] for row in before] == [(2, 10, 4)] and before[0][6] == pytest.approx(6, abs=0.01)
    housekeep(context)
    housekeep(context)
    with reading(context.engine) as session:
        assert len(operations.runs(session)) == 1 and timedelta(days=100) > KEEP_RUNS
        after = operations.all_runs(session)
    assert after[0][:6] == before[0][:6] and after[0][6] == pytest.approx(before[0][6], abs=0.01)

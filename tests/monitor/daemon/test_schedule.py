"""The schedule: steps come again and again, whatever they raise, however long they take, whatever the clock says."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from monitor.daemon.schedule import Schedule

SOON = timedelta(milliseconds=1)


def run(schedule: Schedule, stop: threading.Event, *waited_for: threading.Event) -> None:
    schedule.start()
    try:
        assert all(event.wait(60) for event in waited_for)
    finally:
        stop.set()
        schedule.join()


def times(n: int) -> tuple[threading.Event, list[int]]:
    return threading.Event(), [n]


def counted(event: threading.Event, left: list[int]) -> None:
    left[0] -= 1
    if left[0] <= 0:
        event.set()


def test_a_step_that_fails_comes_again_and_holds_up_no_other() -> None:
    stop = threading.Event()
    schedule = Schedule(stop)
    (failed, tries), (done, turns), hangs = times(3), times(3), threading.Event()

    def fails() -> None:
        counted(failed, tries)
        raise OSError(28, "No space left on device")

    def hang() -> None:
        hangs.set()
        stop.wait()

    schedule.every(SOON, "fails", fails)
    schedule.every(SOON, "hangs", hang)
    schedule.every(SOON, "works", lambda: counted(done, turns))
    run(schedule, stop, failed, done, hangs)


def test_a_clock_that_is_set_back_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    schedule = Schedule(stop)
    done, turns = times(4)
    today = time.time()
    calls = iter(range(1, 1000))
    monkeypatch.setattr(time, "time", lambda: today - 86_400 * next(calls))
    schedule.every(SOON, "works", lambda: counted(done, turns))
    run(schedule, stop, done)


def test_a_stop_waits_for_the_step_in_hand_and_begins_no_other() -> None:
    stop, begun, may_end = threading.Event(), threading.Event(), threading.Event()
    schedule = Schedule(stop)
    ended: list[str] = []

    def step() -> None:
        begun.set()
        may_end.wait(60)
        ended.append("step")

    schedule.every(SOON, "long", step)
    schedule.start()
    assert begun.wait(60)
    stop.set()
    may_end.set()
    schedule.join()
    assert ended == ["step"]

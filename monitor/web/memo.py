"""The memo: answers that many people ask for within seconds are computed once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock, Thread
from typing import Any, TypeVar

import structlog
from sqlalchemy import Engine
from sqlmodel import Session

from monitor.store.engine import reading

T = TypeVar("T")
log = structlog.get_logger()


class Memo:
    """Keeps up to `size` answers for `seconds`. `clear` after a change that people expect to see at once.

    It forgets all but what was asked for as `lasting`, which corrections do not change.

    Two who ask at the same time for the same thing wait for one computation.
    """

    def __init__(self, *, seconds: float = 60.0, size: int = 512, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._size, self._clock = seconds, size, clock
        self._kept: OrderedDict[Hashable, tuple[float, Any, bool]] = OrderedDict()
        self._turns: dict[Hashable, Lock] = {}
        self._lock = Lock()
        self._era = 0

    def get(
        self, key: Hashable, make: Callable[[], T], *, seconds: float | None = None, lasting: bool = False,
        again: Callable[[], T] | None = None,
    ) -> T:  # fmt: skip
        """The kept answer for `key`, or a fresh one from `make`.

        With `again`, which needs nothing of the request, an old answer is given once more and renewed behind it.
        """
        found: tuple[T] | None = self._look(key, renew=again and (lambda: self._renew(key, again, seconds, lasting)))
        if found is not None:
            return found[0]
        with self._lock:
            turn = self._turns.setdefault(key, Lock())
        with turn:
            found = self._look(key)
            if found is not None:
                return found[0]
            era = self._era
            try:
                made = make()
            finally:
                with self._lock:
                    self._turns.pop(key, None)
            with self._lock:
                if lasting or era == self._era:  # what was computed from rows before a change is not kept
                    self._kept[key] = (self._clock() + (seconds or self._seconds), made, lasting)
                    while len(self._kept) > self._size:
                        self._kept.popitem(last=False)
            return made

    def clear(self) -> None:
        with self._lock:
            self._era += 1
            for key in [key for key, entry in self._kept.items() if not entry[2]]:
                del self._kept[key]

    def _look(self, key: Hashable, *, renew: Callable[[], None] | None = None) -> tuple[Any] | None:
        with self._lock:
            entry = self._kept.get(key)
            if entry is None:
                return None
            if entry[0] < self._clock():
                if renew is None:
                    del self._kept[key]
                    return None
                self._kept[key] = (self._clock() + self._seconds, *entry[1:])  # others need not renew it too
        if renew is not None and entry[0] < self._clock():
            Thread(target=renew, name="memo", daemon=True).start()
        return (entry[1],)

    def _renew(self, key: Hashable, again: Callable[[], T], seconds: float | None, lasting: bool) -> None:
        era = self._era
        try:
            made = again()
        except Exception as error:  # noqa: BLE001  (the next who asks computes it, and sees what is wrong)
            log.warning("memo.not_renewed", error=type(error).__name__)
            with self._lock:
                self._kept.pop(key, None)
            return
        with self._lock:
            if lasting or era == self._era:
                self._kept[key] = (self._clock() + (seconds or self._seconds), made, lasting)


def renewed(
    memo: Memo,
    engine: Engine,
    key: Hashable,
    make: Callable[[Session], T],
    *,
    rows: Session | None = None,
    seconds: float | None = None,
    lasting: bool = False,
) -> T:
    """An answer from the store that is renewed behind the one given when it is old: only who asks first waits.

    He reads by `rows`, if he has a transaction; what is renewed is read by one of its own.
    """

    def again() -> T:
        with reading(engine) as session:
            return make(session)

    def first() -> T:
        return make(rows) if rows is not None else again()

    return memo.get(key, first, seconds=seconds, lasting=lasting, again=again)

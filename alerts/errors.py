"""What can go wrong between a count and a delivered message, one class per thing the caller does next.

AlertError
|-- BadRule          a rule, route, silence or channel setting is wrong: fix the configuration; never retried
|-- UnknownChannel   no channel of that name
|-- Retryable        the channel did not take the message: try again after `after` seconds
`-- Rejected         the channel will never take this message: record it and tell the operator
"""

from __future__ import annotations


class AlertError(Exception):
    """Root of everything this package raises on purpose."""


class BadRule(AlertError):
    """A rule, route, silence or setting is wrong; the message names key, value and what is allowed."""


class UnknownChannel(AlertError):
    """No channel has that name; the message lists those that exist."""


class Retryable(AlertError):
    """The message was not delivered, but may be later.

    `after` is the wait in seconds the other side asked for; None when it did not say: the sender's back-off decides.
    """

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Rejected(AlertError):
    """The other side refused this message for good (bad address, bad login, too large): never sent again as it is."""

"""What a caller of `alerts` does next when something fails: try again, give up, or correct a rule."""

from __future__ import annotations

__all__ = ["AlertsError", "BadRule", "Rejected", "Retryable"]


class AlertsError(Exception):
    """Root of the tree: anything this package raises on purpose."""


class Retryable(AlertsError):
    """The delivery failed in a way that may pass; try again, not before `after` seconds where that is known."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Rejected(AlertsError):
    """The receiver refused for good (wrong address, revoked token, too large): trying again cannot help."""


class BadRule(AlertsError):
    """A rule, a setting or a stored state that cannot be used; the message names key, value and what is allowed."""

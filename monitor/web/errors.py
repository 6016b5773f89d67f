"""What a request can be told instead of an answer, one class per thing the person does next."""

from __future__ import annotations


class WebError(Exception):
    """Root; `status` is the HTTP status, the message is for the person."""

    status = 400


class BadRequest(WebError):
    """Something in the form or the address is wrong."""

    status = 422


class LoginNeeded(WebError):
    """Nobody is logged in."""

    status = 401


class Forbidden(WebError):
    """Logged in, but the role does not allow it, or the request did not come from our own page."""

    status = 403


class NotFound(WebError):
    """No such thing."""

    status = 404


class TooLarge(WebError):
    """More was sent than any form of ours holds."""

    status = 413


class TooMany(WebError):
    """Too many tries; `after` seconds until the next."""

    status = 429

    def __init__(self, message: str, *, after: int) -> None:
        super().__init__(message)
        self.after = after

"""What can go wrong while reading a site, one class per thing the caller does next.

ScraperError
|-- BadParams        fix the source's parameters; never retried
|   `-- BadQuery         fix the brand's query at the named position
|-- UnknownScraper   no reader of that name
|-- FetchError       the page did not arrive
|   |-- Unreachable      network trouble: try again later
|   |-- RateLimited      wait `retry_after` seconds
|   |   `-- BudgetSpent      our own limit of a day, not the site's: nothing is wrong
|   |-- Refused          address, scheme, robots.txt or size forbids it: do not retry
|-- PushRejected     a message pushed to us is not accepted: answer its `status`
|-- Blocked          the site shows a wall: park the source
|-- LoginNeeded      credentials are missing or were refused
|-- Gone             the thing that was read does not exist any more
`-- LayoutChanged    the page arrived but is not what it was: keep a sample, tell the operator
"""

from __future__ import annotations


class ScraperError(Exception):
    """Root of everything this package raises on purpose."""


class BadParams(ScraperError):
    """Parameters of a source are wrong; the message names key, value and what is allowed."""


class BadQuery(BadParams):
    """A brand query that cannot be read; `position` counts characters from 1."""

    def __init__(self, message: str, *, query: str = "", position: int = 1) -> None:
        super().__init__(f"{message} (at character {position} of {query!r})" if query else message)
        self.query = query
        self.position = position


class UnknownScraper(ScraperError):
    """No reader has that name; the message lists near names."""


class FetchError(ScraperError):
    """A page did not arrive."""

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class Unreachable(FetchError):
    """Name, connection, time-out or a server error after all tries; try again at the next slot."""

    def __init__(self, message: str, *, url: str = "", retry: bool = True) -> None:
        super().__init__(message, url=url)
        self.retry = retry  # False: another try at once cannot help (the host rests)


class RateLimited(FetchError):
    """The site asks to wait."""

    def __init__(self, message: str, *, url: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, url=url)
        self.retry_after = retry_after  # seconds; None when the site did not say


class BudgetSpent(RateLimited):
    """The requests that we allow ourselves a day are made; `retry_after` leads to the next day."""


class Refused(FetchError):
    """We refuse to fetch this: private address, scheme, robots.txt, body cap."""


class PushRejected(ScraperError):
    """A webhook message that is not accepted; `status` is the HTTP status to answer."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Blocked(ScraperError):
    """The site answers with a wall; parking the source is the only honest answer."""


class LoginNeeded(ScraperError):
    """The site wants credentials, or refused those we have."""


class Gone(ScraperError):
    """What was read does not exist (any more)."""


class LayoutChanged(ScraperError):
    """The page arrived but its structure is not the one this reader knows."""

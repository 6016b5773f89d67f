"""What can go wrong in the application, one class per exit code.

MonitorError        1  it failed
|-- ConfigError     2  usage or configuration: names file, key, value and what is allowed
|-- Partial         3  some of it failed
|-- NotReady        4  the store or the weights are not there yet
`-- Locked         75  another instance holds the store
"""

from __future__ import annotations


class MonitorError(Exception):
    """Root of what the application raises on purpose; `exit_code` is what the process answers."""

    exit_code = 1


class ConfigError(MonitorError):
    """Configuration or usage is wrong."""

    exit_code = 2


class Partial(MonitorError):
    """The work was done in part; the rest is named."""

    exit_code = 3


class NotReady(MonitorError):
    """A migration or the weights are missing."""

    exit_code = 4


class Locked(MonitorError):
    """Another process holds the store."""

    exit_code = 75

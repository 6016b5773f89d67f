"""Fixtures every test package may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# a loaded machine is slow, and that is no fault of what is tested; the same examples every time
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

os.environ["LC_ALL"] = "C.UTF-8"  # else a Russian-speaking developer's shell is answered in Russian

ROOT = Path(__file__).resolve().parent.parent


def shared_directory() -> Path | None:
    """The folder of strangers' data beside the checkout, or None where it is not."""
    candidate = Path(os.environ.get("MONITOR_SHARED", ROOT.parent / "shared"))
    return candidate if (candidate / "recorded").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """Strangers' recordings and data sets; the test is skipped, with a plain reason, where they are missing."""
    found = shared_directory()
    if found is None:
        pytest.skip("the folder `shared` is not beside the checkout (set MONITOR_SHARED to its path)")
    return found


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """What a test configured of the log ends with it."""
    yield
    structlog.reset_defaults()

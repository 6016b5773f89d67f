"""Requests made up from the description of the API (schemathesis): no 500, and only what the description promises.

A bounded number of seeded cases an operation; MONITOR_TEST_CASES asks for more (`make schema`).
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from starlette.testclient import TestClient

from monitor.web.app import create_app
from tests.monitor.web.conftest import House

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its own dependencies deprecate is not ours
    import schemathesis

N_CASES = int(os.environ.get("MONITOR_TEST_CASES", "5"))


def operations(house: House) -> list[Any]:
    schema = schemathesis.openapi.from_dict(create_app(house.context).openapi())
    return [found.ok() for found in schema.get_all_operations()]


def names(house: House) -> set[tuple[str, str]]:
    return {(operation.method.upper(), operation.path) for operation in operations(house)}


def test_no_made_up_request_breaks_anything(house: House) -> None:
    """Against an administrator's session: what passes the description's own check or fails it, never an error."""
    client = house.as_("admin")
    told: set[tuple[str, str]] = set()
    n = 0

    for operation in operations(house):

        @seed(20261128)
        @settings(max_examples=N_CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck),
                  phases=[Phase.generate])  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal n
            answer = send(client, case)
            assert answer.status_code < 500 or answer.status_code == 503, (case.method, answer.url, answer.text[:500])
            promised = case.operation.definition.raw["responses"]
            assert str(answer.status_code) in promised, (case.method, str(answer.url), answer.status_code)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
            told.add((case.method.upper(), case.operation.path))
            n += 1

        ask()

    assert told == names(house)
    assert n >= len(told)


def send(client: TestClient, case: Any) -> Any:
    made = case.as_transport_kwargs(base_url="http://127.0.0.1")
    made.pop("cookies", None)
    headers = {name: value for name, value in (made.pop("headers", None) or {}).items() if name.lower() != "cookie"}
    return client.request(made.pop("method"), made.pop("url"), headers=headers, **made)


def test_the_description_is_valid(house: House) -> None:
    described = create_app(house.context).openapi()
    assert described["openapi"].startswith("3.1")
    with pytest.raises(KeyError):
        described["paths"]["/login"]  # pages are no part of it
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["responses"], (method, path)
            assert {"401", "422"} <= set(operation["responses"]) or method == "get", (method, path)

"""Who is let in, whatever way a request is written: every spelling, operation and key.

Asked over raw sockets, for what a library sends is tidy. Nothing here knows how the service
decides: what an operation takes is what docs/security.md says.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from models.publish import import_version
from models.registry import Registry
from tests.balancer import balancing
from tests.fuzz.asked import Request
from tests.fuzz.connection import Answer
from tests.fuzz.doors import (
    DIGESTS,
    KEYS,
    NOTHING,
    PREDICT,
    WITH_KEYS,
    WITHOUT_KEYS,
    Met,
    Operation,
    Scopes,
    answers,
    drawn_of,
    meet,
    operations,
    shown,
)
from tests.fuzz.spellings import spelled
from tests.servers import PATIENCE, Server, running

PROBLEM = {"type", "title", "status", "detail"}
ONE_IN = 9  # spellings of an operation, but for administration, which is asked in all
STATUS = {"service", "models", "keys", "settings"}


def taken(operation: Operation, at: int) -> list[Request]:
    """The spellings to ask: each operation begins with another, so that together they have all."""
    spellings = list(spelled(operation.plain))
    some = spellings if operation.scope == "admin" else spellings[at % ONE_IN :: ONE_IN]
    return list(dict.fromkeys([operation.plain, *some]))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Registry:
    registry = Registry(tmp_path_factory.mktemp("spellings"))
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    return registry


@dataclass(frozen=True)
class Served:
    """A service, where it is asked, and whom it should let in."""

    server: Server
    port: int
    scopes: Scopes


@pytest.fixture(scope="module", params=["keys", "no keys"])
def served(
    request: pytest.FixtureRequest,
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
    registry: Registry,
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("spelled")
    keys, scopes = ({}, WITHOUT_KEYS) if request.param == "no keys" else (DIGESTS, WITH_KEYS)
    with ExitStack() as stack:
        settings: dict[str, Any] = {"server": kind, "registry": registry.root, **keys}
        server = front = stack.enter_context(running(folder, workers=1, **settings))
        if "balancer" in request.param:
            front = stack.enter_context(balancing(folder, server.port))
        yield Served(server, front.port, scopes)


@pytest.fixture(scope="module")
def routes_of_plain_requests(served: Served) -> set[str]:
    """What is counted before anything is asked in another way."""
    found = operations(served.server.url)
    plain = [each for it in found for each in (it.plain, of_another_model(it))]
    for key in KEYS:
        answers(served.port, [shown(each, key) for each in (*plain, NOWHERE)])
    return routes(served.server)


@pytest.fixture(scope="module")
def met(
    served: Served,
    registry: Registry,
    routes_of_plain_requests: set[str],
) -> Met:
    found = operations(served.server.url)
    asked = [(it, request) for at, it in enumerate(found) for request in taken(it, at)]
    return meet(served.port, asked, registry, served.scopes)


NOWHERE = Request("any", "GET", b"/nowhere", (), b"", chunked=False)


def of_another_model(operation: Operation) -> Request:
    """The same, for a model that is not there."""
    plain = operation.plain
    return replace(plain, target=plain.target.replace(b"calories", b"bread"))


def routes(server: Server) -> set[str]:
    """The routes of all requests that were counted."""
    asked = requests.get(f"{server.url}/metrics", headers={"X-API-Key": PREDICT}, timeout=PATIENCE)
    return set(re.findall(r'^calories_requests_total{.*route="(.*?)"', asked.text, re.MULTILINE))


def test_each_operation_lets_in_whom_it_should(met: Met) -> None:
    plain = met.plain()
    assert len(plain) > 40
    assert [(it.path, who) for it, who in plain.items() if who != met.scopes[it.scope]] == []


def test_no_spelling_lets_in_anybody_else(met: Met) -> None:
    assert met.wrong() == []


def test_no_label_moves_without_a_key_for_administration(met: Met) -> None:
    assert not met.moved


def test_spellings_on_spellings_let_in_nobody_else(served: Served, registry: Registry) -> None:
    found = operations(served.server.url)
    met = meet(served.port, drawn_of(found, 300, at=0), registry, served.scopes)
    assert len(met.asked) > 300
    assert met.wrong() == []
    assert not met.moved


def test_what_administration_tells_is_told_for_its_key_alone(met: Met) -> None:
    told = [
        (request, key)
        for _, request, found in met
        for key in KEYS
        if key not in met.scopes["admin"] and form(found[key]) in ({"model", "labels"}, STATUS)
    ]
    assert told == []


def form(answer: Answer) -> set[str]:
    """The names in a JSON object, none for anything else."""
    if not answer.body.startswith(b"{"):
        return set()
    return set(json.loads(answer.body)) - {"shares"}


def test_the_key_for_administration_gets_what_it_tells(met: Met) -> None:
    for key in met.scopes["admin"]:
        forms = [form(answer) for answer in met.answers[key]]
        assert forms.count(STATUS) > 1
        assert forms.count({"model", "labels"}) > 1


def test_no_spelling_is_counted_as_a_route_of_its_own(
    served: Served,
    routes_of_plain_requests: set[str],
    met: Met,
) -> None:
    assert routes(served.server) == routes_of_plain_requests


@pytest.mark.parametrize(
    ("method", "path", "status", "names"),
    [
        ("GET", "/nowhere", 404, PROBLEM),
        ("GET", "/predict/more", 404, PROBLEM),
        ("GET", "/models/calories/1/nowhere", 404, PROBLEM),
        ("GET", "/admin", 404, PROBLEM),
        ("PUT", "/admin/models/calories/labels", 404, PROBLEM),
        ("GET", "/v1/nowhere", 400, {"error"}),
        ("GET", "/v2/nowhere", 404, {"error"}),
        ("GET", "/predict", 405, PROBLEM),
        ("POST", "/admin/status", 405, PROBLEM),
        ("GET", "/v2/models/calories/infer", 405, {"error"}),
    ],
)
def test_what_is_nowhere_is_so_for_everyone_in_the_dialect_of_its_first_segment(
    served: Served, method: str, path: str, status: int, names: set[str]
) -> None:
    nowhere = Request("any", method, path.encode(), (), b"", chunked=False)
    met = answers(served.port, [shown(nowhere, key) for key in KEYS])
    assert {(answer.status, answer.body) for answer in met} == {(status, met[0].body)}
    assert json.loads(met[0].body).keys() == names
    assert ("allow" in met[0].headers) == (status == 405)


def test_no_spelling_of_a_file_leaves_its_folder(served: Served) -> None:
    targets = [
        b"/static/" + (up + slash) * levels + file
        for up in (b"..", b"%2e%2e", b"..%00", b"..;")
        for slash in (b"/", b"%2f", b"%252f", b"\\", b"%5c", b"//", b"/./")
        for levels in (0, 1, 2, 9)
        for file in (b"pages/front.py", b"settings.py", b"/etc/passwd", b"%2fetc%2fpasswd")
    ]
    asked = [Request("any", "GET", target, (), b"", chunked=False) for target in targets]
    assert {answer.status for answer in answers(served.port, asked)} <= NOTHING

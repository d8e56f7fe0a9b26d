"""Who is let in, whatever way a request is written: every spelling, operation and key.

Asked over raw sockets, for what a library sends is tidy. Nothing here knows how the service
decides: what an operation takes is what docs/security.md says.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from models.publish import import_version
from models.registry import Registry
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
MOVED = {"model", "labels"}
DRAWN = 300


def get(path: str, method: str = "GET") -> Request:
    return Request("any", method, path.encode(), (), b"", chunked=False)


def taken(operation: Operation, at: int) -> list[Request]:
    """The spellings to ask: each operation begins with another, so that together they have all."""
    spellings = list(spelled(operation.plain))
    some = spellings if operation.scope == "admin" else spellings[at % ONE_IN :: ONE_IN]
    return list(dict.fromkeys([operation.plain, *some]))


@dataclass(frozen=True)
class Served:
    """A service, whom it should let in, and what everything that was asked met."""

    server: Server
    scopes: Scopes
    met: Met
    routes: set[str]  # that were counted when nothing had been asked but plainly

    def answers(self, asked: list[Request]) -> list[Answer]:
        return answers(self.server.port, asked)


@pytest.fixture(scope="module", params=["keys", "no keys"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped: Registry
) -> Iterator[Served]:
    registry = Registry(tmp_path_factory.mktemp("spellings"))
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    keys = DIGESTS if request.param == "keys" else {}
    scopes = WITH_KEYS if keys else WITHOUT_KEYS
    folder = tmp_path_factory.mktemp("served")
    settings: dict[str, Any] = {"workers": 1, "registry": registry.root, **keys}
    with running(folder, max_wait_seconds=PATIENCE, **settings) as server:
        found = operations(server.url)
        assert len(found) > 40
        plain = [it.plain for it in found]
        others = [replace(it, target=it.target.replace(b"calories", b"bread")) for it in plain]
        for key in KEYS:
            answers(server.port, [shown(each, key) for each in (*plain, *others, get("/nowhere"))])
        counted = routes(server)
        asked = [(it, spelling) for at, it in enumerate(found) for spelling in taken(it, at)]
        asked += drawn_of(found, DRAWN, at=0)
        yield Served(server, scopes, meet(server.port, asked, registry, scopes), counted)


def routes(server: Server) -> set[str]:
    """The routes of all requests that were counted."""
    asked = requests.get(f"{server.url}/metrics", headers={"X-API-Key": PREDICT}, timeout=PATIENCE)
    return set(re.findall(r'^calories_requests_total{.*route="(.*?)"', asked.text, re.MULTILINE))


def test_no_spelling_lets_in_anybody_else_or_moves_a_label(served: Served) -> None:
    assert len(served.met.asked) > 4000
    assert served.met.wrong == []


def test_what_administration_tells_is_told_for_its_key_alone(served: Served) -> None:
    for key in KEYS:
        forms = [names(answer) for answer in served.met.answers[key]]
        status, moved = (sum(it == form for it in forms) for form in (STATUS, MOVED))
        if key in served.scopes["admin"]:
            assert min(status, moved) > 1
        else:
            assert status == moved == 0


def names(answer: Answer) -> set[str]:
    """The names in a JSON object, none for anything else."""
    if not answer.body.startswith(b"{"):
        return set()
    return set(json.loads(answer.body)) - {"shares"}


def test_no_spelling_is_counted_as_a_route_of_its_own(served: Served) -> None:
    assert routes(served.server) == served.routes


@pytest.mark.parametrize(
    ("method", "path", "status", "names"),
    [
        ("GET", "/nowhere", 404, PROBLEM),
        ("GET", "/predict/more", 404, PROBLEM),
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
    met = served.answers([shown(get(path, method), key) for key in KEYS])
    assert {(answer.status, answer.body) for answer in met} == {(status, met[0].body)}
    assert json.loads(met[0].body).keys() == names
    assert ("allow" in met[0].headers) == (status == 405)


def test_no_spelling_of_a_file_leaves_its_folder(served: Served) -> None:
    asked = [
        get("/static/" + (up + slash) * levels + file)
        for up in ("..", "%2e%2e", "..%00", "..;")
        for slash in ("/", "%2f", "%252f", "\\", "%5c", "//", "/./")
        for levels in (0, 1, 2, 9)
        for file in ("pages/front.py", "settings.py", "/etc/passwd", "%2fetc%2fpasswd")
    ]
    assert {answer.status for answer in served.answers(asked)} <= NOTHING

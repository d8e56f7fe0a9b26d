"""Who is let in, whatever way a request is written: every spelling, operation and key.

Asked over raw sockets, for what a library sends is tidy. Nothing here knows how the service
decides: what an operation takes is what docs/security.md says.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests

from models.publish import import_version
from models.registry import Registry
from tests.fuzz.asked import Request
from tests.fuzz.connection import Answer, pipelined
from tests.fuzz.spellings import HTTP_TARGET, spelled
from tests.overload.edge import edge
from tests.serving import PATIENCE, Server, running

NO_KEY, PREDICT, ADMIN = "", "calories_predict-0123456789", "calories_admin-0123456789"
KEYS = (NO_KEY, PREDICT, ADMIN)
DIGESTS = {
    f"{scope}_keys": f"{scope}:{sha256(key.encode()).hexdigest()}"
    for scope, key in (("predict", PREDICT), ("admin", ADMIN))
}
Scopes = dict[str, set[str]]  # by scope, whom it lets in
WITH_KEYS: Scopes = {
    "open": {*KEYS},
    "predict": {PREDICT},
    "either": {PREDICT, ADMIN},
    "admin": {ADMIN},
}
WITHOUT_KEYS: Scopes = {scope: set() if scope == "admin" else {*KEYS} for scope in WITH_KEYS}
OPEN = {"/", "/docs", "/static/{file}", "/healthz", "/readyz", "/version"}
NOT_IN = {401, 403}
# There is no such path, it is for another method, or this is no HTTP; 0 is closed without a word.
NOTHING = {0, 400, 404, 405, 414, 501, 505}
CLIENTS = 4
PROBLEM = {"type", "title", "status", "detail"}
ONE_IN = 9  # spellings of an operation, but for administration, which is asked in all


@dataclass(frozen=True)
class Operation:
    """An operation of the service's document, and the request that asks it plainly."""

    path: str
    plain: Request

    @property
    def scope(self) -> str:
        """What docs/security.md says that it takes."""
        if self.path in OPEN or self.path.startswith("/v2/health/"):
            return "open"
        if self.path == "/metrics":
            return "either"
        return "admin" if self.path.startswith("/admin/") else "predict"


def operations(url: str) -> list[Operation]:
    asked = requests.get(f"{url}/openapi.json", headers={"X-API-Key": PREDICT}, timeout=PATIENCE)
    return [
        Operation(path, plain(method.upper(), path, told))
        for path, methods in asked.json()["paths"].items()
        for method, told in methods.items()
    ]


def plain(method: str, path: str, told: dict[str, Any], model: str = "calories") -> Request:
    """The request of an operation, with the first body that the document shows."""
    name = "canary" if path.endswith("/labels/{name}") else model
    known = {"model": model, "name": name, "version": 1, "label": "stable", "file": "docs.js"}
    target = path.format(**known).encode()
    for media_type, content in told.get("requestBody", {}).get("content", {}).items():
        for example in content.get("examples", {}).values():
            headers = (("Content-Type", media_type.encode()),)
            body = json.dumps(example["value"]).encode()
            return Request("any", method, target, headers, body, chunked=False)
    return Request("any", method, target, (), b"", chunked=False)


def taken(operation: Operation, at: int) -> list[Request]:
    """The spellings to ask: each operation begins with another, so that together they have all."""
    spellings = list(spelled(operation.plain))
    some = spellings if operation.scope == "admin" else spellings[at % ONE_IN :: ONE_IN]
    return list(dict.fromkeys([operation.plain, *some]))


def shown(request: Request, key: str) -> Request:
    """The request with a key, or without one."""
    return replace(
        request, headers=(*request.headers, ("X-API-Key", key.encode())) if key else request.headers
    )


def answers(port: int, asked: Sequence[Request]) -> list[Answer]:
    """The answers to all, by several clients."""
    found: dict[int, Answer] = {}
    with ThreadPoolExecutor(CLIENTS) as clients:
        shares = [range(at, len(asked), CLIENTS) for at in range(CLIENTS)]
        for share in clients.map(partial(_answers, port, asked), shares):
            found |= share
    return [found[at] for at in range(len(asked))]


def _answers(port: int, asked: Sequence[Request], share: Sequence[int]) -> dict[int, Answer]:
    """What can be read goes behind each other on a kept connection, everything else on its own."""
    found: dict[int, Answer] = {}
    tidy = [at for at in share if HTTP_TARGET(asked[at].target)]
    for some in (tidy, *([at] for at in share if not HTTP_TARGET(asked[at].target))):
        raws = [asked[at].raw(f"asked-{at}") for at in some]
        found |= dict(zip(some, pipelined(port, raws), strict=True))
    for at, answer in found.items():
        assert answer.headers.get("x-request-id", f"asked-{at}") == f"asked-{at}", asked[at]
    return found


@dataclass
class Met:
    """Requests with every key, and what they met."""

    scopes: Scopes
    asked: list[tuple[Operation, Request]]
    answers: dict[str, list[Answer]]  # by key, to each that was asked
    before: dict[Path, bytes]  # where labels are and what moved them
    after: dict[Path, bytes]  # the same, when all had asked who have no key for it
    routes: tuple[set[str], set[str]]  # that are counted: of plain requests, and of all

    def __iter__(self) -> Iterator[tuple[Operation, Request, dict[str, Answer]]]:
        for at, (operation, request) in enumerate(self.asked):
            yield operation, request, {key: found[at] for key, found in self.answers.items()}

    @cached_property
    def told(self) -> dict[frozenset[str], set[bytes]]:
        """What plain requests are answered, by whom their operations let in."""
        told: defaultdict[frozenset[str], set[bytes]] = defaultdict(set)
        for operation, request, found in self:
            who = self.scopes[operation.scope]
            if request == operation.plain:
                told[frozenset(who)] |= {found[key].body for key in who if found[key].status == 200}
        return told


def let_in(found: dict[str, Answer]) -> set[str]:
    return {key for key, answer in found.items() if answer.status not in NOT_IN}


def meet(server: Server, port: int, registry: Registry, scopes: Scopes) -> Met:
    """Ask everything at `port`; those who may administer come last."""
    found = operations(server.url)
    plain = [each for it in found for each in (it.plain, of_another_model(it))]
    for key in KEYS:
        answers(port, [shown(each, key) for each in (*plain, NOWHERE)])
    known = routes(server)
    asked = [(it, request) for at, it in enumerate(found) for request in taken(it, at)]
    place(registry)
    before = kept(registry)
    met: dict[str, list[Answer]] = {}
    for key in KEYS:
        if key not in scopes["admin"]:
            met[key] = answers(port, [shown(request, key) for _, request in asked])
    after = kept(registry)
    for key in scopes["admin"]:
        met[key] = answers(port, [shown(without_a_move(*each), key) for each in asked])
    return Met(scopes, asked, met, before, after, (known, routes(server)))


def without_a_move(operation: Operation, request: Request) -> Request:
    """The same with a body that is refused, but for the plain one: a move takes the disk's time."""
    moves = operation.scope == "admin" and request != operation.plain and request.body
    return replace(request, body=b"[]") if moves else request


NOWHERE = Request("any", "GET", b"/nowhere", (), b"", chunked=False)


def of_another_model(operation: Operation) -> Request:
    """The same, for a model that is not there."""
    plain = operation.plain
    return replace(plain, target=plain.target.replace(b"calories", b"bread"))


def routes(server: Server) -> set[str]:
    """The routes of all requests that were counted."""
    asked = requests.get(f"{server.url}/metrics", headers={"X-API-Key": PREDICT}, timeout=PATIENCE)
    return set(re.findall(r'^calories_requests_total{.*route="(.*?)"', asked.text, re.MULTILINE))


def place(registry: Registry) -> None:
    """Labels that every operation of administration would move."""
    registry.set_label("calories", "stable", 1, None)
    registry.set_label("calories", "stable", 2, None)
    registry.set_label("calories", "canary", 1, None)


def kept(registry: Registry) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in registry.root.glob("*/*") if path.is_file()}


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


@pytest.fixture(scope="module", params=["keys", "keys, by the edge", "no keys"])
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
        if "edge" in request.param:
            front = stack.enter_context(edge(folder, server.port))
        yield Served(server, front.port, scopes)


@pytest.fixture(scope="module")
def met(served: Served, registry: Registry) -> Met:
    return meet(served.server, served.port, registry, served.scopes)


def test_each_operation_lets_in_whom_it_should(met: Met) -> None:
    plain = [(it, found) for it, request, found in met if request == it.plain]
    assert len(plain) > 40
    wrong = [
        (it.path, let_in(found)) for it, found in plain if let_in(found) != met.scopes[it.scope]
    ]
    assert wrong == []


def test_no_spelling_lets_in_anybody_else(met: Met) -> None:
    wrong = [
        (operation.path, request, {key: answer.status for key, answer in found.items()})
        for operation, request, found in met
        if let_in(found) != met.scopes[operation.scope] and not is_another(met, request, found)
    ]
    assert wrong == []


def is_another(met: Met, request: Request, found: dict[str, Answer]) -> bool:
    """Whether nothing answered, or an operation for just those who were let in."""
    who = let_in(found)
    return all(
        found[key].status in NOTHING
        or found[key].body in met.told[frozenset(who)]
        or request.method == "OPTIONS"
        for key in who
    )


def test_no_label_moves_without_a_key_for_administration(met: Met) -> None:
    assert met.after == met.before


def test_what_administration_tells_is_told_for_its_key_alone(met: Met) -> None:
    told = [
        (request, key)
        for _, request, found in met
        for key in KEYS
        if key not in met.scopes["admin"] and form(found[key]) in ({"model", "labels"}, STATUS)
    ]
    assert told == []


STATUS = {"service", "models", "keys", "settings"}


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


def test_no_spelling_is_counted_as_a_route_of_its_own(met: Met) -> None:
    plain, every = met.routes
    assert every == plain


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

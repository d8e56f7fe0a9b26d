"""Who is let in, by what docs/security.md says: requests with every key, and what they meet."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests
from hypothesis import strategies as st

from models.registry import Registry
from tests.fuzz.asked import Request
from tests.fuzz.connection import Answer, pipelined
from tests.fuzz.run import explore
from tests.fuzz.spellings import HTTP_TARGET, drawn
from tests.servers import PATIENCE

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


def drawn_of(found: Sequence[Operation], many: int, at: int) -> list[tuple[Operation, Request]]:
    """So many drawn spellings, half of administration, behind the plain requests of all."""
    asked = [(it, it.plain) for it in found]
    guarded = [it for it in found if it.scope == "admin"]
    drawn_one = st.sampled_from(found) | st.sampled_from(guarded)
    each = drawn_one.flatmap(lambda it: st.tuples(st.just(it), drawn(it.plain)))
    explore(each, asked.append, many, at)
    return asked


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
    moved: bool  # whether a label was, by who has no key for it

    def __iter__(self) -> Iterator[tuple[Operation, Request, dict[str, Answer]]]:
        for at, (operation, request) in enumerate(self.asked):
            yield operation, request, {key: found[at] for key, found in self.answers.items()}

    def plain(self) -> dict[Operation, set[str]]:
        """Whom each operation let in that was asked plainly."""
        return {it: let_in(found) for it, request, found in self if request == it.plain}

    def wrong(self) -> list[str]:
        """What let in others than it should."""
        return [
            f"{request} of {operation.path}: { {key: it.status for key, it in found.items()} }"
            for operation, request, found in self
            if let_in(found) != self.scopes[operation.scope] and not self._right(request, found)
        ]

    def _right(self, request: Request, found: dict[str, Answer]) -> bool:
        """Whether nothing answered, or an operation for just those who were let in."""
        who = let_in(found)
        return all(
            found[key].status in NOTHING
            or found[key].body in self._told[frozenset(who)]
            or request.method == "OPTIONS"
            for key in who
        )

    @cached_property
    def _told(self) -> dict[frozenset[str], set[bytes]]:
        """What operations answer that were asked plainly, by whom they should let in."""
        told: defaultdict[frozenset[str], set[bytes]] = defaultdict(set)
        for operation, request, found in self:
            who = self.scopes[operation.scope]
            if request == operation.plain:
                told[frozenset(who)] |= {found[key].body for key in who if found[key].status == 200}
        return told


def let_in(found: dict[str, Answer]) -> set[str]:
    """The keys with which it was not refused."""
    return {key for key, answer in found.items() if answer.status not in NOT_IN}


def meet(
    port: int, asked: list[tuple[Operation, Request]], registry: Registry, scopes: Scopes
) -> Met:
    """Ask all of it with every key; those who may administer come last."""
    place(registry)
    before = kept(registry)
    met: dict[str, list[Answer]] = {}
    for key in KEYS:
        if key not in scopes["admin"]:
            met[key] = answers(port, [shown(request, key) for _, request in asked])
    moved = kept(registry) != before
    for key in scopes["admin"]:
        met[key] = answers(port, [shown(without_a_move(*each), key) for each in asked])
    return Met(scopes, asked, met, moved)


def without_a_move(operation: Operation, request: Request) -> Request:
    """The same with a body that is refused, but for the plain one: a move takes the disk's time."""
    moves = operation.scope == "admin" and request != operation.plain and request.body
    return replace(request, body=b"[]") if moves else request


def place(registry: Registry) -> None:
    """Labels that every operation of administration would move, over two versions of calories."""
    registry.set_label("calories", "stable", 1, None)
    registry.set_label("calories", "stable", 2, None)
    registry.set_label("calories", "canary", 1, None)


def kept(registry: Registry) -> dict[Path, bytes]:
    """Where labels are, and what moved them."""
    return {path: path.read_bytes() for path in registry.root.glob("*/*") if path.is_file()}

"""Who is let in, by what docs/security.md says: requests with every key, and what they meet."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import requests

from models.registry import Registry
from tests.fuzz.asked import Request
from tests.fuzz.connection import Answer, pipelined
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


def plain(method: str, path: str, told: dict[str, Any]) -> Request:
    """The request of an operation, with the first body that the document shows."""
    name = "canary" if path.endswith("/labels/{name}") else "calories"
    known = {"model": "calories", "name": name, "version": 1, "label": "stable", "file": "docs.js"}
    asked = Request("any", method, path.format(**known).encode(), (), b"", chunked=False)
    for media_type, content in told.get("requestBody", {}).get("content", {}).items():
        for example in content.get("examples", {}).values():
            body = json.dumps(example["value"]).encode()
            return replace(asked, headers=(("Content-Type", media_type.encode()),), body=body)
    return asked


def drawn_of(found: Sequence[Operation], many: int, at: int) -> list[tuple[Operation, Request]]:
    """So many drawn spellings, half of administration, behind the plain requests of all."""
    rng, guarded = Random(at), [it for it in found if it.scope == "admin"]  # noqa: S311
    some = [rng.choice(guarded if number % 2 else found) for number in range(many)]
    return [(it, it.plain) for it in found] + [(it, drawn(it.plain, rng)) for it in some]


def shown(request: Request, key: str) -> Request:
    """The request with a key, or without one."""
    more = (("X-API-Key", key.encode()),) if key else ()
    return replace(request, headers=(*request.headers, *more))


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
    """Requests and what they met, by key, and what was wrong with it."""

    asked: list[tuple[Operation, Request]]
    answers: dict[str, list[Answer]]
    wrong: list[str]


def meet(
    port: int, asked: list[tuple[Operation, Request]], registry: Registry, scopes: Scopes
) -> Met:
    """Ask all of it with every key; those who may administer come last."""
    place(registry)
    before, met = kept(registry), Met(asked, {}, [])
    for key in (key for key in KEYS if key not in scopes["admin"]):
        met.answers[key] = answers(port, [shown(request, key) for _, request in asked])
    if kept(registry) != before:
        met.wrong.append("a label moved without a key for administration")
    for key in scopes["admin"]:
        met.answers[key] = answers(port, [shown(without_a_move(*each), key) for each in asked])
    met.wrong += _wrong(met, scopes)
    return met


def _wrong(met: Met, scopes: Scopes) -> Iterator[str]:
    """What let in others than it should, unless there is nothing, or an operation for just them."""
    told: defaultdict[frozenset[str], set[bytes]] = defaultdict(set)  # by whom it is for
    found = [{key: all_[at] for key, all_ in met.answers.items()} for at in range(len(met.asked))]
    for (operation, request), each in zip(met.asked, found, strict=True):
        who = scopes[operation.scope]
        if request == operation.plain:
            told[frozenset(who)] |= {each[key].body for key in who if each[key].status == 200}
    for (operation, request), each in zip(met.asked, found, strict=True):
        who = {key for key, answer in each.items() if answer.status not in NOT_IN}
        nothing = request.method == "OPTIONS" or all(
            each[key].status in NOTHING or each[key].body in told[frozenset(who)] for key in who
        )
        if who != scopes[operation.scope] and (request == operation.plain or not nothing):
            statuses = {key: answer.status for key, answer in each.items()}
            yield f"{request} of {operation.path}: {statuses}"


def without_a_move(operation: Operation, request: Request) -> Request:
    """The same with a body that is refused, but for the plain one: a move takes the disk's time."""
    moves = operation.scope == "admin" and request != operation.plain and request.body
    return replace(request, body=b"[]") if moves else request


def place(registry: Registry) -> None:
    """Labels that every operation of administration would move, over two versions of calories."""
    for label, version in (("stable", 1), ("stable", 2), ("canary", 1)):
        registry.set_label("calories", label, version, None)


def kept(registry: Registry) -> dict[Path, bytes]:
    """Where labels are, and what moved them."""
    return {path: path.read_bytes() for path in registry.root.glob("*/*") if path.is_file()}

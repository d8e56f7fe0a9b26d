"""The dialects as functions of bytes, for coverage-guided fuzzing and for its corpus."""

import atexit
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from models.registry import SHELF, Registry
from service.api.admin import operations as admin
from service.api.answers import Reply, Request
from service.api.native import explain
from service.api.native import operations as native
from service.api.tfserving import operations as tfserving
from service.api.v2 import operations as v2
from service.codecs import formats
from service.serving import policy
from service.serving.dataplane import DataPlane
from service.serving.host import Host

CORPUS = Path(__file__).parent / "corpus"
MAX_ROWS = 1000

Target = Callable[[bytes], Reply]


def targets() -> dict[str, Target]:
    """Each dialect over the models that ship; the host does not follow the registry."""
    host = Host(Registry(SHELF), "litert", policy.parse("latest:1"))
    host.refresh()
    plane = DataPlane(host, "calories", MAX_ROWS)
    return {
        "native": partial(_post, partial(native.predict, plane), CONTENT_TYPE="application/json"),
        "explain": partial(_post, partial(explain.explain, plane), CONTENT_TYPE="application/json"),
        "csv": partial(_post, partial(native.predict, plane), CONTENT_TYPE=formats.CSV),
        "arrow": partial(_post, partial(native.predict, plane), CONTENT_TYPE=formats.ARROW),
        "v1": partial(_post, partial(tfserving.predict, plane, model="calories")),
        "v1-regress": partial(_post, partial(tfserving.regress, plane, model="calories")),
        "v2": partial(_post, partial(v2.infer, plane, model="calories")),
        "v2-binary": partial(_binary, partial(v2.infer, plane, model="calories")),
        "v1-explain": partial(_post, partial(tfserving.explain, plane, model="calories")),
        "v2-index": partial(_post, partial(v2.index, plane)),
        "admin": _admin(),
        "query": partial(_query, partial(native.predict, plane)),
    }


def check(target: Target, body: bytes) -> None:
    """Assert that a reply is no failure and, where it says so, strict JSON."""
    reply = target(body)
    assert reply.status < 500, reply
    if "json" in reply.content_type:
        json.loads(reply.body, parse_constant=_no_json)


def _post(answer: Callable[[Request], Reply], body: bytes, **environ: Any) -> Reply:
    return answer(Request(body, environ))


def _admin() -> Target:
    """Labels are moved in a registry of its own, which goes with the process."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    shutil.copytree(SHELF / "linear-unit" / "1", Path(folder.name) / "linear-unit" / "1")
    host = Host(Registry(Path(folder.name)), "litert", policy.parse("latest:1"))
    move = partial(admin.label, host, model="linear-unit", name="canary")
    return partial(_post, move, CONTENT_TYPE="application/json")


def _binary(answer: Callable[[Request], Reply], body: bytes) -> Reply:
    """The first two bytes say how long the JSON is."""
    stated = str(int.from_bytes(body[:2], "little"))
    return _post(answer, body[2:], HTTP_INFERENCE_HEADER_CONTENT_LENGTH=stated)


def _query(answer: Callable[[Request], Reply], text: bytes) -> Reply:
    """Query string, Accept and content type: what a server gives as Latin-1 (PEP 3333)."""
    query, accept, kind = [*text.decode("latin-1").split("\n"), "", ""][:3]
    environ = {"QUERY_STRING": query, "HTTP_ACCEPT": accept, "CONTENT_TYPE": kind}
    return _post(answer, b'{"sugar":5,"fiber":1,"protein":2}', **environ)


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")

"""The operations as functions of bytes, for coverage-guided fuzzing and for its corpus."""

import atexit
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from models.registry import SHELF
from service.app import Application, create_application, create_host
from service.codecs import formats
from service.exchange import Exchange, Request, Response
from service.settings import Settings
from tests.fuzz.connection import NOT_SPOKEN, strict_json
from tests.fuzz.http import Http

CORPUS = Path(__file__).parent / "corpus"
MAX_ROWS = 1000

Target = Callable[[bytes], Response]


def targets() -> dict[str, Target]:
    """The operations over the models that ship; the host does not follow the registry."""
    app = _application(SHELF)
    post = partial(_ask, app, "POST")
    json_ = {"content-type": "application/json"}
    v1, v2 = "/v1/models/calories", "/v2/models/calories/infer"
    return {
        "native": partial(post, "/predict", json_),
        "explain": partial(post, "/explain", json_),
        "csv": partial(post, "/predict", {"content-type": formats.CSV}),
        "arrow": partial(post, "/predict", {"content-type": formats.ARROW}),
        "v1": partial(post, f"{v1}:predict", {}),
        "v1-regress": partial(post, f"{v1}:regress", {}),
        "v2": partial(post, v2, {}),
        "v2-binary": partial(_binary, partial(post, v2)),
        "v1-explain": partial(post, f"{v1}:explain", {}),
        "v2-index": partial(post, "/v2/repository/index", {}),
        "admin": _admin(),
        "query": partial(_query, app),
        "http": Http(),
    }


def check(target: Target, body: bytes) -> None:
    """Assert that a response is no failure and, where it says so, strict JSON."""
    response = target(body)
    assert response.status < 500 or response.status in NOT_SPOKEN, response
    if "json" in response.content_type:
        strict_json(response.body)


def _application(registry: Path) -> Application:
    settings = Settings(
        registry=registry,
        engine="litert",
        versions="latest:1",
        max_rows=MAX_ROWS,
        admin_key_waived=True,
    )
    return create_application(settings, create_host(settings))


def _ask(
    app: Application, method: str, path: str, headers: dict[str, str], body: bytes, query: str = ""
) -> Response:
    exchange = Exchange(Request(method, path, query, headers, body))
    app.enter(exchange)
    if exchange.response is None:
        app.answer(exchange)
    app.leave(exchange)
    assert exchange.response
    return exchange.response


def _admin() -> Target:
    """Labels are moved in a registry of its own, which goes with the process."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    shutil.copytree(SHELF / "linear-unit" / "1", Path(folder.name) / "linear-unit" / "1")
    path, headers = "/admin/models/linear-unit/labels/canary", {"content-type": "application/json"}
    return partial(_ask, _application(Path(folder.name)), "PUT", path, headers)


def _binary(post: Callable[[dict[str, str], bytes], Response], body: bytes) -> Response:
    """The first two bytes say how long the JSON is."""
    stated = str(int.from_bytes(body[:2], "little"))
    return post({"inference-header-content-length": stated}, body[2:])


def _query(app: Application, text: bytes) -> Response:
    """Query string, Accept and content type: what a server gives as Latin-1."""
    query, accept, kind = [*text.decode("latin-1").split("\n"), "", ""][:3]
    headers = {"accept": accept, "content-type": kind}
    return _ask(app, "POST", "/predict", headers, b'{"sugar":5,"fiber":1,"protein":2}', query)

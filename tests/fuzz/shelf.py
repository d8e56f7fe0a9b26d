"""A registry in which somebody else writes a model's manifests; and the judge of what they harm.

The registry has a healthy model too, whose answers must be as if nothing was.
"""

import copy
import json
import shutil
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import requests

from models.manifest import MANIFEST, REPORT, ROWS, TWIN
from models.publish import import_version, publish, staging
from models.registry import Registry
from service.app import create_app, create_host
from service.settings import Settings
from tests.fuzz.manifests import manifests
from tests.fuzz.run import Findings, explore
from tests.servers import PATIENCE, ROW, Server

HEALTHY = "calories"

# Method, path and JSON; gives the status and the text of the answer.
Ask = Callable[[str, str, object], tuple[int, str]]


class Shelf:
    """Puts versions into the registry at `root`: copies of `deep`, but for their manifest."""

    def __init__(self, root: Path, shipped: Registry) -> None:
        self.root = root
        made = Registry(root.parent / "made")
        if not made.versions("deep"):  # with no more than the service reads
            with staging(made, "deep") as draft:
                (draft / REPORT).parent.mkdir()
                (draft / REPORT).write_text("<p>A report.</p>")
                for name in (TWIN, ROWS):
                    shutil.copy(shipped.folder("deep", 1) / name, draft / name)
                publish(made, draft, shipped.manifest("deep", 1), promote=True)
        self._source = made.folder("deep", 1)
        self._card: dict[str, Any] = json.loads((self._source / MANIFEST).read_bytes())

    def card(self, model: str, version: int = 1) -> dict[str, Any]:
        """The right manifest of a version."""
        return {**copy.deepcopy(self._card), "model": model, "version": version}

    def put(self, model: str, version: int, manifest: bytes) -> None:
        """Put a version there from one moment to the next; the others of the model go."""
        draft, folder = self.root / f".{model}-{version}", self.root / model
        shutil.copytree(self._source, draft)
        (draft / MANIFEST).write_bytes(manifest)
        folder.mkdir(exist_ok=True)
        before = list(folder.iterdir())
        draft.rename(folder / str(version))
        for other in before:
            shutil.rmtree(other)

    def remove(self, model: str) -> None:
        """Take a model away."""
        shutil.rmtree(self.root / model)


def over_http(server: Server) -> Ask:
    """Ask a running service."""

    def ask(method: str, path: str, body: object) -> tuple[int, str]:
        found = requests.request(method, server.url + path, json=body, timeout=PATIENCE)
        return found.status_code, found.text

    return ask


def looked(server: Server, model: str, version: int) -> int:
    """How many workers have loaded or refused a version, as the log tells."""
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    told = [(it.get("event"), it.get("model"), it.get("version")) for it in lines]
    events = ("version_loaded", "version_refused")
    return sum(told.count((event, model, version)) for event in events)


def attack(shelf: Shelf, ask: Ask, wait: Callable[[str, int], object], many: int) -> Findings:
    """Put so many manifests of the generator there, one after another, and judge each.

    `wait` returns when the service has looked at a version. The statuses are those of the versions'
    own manifests: 200 where one was loaded.
    """
    found, model = Findings(), "strange"
    versions = cycle(range(1, 21))  # few, for each is told in the metrics for a while

    def one(drawn: bytes) -> None:
        version = next(versions)
        manifest = drawn.replace(b'"version": 1,', b'"version": %d,' % version)
        shelf.put(model, version, manifest)
        with found.going_on(manifest):
            wait(model, version)
            judge(ask, model, version)
        found.statuses[ask("GET", f"/models/{model}/{version}", None)[0]] += 1

    explore(manifests(shelf.card(model)), one, many)
    return found


def attack_in_process(root: Path, shipped: Registry, many: int) -> Findings:
    """The same, of an app and a host in this process."""
    import_version(Registry(root), shipped.folder(HEALTHY, 1))
    settings = Settings(registry=root)
    host = create_host(settings)
    client = create_app(settings, host).test_client()

    def ask(method: str, path: str, body: object) -> tuple[int, str]:
        given = None if body is None else json.dumps(body)
        answer = client.open(path, method=method, data=given, content_type="application/json")
        return answer.status_code, answer.text

    return attack(Shelf(root, shipped), ask, lambda *_: host.refresh(), many)


def judge(ask: Ask, model: str, version: int) -> str:
    """Ask everything of a version; gives its state. Raises AssertionError for what it harms.

    Nothing is 5xx but the 503 that says why this version is not served, and the healthy model and
    the metrics are as if nothing was.
    """
    status, text = ask("GET", f"/models/{model}", None)
    assert status == 200, text
    [told] = [it for it in json.loads(text)["versions"] if it["version"] == version]
    state = str(told["state"])
    assert state in {"loaded", "failed"}, text
    for method, path, body in operations(model, version):
        status, text = ask(method, path, body)
        why = state == "failed" and status == 503 and of_version(path, model)
        assert status < 500 or why, (path, status, text[:1000])
        assert len(text) < 2_000_000, path
    for path, body in (("/predict", ROW), ("/explain", ROW)):
        status, text = ask("POST", path, body)
        assert status == 200, text
    status, text = ask("GET", "/metrics", None)
    assert status == 200, ("/metrics", status, text[:1000])
    assert f'calories_version_info{{model="{HEALTHY}",reason="",state="loaded"' in text
    assert f'calories_training_input_bucket{{input="sugar",le="+Inf",model="{HEALTHY}"' in text
    assert f'state="{state}",version="{version}"}} 1.0' in text
    return state


def operations(model: str, version: int) -> list[tuple[str, str, object]]:
    """All that can be asked about a version, or about all."""
    tensors = [{"name": name, "datatype": "FP32", "shape": [1], "data": [1]} for name in ROW]
    gets = """/ /openapi.json /models /version /healthz /readyz /v2 /models/M /models/M/V
    /models/M/V/report /models/M/V/training /v1/models/M /v1/models/M/metadata /v2/models/M
    /v1/models/M/versions/V /v1/models/M/labels/stable/metadata /v2/models/M/versions/V
    /v2/models/M/ready /v2/models/M/versions/V/ready"""
    paths = gets.replace("M", model).replace("V", str(version)).split()
    posts = {
        f"/predict?model={model}": ROW,
        f"/predict?model={model}&version={version}": [ROW, ROW],
        f"/explain?model={model}": ROW,
        f"/v1/models/{model}:predict": {"instances": [ROW]},
        f"/v2/models/{model}/infer": {"inputs": tensors},
        "/v2/repository/index": {},
    }
    return [*(("GET", path, None) for path in paths), *(("POST", *post) for post in posts.items())]


def of_version(path: str, model: str) -> bool:
    """Whether a path is about this model alone."""
    return f"/{model}" in path or f"model={model}" in path

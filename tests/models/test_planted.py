"""What somebody may plant in a registry, seen by who administers it over HTTP."""

import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import requests

from models.labels import MOST
from models.manifest import Manifest
from models.publish import import_version, publish, staging
from models.registry import Registry
from tests.servers import PATIENCE, Server, await_, running

KEY = "administering"
SECRET = "root:x:0:0:root"  # noqa: S105  what must be in no answer
HALF = "/admin/models/half"
OPERATIONS = [
    ("PUT", f"{HALF}/labels/canary", {"version": 1}),
    ("DELETE", f"{HALF}/labels/first", None),
    ("POST", f"{HALF}/rollback", {}),
    ("GET", "/models/half", None),
    ("GET", "/admin/status", None),
]
Plant = Callable[[Path, Path], object]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Server]:
    """A service of `linear-unit`, with a key for administration."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "registry").mkdir()
    import_version(Registry(folder / "registry"), shipped.folder("linear-unit", 1))
    with running(
        folder,
        registry=folder / "registry",
        default_model="linear-unit",
        admin_keys=f"ops:{sha256(KEY.encode()).hexdigest()}",
        poll_seconds=0.05,
        workers=1,
    ) as server:
        yield server


@pytest.fixture
def half(server: Server, card: Manifest) -> Iterator[Registry]:
    """Two versions of `half` in the registry of the service, and the label `first`."""
    registry = Registry(server.log.parent / "registry")
    for _ in range(2):
        with staging(registry, "half") as draft:
            (draft / "weights.txt").write_text("0.5")
            publish(registry, draft, card, promote=True)
    registry.set_label("half", "first", 1)
    yield registry
    shutil.rmtree(registry.root / "half")


def ask(server: Server, method: str, path: str, json: object = None) -> requests.Response:
    headers = {"X-API-Key": KEY}
    return requests.request(
        method, server.url + path, json=json, headers=headers, timeout=PATIENCE / 6
    )


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def link_to_nothing(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("nothing"))


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, _: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [link, link_to_nothing, pipe, folder])
@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "labels.json",
        ".labels.json.draft",
        "history.jsonl",
        ".history.jsonl.draft",
        "2/manifest.json",
    ],
)
def test_what_is_no_file_is_neither_followed_nor_waited_for(
    server: Server, half: Registry, tmp_path: Path, name: str, plant: Plant
) -> None:
    target = tmp_path / "passwd"
    target.write_text(f"{SECRET}\n")
    path = half.root / "half" / name
    path.unlink(missing_ok=True)
    plant(path, target)
    answers = [ask(server, *operation) for operation in OPERATIONS]
    for answer in answers:
        assert answer.status_code in {200, 404, 409, 503}, answer.text
        assert SECRET not in answer.text
    if plant is link and name in {".lock", "labels.json", "history.jsonl"}:
        assert f"{path} is a link: a registry is made of files" in answers[0].json()["detail"]
    assert target.read_text() == f"{SECRET}\n"
    assert [each.name for each in tmp_path.iterdir()] == ["passwd"]
    assert SECRET not in server.output()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("labels.json", SECRET),
        ("labels.json", f'{{"stable": 1, "{SECRET}": 2}}'),
        ("labels.json", f'{{"stable": 1, "canary": {{"version": "{SECRET}", "percent": 5}}}}'),
        ("2/manifest.json", SECRET),
        ("2/manifest.json", f'{{"{SECRET}": 1}}'),
        ("2/manifest.json", f'{{"files": {{"../{SECRET}": "0"}}}}'),
        ("2/manifest.json", f'{{"inputs": [{{"quantiles": {{"{SECRET}": "{SECRET}"}}}}]}}'),
    ],
)
def test_what_a_wrong_file_holds_is_in_no_answer_and_no_log(
    server: Server, half: Registry, name: str, written: str
) -> None:
    path = half.root / "half" / name
    path.write_text(written)
    await_(lambda: str(path) in server.output(), f"the log tells of {name}")
    for operation in OPERATIONS:
        assert SECRET not in ask(server, *operation).text
    assert SECRET not in server.output()


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ('{"stable": 1,\n "canary" 2}', "at line 2 column 11"),
        ('{"stable": 1, "canary": {"version": 0, "percent": 1}}', "number 2 of its labels"),
    ],
)
def test_where_labels_json_is_wrong_is_told(
    server: Server, half: Registry, written: str, place: str
) -> None:
    (half.root / "half" / "labels.json").write_text(written)
    answer = ask(server, *OPERATIONS[0])
    assert answer.status_code == 409
    assert place in answer.json()["detail"]


def test_labels_are_refused_before_their_file_is_too_large_to_be_read(
    server: Server, half: Registry
) -> None:
    put = [
        ask(server, "PUT", f"{HALF}/labels/label-{number}{'x' * 50}", {"version": 1})
        for number in range(MOST)
    ]
    assert [answer.status_code for answer in put] == [200] * (MOST - 2) + [409] * 2
    assert f"has at most {MOST} labels" in put[-1].json()["detail"]
    assert "python -m models unlabel" in put[-1].json()["detail"]
    assert ask(server, "PUT", f"{HALF}/labels/first", {"version": 2}).status_code == 200
    assert ask(server, "DELETE", f"{HALF}/labels/first").status_code == 200
    assert ask(server, *OPERATIONS[0]).status_code == 200
    assert len(half.labels("half")) == MOST


def test_a_history_keeps_its_newest_moves(server: Server, half: Registry) -> None:
    history = half.root / "half" / "history.jsonl"
    history.write_text(history.read_text() + '{"not": "a move"}\n' * 1_000_000)
    assert ask(server, *OPERATIONS[0]).status_code == 200
    assert history.stat().st_size < 300_000
    assert ask(server, "PUT", f"{HALF}/labels/canary", {"version": 2}).status_code == 200
    back = ask(server, "POST", f"{HALF}/rollback", {"label": "canary"})
    assert back.json()["labels"]["canary"] == 1

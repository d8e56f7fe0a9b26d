"""What somebody may plant in a registry, seen by who administers it over HTTP."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from models.labels import MOST
from models.registry import Registry
from service.app import create_app, create_host
from service.settings import Settings

SECRET = "root:x:0:0:root"  # noqa: S105  what must be in no answer
HALF = "/admin/models/half"
OPERATIONS = [
    ("PUT", f"{HALF}/labels/canary", {"version": 1}),
    ("DELETE", f"{HALF}/labels/first", None),
    ("POST", f"{HALF}/rollback", {}),
    ("GET", "/models/half", None),
    ("GET", "/admin/status", None),
]


@pytest.fixture
def half(two: Registry) -> Registry:
    """`half` has the label `first`, too."""
    two.set_label("half", "first", 1)
    return two


Ask = Callable[..., TestResponse]


@pytest.fixture
def ask(half: Registry, caplog: pytest.LogCaptureFixture) -> Iterator[Ask]:
    """Ask as who administers, after a look at the registry; SECRET is in no answer and no log."""
    caplog.set_level("INFO")
    settings = Settings(registry=half.root, admin_key_waived=True)
    host = create_host(settings)
    client = create_app(settings, host).test_client()

    def ask(method: str, path: str, json: object = None) -> TestResponse:
        host.refresh()
        answer = client.open(path, method=method, json=json)
        assert SECRET not in answer.text
        return answer

    yield ask
    host.close()
    assert SECRET not in caplog.text


PLANTS: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, target: path.symlink_to(target),
    "link to nothing": lambda path, target: path.symlink_to(target.with_name("nothing")),
    "pipe": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: path.mkdir(),
}
FOLLOWED = (".lock", "labels.json", "history.jsonl")
FILES = (*FOLLOWED, ".labels.json.draft", ".history.jsonl.draft", "2/manifest.json")


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_neither_followed_nor_waited_for(
    ask: Ask, half: Registry, tmp_path: Path, name: str, plant: str
) -> None:
    target = tmp_path / "passwd"
    target.write_text(SECRET)
    path = half.root / "half" / name
    path.unlink(missing_ok=True)
    PLANTS[plant](path, target)
    answers = [ask(*operation) for operation in OPERATIONS]
    for answer in answers:
        assert answer.status_code in {200, 404, 409, 503}, answer.text
    if plant == "link" and name in FOLLOWED:
        assert f"{path} is a link: a registry is made of files" in answers[0].get_json()["detail"]
    assert target.read_text() == SECRET
    assert {each.name for each in tmp_path.iterdir()} == {"passwd", "registry"}


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
    ask: Ask, half: Registry, name: str, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = half.root / "half" / name
    path.write_text(written)
    for operation in OPERATIONS:
        ask(*operation)
    assert str(path) in caplog.text


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ('{"stable": 1,\n "canary" 2}', "at line 2 column 11"),
        ('{"stable": 1, "canary": {"version": 0, "percent": 1}}', "number 2 of its labels"),
    ],
)
def test_where_labels_json_is_wrong_is_told(
    ask: Ask, half: Registry, written: str, place: str
) -> None:
    (half.root / "half" / "labels.json").write_text(written)
    answer = ask(*OPERATIONS[0])
    assert answer.status_code == 409
    assert place in answer.get_json()["detail"]


def test_labels_are_refused_before_their_file_is_too_large_to_be_read(
    ask: Ask, half: Registry
) -> None:
    put = [
        ask("PUT", f"{HALF}/labels/label-{number}{'x' * 50}", {"version": 1})
        for number in range(MOST)
    ]
    assert [answer.status_code for answer in put] == [200] * (MOST - 2) + [409] * 2
    assert f"has at most {MOST} labels" in put[-1].get_json()["detail"]
    assert "python -m models unlabel" in put[-1].get_json()["detail"]
    assert ask("PUT", f"{HALF}/labels/first", {"version": 2}).status_code == 200
    assert ask("DELETE", f"{HALF}/labels/first").status_code == 200
    assert ask(*OPERATIONS[0]).status_code == 200
    assert len(half.labels("half")) == MOST


def test_a_history_keeps_its_newest_moves(ask: Ask, half: Registry) -> None:
    history = half.root / "half" / "history.jsonl"
    history.write_text(history.read_text() + '{"not": "a move"}\n' * 1_000_000)
    assert ask(*OPERATIONS[0]).status_code == 200
    assert history.stat().st_size < 300_000
    assert ask("PUT", f"{HALF}/labels/canary", {"version": 2}).status_code == 200
    back = ask("POST", f"{HALF}/rollback", {"label": "canary"})
    assert back.get_json()["labels"]["canary"] == 1

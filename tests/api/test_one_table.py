"""What an operation is stands in one table, and little lies between a request and its answer."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from service.app import Application, create_application
from service.exchange import Exchange, Request
from service.serving.host import Host
from service.settings import Settings
from tests.servers import ROOT

SERVICE = ROOT / "service"
MAY = {"api/table.py", "exchange.py"}
OF_TEXT = {"startswith", "endswith", "partition", "split", "removeprefix", "match", "fullmatch"}
PATH = re.compile(r"\b(request|operation)\.path|PATH_INFO")
ROW = b'{"sugar":5,"fiber":1,"protein":2}'
FUNCTIONS, FILES = 11, 6


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SERVICE.rglob("*.py")):
        name = str(path.relative_to(SERVICE))
        if name not in MAY:
            yield name, ast.parse(path.read_text())


def compared(tree: ast.Module) -> Iterator[int]:
    """The lines in which a path is compared, or looked into, or a text is compared with one."""
    for node in ast.walk(tree):
        found: object = None
        if isinstance(node, ast.Compare):
            with_one = any("'/" in ast.unparse(each) for each in node.comparators)
            found = with_one or PATH.search(ast.unparse(node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found = node.func.attr in OF_TEXT and PATH.search(ast.unparse(node))
        elif isinstance(node, ast.Subscript):
            found = re.search(r"\brequest\.path", ast.unparse(node.slice))
        if found and isinstance(node, ast.expr):
            yield node.lineno


@pytest.fixture
def application(small: Settings, host: Host) -> Application:
    return create_application(small, host)


def test_nothing_but_the_table_compares_a_path() -> None:
    assert [(name, line) for name, tree in sources() for line in compared(tree)] == []


@pytest.mark.parametrize(
    "code",
    [
        "if exchange.request.path in OPEN: pass",
        'exchange.request.path.startswith("/admin")',
        'path = environ["PATH_INFO"]\nif path == "/": pass',
        "SCOPES[request.path]",
        'environ.get("PATH_INFO", "").partition("/")',
    ],
)
def test_such_a_comparison_is_found(code: str) -> None:
    assert list(compared(ast.parse(code)))


def test_a_path_stands_in_its_row_alone(application: Application) -> None:
    paths = {row.path for row in application.table.operations} - {"/"}
    assert len(paths) > 25
    elsewhere = [
        (name, node.lineno)
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in paths
        if Path(name).name not in {"operations.py", "client.py"}  # which asks
    ]
    assert elsewhere == []


def test_a_prediction_passes_few_functions_in_few_files(application: Application) -> None:
    passed: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(SERVICE)):
            passed.append((frame.f_code.co_filename, frame.f_code.co_name))

    def ask() -> Exchange:
        headers = {"content-type": "application/json", "content-length": str(len(ROW))}
        exchange = Exchange(Request("POST", "/predict", "", headers, ROW))
        application.enter(exchange)
        application.answer(exchange)
        application.leave(exchange)
        return exchange

    ask()  # what is made once is made
    sys.setprofile(note)
    exchange = ask()
    sys.setprofile(None)
    assert exchange.response
    assert exchange.response.status == 200
    assert len(passed) <= FUNCTIONS, passed
    assert len({file for file, _ in passed}) <= FILES, passed

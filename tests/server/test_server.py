"""A real server, started as a user starts it, in the service's own environment."""

import os
import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from benchmarks.started import finished
from service.__main__ import main
from service.serving.memory import share_heap
from tests.servers import (
    BODY,
    DEV_PYTHON,
    JSON,
    PATIENCE,
    ROOT,
    SERVICE_PYTHON,
    Server,
    await_,
    memory_of,
    run,
    running,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running(folder, workers=2, registry=shipped_root, log_format="console") as server:
        # One worker prints the banner; another may have answered before.
        await_(lambda: "Try:" in server.output(), "the banner is printed")
        yield server


def test_the_readme_request_is_answered_whole_and_in_chunks(server: Server) -> None:
    answer = server.predict()
    assert answer.status_code == 200
    assert list(answer.json()) == ["calories", "lower", "upper", "in_range", "model", "version"]
    chunks = iter([BODY[:9], BODY[9:]])
    chunked = requests.post(f"{server.url}/predict", data=chunks, headers=JSON, timeout=PATIENCE)
    assert chunked.json() == answer.json()


def test_start_up_prints_the_url_and_every_version(server: Server) -> None:
    output = server.output()
    assert output.count(f"Serving at {server.url}") == 1
    for model in ("calories", "deep", "linear", "linear-unit"):
        assert f"  {model}: version 1 (stable: 1)" in output


def test_the_printed_curl_line_works(server: Server) -> None:
    [line] = re.findall(r"^  curl .*", server.output(), re.MULTILINE)
    _, _, url, _, header, _, body = shlex.split(line)
    name, _, value = header.partition(": ")
    answer = requests.post(url, data=body, headers={name: value}, timeout=PATIENCE)
    assert answer.json()["model"] == "calories"


def test_the_client_prints_a_prediction(server: Server) -> None:
    client = run(SERVICE_PYTHON, "-m", "service.client", "--url", server.url, "5", "1", "2")
    assert re.fullmatch(
        r"\d+\.\d+ kcal a serving \(.* to .*\), by calories version 1\n", client.stdout
    )


def test_a_worker_owns_less_than_55_mb_and_has_less_than_100_mb_in_memory(server: Server) -> None:
    # Pages of the libraries' files count in the second. How many Linux maps depends on how they
    # came into its cache: 9 MB more where they were just installed than where they were read.
    for _ in range(200):
        server.predict()
    for sizes in map(memory_of, server.workers()):
        assert sizes["RssAnon"] < 55e6
        assert sizes["VmRSS"] < 100e6


def test_the_threads_of_a_worker_share_one_heap(server: Server) -> None:
    server.predict()
    assert not any(map(other_heaps, server.workers()))


def test_the_environment_may_give_them_more() -> None:
    code = "from tests.server.test_server import print_heaps; print_heaps()"
    for variable, heaps in (("OTHER", "0"), ("MALLOC_ARENA_MAX", "1")):
        environment = {**os.environ, variable: "8"}
        assert finished([DEV_PYTHON, "-c", code], cwd=ROOT, env=environment).stdout.strip() == heaps


def print_heaps() -> None:
    """How many heaps there are beside the first one, seen by a thread."""
    share_heap()
    thread = threading.Thread(target=lambda: print(len(other_heaps(os.getpid()))))
    thread.start()
    thread.join()


def other_heaps(pid: int) -> list[str]:
    """glibc's, which end at a multiple of 64 MB, the untouched rest of each held for it."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    held = re.findall(r"^([0-9a-f]+)-([0-9a-f]+[048c]0{6}) ---p 0+ 00:00", maps, re.MULTILINE)
    return [start for start, end in held if int(end, 16) - int(start, 16) > 2**20]


def test_tensorflow_is_neither_imported_by_the_service_nor_in_its_environment() -> None:
    code = "import sys, service.server.wsgi; print(*{name.split('.')[0] for name in sys.modules})"
    # In an environment in which TensorFlow could be imported.
    imported = set(run(DEV_PYTHON, "-c", code).stdout.split())
    assert {"service", "flask", "ai_edge_litert"} <= imported
    assert not {"tensorflow", "keras"} & imported
    code = "from importlib import metadata as m; print(*(each.name for each in m.distributions()))"
    installed = set(run(SERVICE_PYTHON, "-c", code).stdout.lower().split())
    assert "ai-edge-litert" in installed
    assert not {name for name in installed if name.startswith(("tensorflow", "keras"))}


def test_the_service_environment_stays_under_250_mb() -> None:
    site = SERVICE_PYTHON.parent.parent / "lib"
    assert sum(f.stat().st_size for f in site.rglob("*") if f.is_file()) < 250e6


def test_a_busy_port_is_one_clear_sentence(server: Server) -> None:
    refused = run(SERVICE_PYTHON, "-m", "service", "--port", str(server.port), check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"service: port {server.port} on 127.0.0.1 is in use; ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_wrong_setting_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("service.__main__._serve", lambda _: pytest.fail("it serves"))
    elsewhere = ["--host", "256.1.1.1", "--predict-key-waived", "true"]
    for arguments, sentence in (
        (["--port", "x"], "service: PORT: "),
        (["--engine", "torch"], "service: ENGINE: "),
        (elsewhere, "service: cannot listen on 256.1.1.1, port 8000: "),
    ):
        monkeypatch.setattr("sys.argv", ["service", *arguments])
        assert main() == 1
        said = capsys.readouterr().err
        assert said.startswith(sentence)
        assert said.count("\n") == 1

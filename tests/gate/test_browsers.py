"""What a web page can have done by the browser of who reads it, where administration has no key.

A service on loopback is reached by every page that its user opens: from another origin, and by a
name of its own that was bound to this address (DNS rebinding).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

from models.publish import import_version
from models.registry import Registry
from tests.fuzz.connection import Answer, pipelined
from tests.gate.conftest import Serve
from tests.servers import Server, await_, in_thread, running

STATUS = "/admin/status"
ROLLBACK = "/admin/models/calories/rollback"
REBOUND = "rebound.example"  # which the browser takes to be at 127.0.0.1


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Registry:
    """Two versions."""
    registry = Registry(tmp_path_factory.mktemp("browsers"))
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    return registry


@pytest.fixture(scope="module")
def waived(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose administration takes no key."""
    folder = tmp_path_factory.mktemp("waived")
    with running(
        folder, registry=registry.root, workers=1, access_log=1, admin_key_waived=True
    ) as server:
        yield server


def moves(registry: Registry) -> bytes:
    folder = registry.root / "calories"
    return (folder / "labels.json").read_bytes() + (folder / "history.jsonl").read_bytes()


def head(*lines: str, of: str = f"GET {STATUS} HTTP/1.1") -> str:
    """The head of a request."""
    return "\r\n".join([of, *lines, "", ""])


def met(server: Server, heads: list[str]) -> dict[str, Answer]:
    """What each of them was answered."""
    raws = [head.encode("latin-1") for head in heads]
    return dict(zip(heads, pipelined(server.port, raws), strict=True))


HERE = """
localhost localhost:8000 localhost:1 localhost: LOCALHOST LocalHost:80 127.0.0.1 127.0.0.1:8000
127.9.9.9 127.255.255.254:65535 [::1] [::1]:8000 [0:0:0:0:0:0:0:1] [0000::0001]:1
"""
ELSEWHERE = """
evil.example evil.example:8000 192.0.2.1 10.0.0.1:8000 [2001:db8::1] localhost.evil.example
evil-localhost xlocalhost localhost.localdomain 127.0.0.1.evil.example 127.0.0.1.nip.io:8000
a.localhost localhost.. .localhost localhost. 127.0.0.1. localhost.:8000 LOCALHOST.evil.example
localhost@evil.example evil.example@localhost a:b@localhost @localhost localhost:8000:evil.example
localhost:evil localhost:8000a localhost:-1 :8000 localhost/evil.example localhost\\evil.example
localhost#evil localhost?evil localhost;evil localhost%00 localhost%2eevil.example %6cocalhost
0.0.0.0 0 127.1 127.0.0.01 0177.0.0.1 0x7f.0.0.1 2130706433 127.0.0.256 ::1 [::1 ::1] [::2] []
[::1]evil.example [::1].evil.example [127.0.0.1] [::1%lo] [::1%25lo] [localhost] [::]
http://localhost //localhost *
"""
ODD = [
    *("", "localhost, evil.example", "evil.example, localhost", "localhost evil.example"),
    *("local\xadhost", "l\xf6calhost", "loc\xe0lhost", "\xef\xbd\x8cocalhost", "localhost\x00"),
    *("localhost\t evil.example", "a" * 4000 + ".localhost", "localhost\x0b"),
]
# Lines beside the right host, and beside a wrong one.
OURS = ["Sec-Fetch-Site: none", "Sec-Fetch-Site: same-origin"]
OF_A_PAGE = [
    *("Origin: http://evil.example", "Origin: http://localhost:8000", "Origin: null"),
    *("Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "sec-fetch-site: CROSS-SITE"),
    *("Sec-Fetch-Site: none, cross-site", "Sec-Fetch-Site: anything"),
]
OTHER_NAMES = [
    *("X-Forwarded-Host: localhost", "X-Host: localhost", "Forwarded: host=localhost"),
    *("X-Original-Host: localhost", "X-Forwarded-Server: localhost", "X-Real-IP: 127.0.0.1"),
    *("X-Forwarded-For: 127.0.0.1", "X-HTTP-Host-Override: localhost", "HTTP_HOST: localhost"),
    *("Host : localhost", " Host: localhost", "HOST_: localhost", "SERVER_NAME: localhost"),
    *("Host: localhost", "Host: evil.example"),
]
WHOLE = "GET http://{}{} HTTP/1.1"  # what it names goes before the header


def test_who_asks_at_this_machine_is_answered(waived: Server) -> None:
    heads = [
        *(head(f"Host: {host}") for host in HERE.split()),
        *(head("Host: localhost:8000", line) for line in OURS),
        *(
            head(f"Host: {host}", of=WHOLE.format(name, STATUS))
            for name in ("localhost", "127.0.0.1:8000", "LOCALHOST")
            for host in ("localhost", "evil.example")
        ),
    ]
    answers = met(waived, heads)
    assert [head for head, answer in answers.items() if b'"settings"' not in answer.body] == []


def test_who_asks_at_any_other_name_or_for_a_page_is_refused(
    waived: Server, registry: Registry
) -> None:
    before = moves(registry)
    asked = [f"GET {STATUS} HTTP/1.1", f"POST {ROLLBACK} HTTP/1.1"]
    heads = [
        *(head(f"Host: {host}", of=of) for host in (*ELSEWHERE.split(), *ODD) for of in asked),
        *(
            head(f"Host: {host}", line, of=of)
            for host in ("localhost", "evil.example")
            for line in OF_A_PAGE
            for of in asked
        ),
        *(head("Host: evil.example", line, of=of) for line in OTHER_NAMES for of in asked),
        *(head("Host: localhost", line) for line in ("Host: evil.example", "Host: localhost")),
        *(head(of=f"GET {STATUS} HTTP/{version}") for version in ("1.0", "1.1")),
        *(
            head(f"Host: {host}", of=WHOLE.format(name, STATUS))
            for name in ("evil.example", "evil.example:8000", "localhost.evil.example")
            for host in ("localhost", name)
        ),
    ]
    answers = met(waived, heads)
    wrong = [head for head, answer in answers.items() if answer.status not in {400, 403}]
    assert wrong == []
    assert [head for head, answer in answers.items() if b'"settings"' in answer.body] == []
    assert moves(registry) == before
    told = answers[head("Host: evil.example:8000")]
    assert b"expected a header as 'Host: localhost', received 'evil.example:8000'" in told.body


def test_the_configured_host_is_answered_too(serve: Serve) -> None:
    everywhere = "0.0.0.0"  # noqa: S104  what is tested
    client = serve(host=everywhere, predict_key_waived=True, admin_key_waived=True).test_client()
    for host, status in ((everywhere, 200), ("localhost", 200), ("192.0.2.1", 403)):
        assert client.get(STATUS, headers={"Host": f"{host}:8000"}).status_code == status


class Foreign(BaseHTTPRequestHandler):
    """A page of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title><p>Nothing to see")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(url)
    yield page
    page.close()


PATHS = [
    *(ROLLBACK, f"/{ROLLBACK}", f"//{ROLLBACK}", f"/%2f{ROLLBACK[1:]}", f"/.{ROLLBACK}"),
    *(f"/healthz/..{ROLLBACK}", f"/%2e{ROLLBACK}", f"/static/%2e%2e{ROLLBACK}"),
]
# Every way in which a page can send something elsewhere without being let to read the answer.
SEND_ALL = """async ([url, paths]) => {
    const put = (name, properties) =>
        document.body.appendChild(Object.assign(document.createElement(name), properties));
    for (const [index, path] of paths.entries()) {
        const action = url + path;
        for (const method of ["GET", "POST"]) {
            await fetch(action, { method, mode: "no-cors" }).catch(() => {});
            put("iframe", { name: method + index });
            put("form", { action, method, target: method + index }).submit();
        }
        navigator.sendBeacon(action, "");
        put("img", { src: action });
    }
}"""
POSTS = 3  # of these to each path


def test_a_page_of_another_origin_moves_no_label(
    browser: Browser, waived: Server, registry: Registry
) -> None:
    for version in (1, 2):  # so that there is a move to undo
        registry.set_label("calories", "stable", version, None)
    before, posted = moves(registry), re.compile('"method":"POST".*rollback')
    for name in ("127.0.0.1", "localhost", "evil.example"):
        told = len(waived.output())
        with (
            in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Foreign)) as foreign,
            opened(browser, f"http://{name}:{foreign.server_address[1]}/") as page,
        ):
            page.evaluate(SEND_ALL, [waived.url, PATHS])
            await_(
                lambda told=told: (  # type: ignore[misc]
                    len(posted.findall(waived.output()[told:])) == POSTS * len(PATHS)
                ),
                "all that was sent has come",
            )
            read = page.evaluate("url => fetch(url).then(() => true, () => false)", waived.url)
        assert not read
    assert moves(registry) == before


FETCHED = """([path, method]) => fetch(location.origin + path, { method }).then(async (answer) =>
    [answer.status, await answer.text()])"""


def test_a_page_whose_name_was_bound_to_this_address_is_told_nothing(
    browser: Browser, waived: Server, registry: Registry
) -> None:
    before = moves(registry)
    with opened(browser, f"http://{REBOUND}:{waived.port}/version") as page:
        for path, method in ((STATUS, "GET"), (f"/{STATUS}", "GET"), (ROLLBACK, "POST")):
            status, body = page.evaluate(FETCHED, [path, method])
            assert status in {403, 404}
            assert '"settings"' not in body
    assert moves(registry) == before


def test_a_person_who_types_the_address_sees_the_status(browser: Browser, waived: Server) -> None:
    with opened(browser, f"http://localhost:{waived.port}{STATUS}") as page:
        assert '"settings"' in page.content()

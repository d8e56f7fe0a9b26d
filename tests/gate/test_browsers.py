"""What a web page can have done by the browser of who reads it, where administration has no key.

A service on loopback is reached by every page that its user opens: from another origin, and by a
name of its own that was bound to this address (DNS rebinding).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from models.publish import import_version
from models.registry import Registry
from tests.browser import browsing
from tests.fuzz.connection import Connection
from tests.servers import SERVICE_PYTHON, Server, await_, in_thread, running

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
def waived(
    kind: str, tmp_path_factory: pytest.TempPathFactory, registry: Registry
) -> Iterator[Server]:
    """A service whose administration takes no key."""
    folder = tmp_path_factory.mktemp("waived")
    settings = {"registry": registry.root, "server": kind, "workers": 1, "access_log": 1}
    with running(folder, SERVICE_PYTHON, admin_key_waived=True, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Server]:
    """A service as `make serve` starts it."""
    folder = tmp_path_factory.mktemp("plain")
    settings = {"registry": registry.root, "workers": 1, "access_log": 1}
    with running(folder, SERVICE_PYTHON, **settings) as server:
        yield server


def asked(
    server: Server, *lines: str, target: str = STATUS, method: str = "GET", version: str = "1.1"
) -> tuple[int, bytes]:
    """The status and body of a request with these lines of a head; 0 when there is no answer."""
    head = "\r\n".join([f"{method} {target} HTTP/{version}", *lines, "", ""])
    connection = Connection(server.port, quiet=0.5)
    connection.send(head.encode("latin-1"))
    answer = connection.read()
    connection.close()
    return (answer.status, answer.body) if answer else (0, b"")


HERE = [
    *("localhost", "localhost:8000", "localhost:1", "localhost:", "LOCALHOST", "LocalHost:80"),
    *("127.0.0.1", "127.0.0.1:8000", "127.9.9.9", "127.255.255.254:65535"),
    *("[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "[0000::0001]:1"),
]


@pytest.mark.parametrize("host", HERE)
def test_who_asks_at_this_machine_is_answered(waived: Server, host: str) -> None:
    assert asked(waived, f"Host: {host}")[0] == 200


ELSEWHERE = [
    *("evil.example", "evil.example:8000", "192.0.2.1", "10.0.0.1:8000", "[2001:db8::1]"),
    *("localhost.evil.example", "evil-localhost", "xlocalhost", "localhost.localdomain"),
    *(
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io:8000",
        "a.localhost",
        "localhost..",
        ".localhost",
    ),
    *("localhost.", "127.0.0.1.", "localhost.:8000", "LOCALHOST.evil.example"),
    *("localhost@evil.example", "evil.example@localhost", "a:b@localhost", "@localhost"),
    *("localhost:8000:evil.example", "localhost:evil", "localhost:8000a", "localhost:-1", ":8000"),
    *("localhost, evil.example", "evil.example, localhost", "localhost evil.example"),
    *("localhost/evil.example", "localhost\\evil.example", "localhost#evil", "localhost?evil"),
    *("localhost;evil", "localhost%00", "localhost%2eevil.example", "%6cocalhost", "local\xadhost"),
    *("l\xf6calhost", "loc\xe0lhost", "\uff4c".encode().decode("latin-1") + "ocalhost"),
    *(
        "0.0.0.0",  # noqa: S104
        "0",
        "127.1",
        "127.0.0.01",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "2130706433",
        "127.0.0.256",
    ),
    *(
        "::1",
        "[::1",
        "::1]",
        "[::1]evil.example",
        "[::1].evil.example",
        "[127.0.0.1]",
        "[]",
        "[::2]",
    ),
    *("[::1%lo]", "[::1%25lo]", "[localhost]", "[::]", "http://localhost", "//localhost", "*", ""),
    *("localhost\t evil.example", "a" * 4000 + ".localhost", "localhost\x00", "localhost\x0b"),
]


@pytest.mark.parametrize("host", ELSEWHERE, ids=ascii)
def test_who_asks_at_any_other_name_is_refused(waived: Server, host: str) -> None:
    status, body = asked(waived, f"Host: {host}")
    assert status in {400, 403}
    assert b'"settings"' not in body


def test_the_refusal_says_where_to_ask(waived: Server) -> None:
    status, body = asked(waived, "Host: evil.example:8000")
    assert status == 403
    assert b"expected a header as 'Host: localhost', received 'evil.example:8000'" in body


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_asks_at_no_name_is_refused(waived: Server, version: str) -> None:
    assert asked(waived, version=version)[0] in {400, 403}


@pytest.mark.parametrize(
    "hosts", [("localhost", "evil.example"), ("evil.example", "localhost"), ("localhost",) * 2]
)
def test_who_asks_at_two_names_is_refused(waived: Server, hosts: tuple[str, ...]) -> None:
    status, _ = asked(waived, *(f"Host: {host}" for host in hosts))
    assert status in {400, 403}


@pytest.mark.parametrize(
    "target", ["http://localhost", "http://127.0.0.1:8000", "HTTP://LOCALHOST"]
)
def test_a_whole_url_of_this_machine_is_answered(waived: Server, target: str) -> None:
    assert asked(waived, "Host: localhost", target=target + STATUS)[0] == 200


@pytest.mark.parametrize(
    "authority", ["evil.example", "evil.example:8000", "localhost.evil.example"]
)
def test_a_whole_url_of_elsewhere_is_refused(waived: Server, authority: str) -> None:
    status, _ = asked(waived, f"Host: {authority}", target=f"http://{authority}{STATUS}")
    assert status in {400, 403}


# The other servers do not tell what stood in the request line; no browser writes it but to a proxy.
@pytest.mark.parametrize("kind", ["loop"], indirect=True)
@pytest.mark.parametrize(
    ("authority", "host", "status"),
    [("evil.example", "localhost", 403), ("localhost:8000", "evil.example", 200)],
)
def test_the_host_of_a_whole_url_goes_before_that_of_the_header(
    waived: Server, authority: str, host: str, status: int
) -> None:
    assert asked(waived, f"Host: {host}", target=f"http://{authority}{STATUS}")[0] == status


@pytest.mark.parametrize(
    "line",
    [
        *("X-Forwarded-Host: localhost", "X-Host: localhost", "Forwarded: host=localhost"),
        *("X-Original-Host: localhost", "X-Forwarded-Server: localhost", "X-Real-IP: 127.0.0.1"),
        *("X-Forwarded-For: 127.0.0.1", "X-HTTP-Host-Override: localhost", "HTTP_HOST: localhost"),
        *("Host : localhost", " Host: localhost", "HOST_: localhost", "SERVER_NAME: localhost"),
    ],
)
def test_no_other_header_says_where_it_was_asked(waived: Server, line: str) -> None:
    assert asked(waived, "Host: evil.example", line)[0] in {400, 403}


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
@pytest.mark.parametrize(
    "line",
    [
        *("Origin: http://evil.example", "Origin: http://localhost:8000", "Origin: null"),
        *(
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
            "Sec-Fetch-Site: none, cross-site",
        ),
        *("Sec-Fetch-Site: anything", "sec-fetch-site: CROSS-SITE"),
    ],
)
def test_a_page_is_refused(waived: Server, host: str, line: str) -> None:
    assert asked(waived, f"Host: {host}", line)[0] == 403
    moved = asked(waived, f"Host: {host}", line, target=ROLLBACK, method="POST")
    assert moved[0] == 403


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_who_types_the_address_is_answered(waived: Server, site: str) -> None:
    assert asked(waived, "Host: localhost:8000", f"Sec-Fetch-Site: {site}")[0] == 200


def test_the_configured_host_is_answered_too(tmp_path: Path, registry: Registry) -> None:
    everywhere = "0.0.0.0"  # noqa: S104  what is tested
    waived = {"predict_key_waived": True, "admin_key_waived": True}
    settings = {"registry": registry.root, "host": everywhere, "workers": 1, **waived}
    with running(tmp_path, SERVICE_PYTHON, **settings) as server:
        for host, status in ((everywhere, 200), ("localhost", 200), ("192.0.2.1", 403)):
            assert asked(server, f"Host: {host}:8000")[0] == status


class Foreign(BaseHTTPRequestHandler):
    """A page of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title><p>Nothing to see")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing("--host-resolver-rules=MAP *.example 127.0.0.1") as browser:
        yield browser


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


another_origin = pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.example"])


@another_origin
def test_a_page_of_another_origin_moves_no_label(
    browser: Browser, plain: Server, registry: Registry, name: str
) -> None:
    send_all(browser, name, plain, registry)


@another_origin
def test_nor_does_it_where_administration_takes_no_key(
    browser: Browser, waived: Server, registry: Registry, name: str
) -> None:
    send_all(browser, name, waived, registry)


def send_all(browser: Browser, name: str, server: Server, registry: Registry) -> None:
    for version in (1, 2):  # so that there is a move to undo
        registry.set_label("calories", "stable", version, None)
    before, told = moves(registry), len(server.output())
    with (
        in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Foreign)) as foreign,
        opened(browser, f"http://{name}:{foreign.server_address[1]}/") as page,
    ):
        page.evaluate(SEND_ALL, [server.url, PATHS])
        posted = re.compile('"method":"POST".*rollback')
        await_(
            lambda: len(posted.findall(server.output()[told:])) == POSTS * len(PATHS),
            "all that was sent has come",
        )
        answered = page.evaluate("url => fetch(url).then(() => true, () => false)", server.url)
    assert not answered  # it may not read
    assert moves(registry) == before


def moves(registry: Registry) -> bytes:
    folder = registry.root / "calories"
    return (folder / "labels.json").read_bytes() + (folder / "history.jsonl").read_bytes()


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

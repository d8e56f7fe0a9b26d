"""Keys and TLS on a real server, and no secret left behind by their use."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from models.publish import import_version
from models.registry import Registry
from service.client import main
from tests.conftest import openssl
from tests.gate.conftest import Start, written
from tests.servers import PATIENCE, ROW, SERVICE_PYTHON, Server, await_, run, running

SHOP, OPS, WRONG = (f"calories_{name}-0123456789abcdef" for name in ("shop", "ops", "wrong"))
STABLE = "/admin/models/calories/labels/stable"


@dataclass(frozen=True)
class Identity:
    """A certificate for 127.0.0.1 that signs itself, and its key."""

    certificate: Path
    key: Path


def identity(folder: Path) -> Identity:
    made = Identity(folder / "certificate.pem", folder / "key.pem")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    name = ("-subj", "/CN=calories", "-addext", "subjectAltName=IP:127.0.0.1")
    openssl("req", "-x509", *kind, *name, "-keyout", made.key, "-out", made.certificate)
    return made


@dataclass(frozen=True)
class Secured:
    """A server that speaks HTTPS and takes keys from a file."""

    server: Server
    keys: Path

    def ask(self, path: str, key: str = "", method: str = "GET", **more: Any) -> requests.Response:
        headers = {"X-API-Key": key} if key else {}
        url, trusted = self.server.url + path, self.server.verify
        return requests.request(
            method, url, headers=headers, timeout=PATIENCE, verify=trusted, **more
        )

    def everywhere(self, version: int | None, key: str = SHOP) -> bool:
        """Whether ten predictions, each on its own connection, are of this version."""
        answers = (self.ask("/predict", key, "POST", json=ROW) for _ in range(10))
        return {answer.json().get("version") for answer in answers} == {version}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    registry = Registry(folder)
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    keys, own = folder / "keys.toml", identity(folder)
    keys.write_text(written("shop", "predict", SHOP) + written("ops", "admin", OPS))
    tls: dict[str, Any] = {"tls_certificate": own.certificate, "tls_key": own.key}
    told: dict[str, Any] = {"log_level": "debug", "access_log": 1, "poll_seconds": 0.2}
    with running(folder, registry=folder, workers=2, keys_file=keys, **tls, **told) as server:
        yield Secured(server, keys)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_begins_with_1_2(secured: Secured) -> None:
    context = ssl.create_default_context(cafile=str(secured.server.certificate))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL offers nothing below 1.2
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1):
        context.minimum_version = version
        context.maximum_version = version
        with socket.create_connection(("127.0.0.1", secured.server.port), PATIENCE) as plain:
            if version == ssl.TLSVersion.TLSv1_2:
                context.wrap_socket(plain, server_hostname="127.0.0.1").close()
                continue
            # Which alert the server sends is its library's; uvloop closes before it sends one.
            with pytest.raises(ssl.SSLError, match=r"ALERT|EOF"):
                context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_key_is_added_and_taken_away_without_a_restart(secured: Secured) -> None:
    before = secured.keys.read_text()
    made = run(SERVICE_PYTHON, "-m", "service.keys", "shop-2", "--append", secured.keys)
    key = made.stdout.strip()
    await_(lambda: secured.everywhere(2, key), "the new key is taken")
    secured.keys.write_text(before)
    await_(lambda: secured.everywhere(None, key), "it is not taken any more")
    assert secured.everywhere(2)


def test_a_label_that_is_put_reaches_every_worker(secured: Secured) -> None:
    for version in (1, 2):
        put = secured.ask(STABLE, OPS, "PUT", json={"version": version})
        assert put.json()["labels"] == {"stable": version}
        await_(lambda version=version: secured.everywhere(version), "all workers follow")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ("--key {SHOP} --ca {ca}", 0, ""),
        ("--key {SHOP}", 1, "--ca FILE"),
        ("--ca {ca}", 1, "takes a key for predict: "),
        ("--key {WRONG} --ca {ca}", 1, "none that is known here; "),
        ("--key {OPS} --ca {ca}", 1, "'ops' is for admin; this path takes one for predict."),
    ],
)
def test_the_client_tells_what_is_wrong_with_a_key_or_a_certificate(
    secured: Secured,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    code: int,
    sentence: str,
) -> None:
    given = arguments.format(SHOP=SHOP, WRONG=WRONG, OPS=OPS, ca=secured.server.certificate)
    assert main(["--url", secured.server.url, *given.split(), "5", "1", "2"]) == code
    told = capsys.readouterr().err
    assert sentence in told
    assert ("the variable API_KEY" in told) == (" key " in sentence or "known" in sentence)
    assert WRONG not in told


def exchanged(secured: Secured, sent: bytes) -> bytes:
    """All that the server answers to these bytes, after which nothing comes."""
    context = ssl.create_default_context(cafile=str(secured.server.certificate))
    plain = socket.create_connection(("127.0.0.1", secured.server.port), PATIENCE)
    connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
    connection.sendall(sent)
    socket.socket.shutdown(connection, socket.SHUT_WR)  # TLS's own would no longer decrypt
    told = b""
    with closing(connection), suppress(ConnectionError, ssl.SSLError):  # it does not wait
        while more := connection.recv(65536):
            told += more
    return told


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
MALFORMED = [
    *(HEAD + b"X-API-Key KEY\r\n\r\n", HEAD + b"Authorization Bearer KEY\r\n\r\n"),
    *(HEAD + b"X-API-Key : KEY\r\n\r\n", HEAD + b"X-API-Key=KEY: it\r\n\r\n"),
    *(HEAD + b"X-API-Key:\r\n KEY\r\n\r\n", HEAD + b"X-API-Key: KEY\x01\r\n\r\n"),
    *(HEAD + b"X-API-Key: KEY\nA: b\r\n\r\n", HEAD + b"X-API-Key: " + b"KEY" * 9000 + b"\r\n\r\n"),
    *(HEAD + b"Expect: KEY\r\n\r\n", HEAD + b"Transfer-Encoding: KEY\r\n\r\n"),
    *(HEAD + b"Content-Length: KEY\r\n\r\n", b"X-API-Key: KEY\r\n\r\n", HEAD + b"X-API-Key: KEY"),
    b"KEY /predict HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /predict KEY\r\nHost: localhost\r\n\r\n",
    b"GET /predict HTTP/1.1 KEY\r\nHost: localhost\r\n\r\n",
    *(CHUNKED + b"\r\nKEY\r\n\r\n", CHUNKED + b"X-API-Key: KEY\r\n\r\nKEY\r\n\r\n"),
    *(CHUNKED + b'\r\n1;a="KEY\r\na\r\n0\r\n\r\n', CHUNKED + b"\r\n1\r\naKEY\r\n0\r\n\r\n"),
    CHUNKED + b"\r\n1\r\na\r\n0\r\nX-API-Key KEY\r\n\r\n",
]


def test_a_key_in_what_is_no_http_is_not_repeated_and_no_second_answer_follows(
    secured: Secured,
) -> None:
    # A proxy takes a second answer for that to the next request on its connection.
    told = {sent: exchanged(secured, sent.replace(b"KEY", SHOP.encode())) for sent in MALFORMED}
    assert [sent for sent in MALFORMED if SHOP.encode() in told[sent]] == []
    assert [sent for sent in MALFORMED if told[sent].count(b"HTTP/1.1 ") > 1] == []
    assert sum(map(len, told.values())) > 1000
    assert SHOP not in secured.server.output()


def test_no_secret_is_left_anywhere(secured: Secured) -> None:
    paths = ("/predict", "/v1/models/calories:predict", "/nowhere", "/admin/status")
    told = [
        secured.ask(f"{path}{query}", key, method)
        for path in paths
        for query in ("", f"?api_key={OPS}")
        for key in (SHOP, OPS, WRONG)
        for method in ("GET", "POST")
    ]
    places = {
        "an answer": "".join(f"{answer.headers}{answer.text}" for answer in told),
        "/metrics": secured.ask("/metrics", OPS).text,
        "/admin/status": secured.ask("/admin/status", OPS).text,
        "the log": secured.server.output(),
    }
    for process in (secured.server.process.pid, *secured.server.workers()):
        for name in ("cmdline", "environ"):
            places[f"{name} of {process}"] = Path(f"/proc/{process}/{name}").read_text()
    secrets = (SHOP, OPS, WRONG)
    assert [(place, it) for place, text in places.items() for it in secrets if it in text] == []
    assert "shop (predict)" in places["the log"]  # what is searched holds something
    assert json.loads(places["/admin/status"])["models"]


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        ("certificate.pem", "", "TLS_CERTIFICATE and TLS_KEY belong together"),
        ("nowhere.pem", "key.pem", "TLS_CERTIFICATE: "),
        ("certificate.pem", "other.pem", "KEY_VALUES_MISMATCH"),
        ("key.pem", "key.pem", "are no certificate and its key"),
    ],
)
def test_a_certificate_that_cannot_be_served_with_is_one_sentence(
    start: Start, tmp_path: Path, certificate: str, key: str, sentence: str
) -> None:
    identity(tmp_path).key.rename(tmp_path / "other.pem")
    identity(tmp_path)
    given = {"tls_certificate": certificate, "tls_key": key}
    code, told = start(**{name: tmp_path / file for name, file in given.items() if file})
    assert (code, sentence in told, told.count("\n")) == (1, True, 1)

"""Keys, rates and TLS on the real servers, and no secret left behind by their use."""

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.client import HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from models.publish import import_version
from models.registry import Registry
from service.client import Client, Refused, Retries, main
from tests.servers import PATIENCE, ROW, SERVICE_PYTHON, Server, await_, free_port, run, running

SHOP, SLOW, OPS = (f"calories_{name}-0123456789abcdef" for name in ("shop", "slow", "ops"))
WRONG = "calories_wrong-0123456789abcdef"
SERVERS = pytest.mark.parametrize("server", ["loop"])
EVERYWHERE = "0.0.0.0"  # noqa: S104  beyond loopback: what is tested
STABLE = "/admin/models/calories/labels/stable"


def entry(name: str, scope: str, secret: str, more: str = "") -> str:
    digest = sha256(secret.encode()).hexdigest()
    lines = ("[[key]]", f'name = "{name}"', f'scope = "{scope}"', f'sha256 = "{digest}"')
    return "\n".join([*lines, more, ""])


KEYS = (
    entry("shop", "predict", SHOP)
    + entry("slow", "predict", SLOW, "rate = 0.01")
    + entry("ops", "admin", OPS)
)


@dataclass(frozen=True)
class Identity:
    """A certificate for 127.0.0.1 that signs itself, and its key."""

    certificate: Path
    key: Path


def identity(folder: Path) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "calories")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    made = Identity(folder / "certificate.pem", folder / "key.pem")
    made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@dataclass(frozen=True)
class Secured:
    """A server that speaks HTTPS and takes keys from a file, and its registry."""

    server: Server
    keys: Path
    registry: Registry

    def ask(self, path: str, key: str = "", method: str = "GET", **more: Any) -> requests.Response:
        headers = {"X-API-Key": key} if key else {}
        url = self.server.url + path
        return requests.request(
            method, url, headers=headers, timeout=PATIENCE, verify=self.server.verify, **more
        )

    def predict(self, key: str = "") -> requests.Response:
        return self.ask("/predict", key, "POST", json=ROW)


@pytest.fixture(scope="module", params=["loop"])
def secured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped: Registry
) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    registry = Registry(folder / "registry")
    registry.root.mkdir()
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    keys, own = folder / "keys.toml", identity(folder)
    keys.write_text(KEYS)
    with running(
        folder,
        server=request.param,
        registry=registry.root,
        workers=2,
        keys_file=keys,
        tls_certificate=own.certificate,
        tls_key=own.key,
        poll_seconds=0.2,
        log_level="debug",
    ) as server:
        yield Secured(server, keys, registry)


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("GET", "/healthz", (200, 200, 200, 200)),
        ("GET", "/v2/health/ready", (200, 200, 200, 200)),
        ("GET", "/models", (401, 401, 200, 403)),
        ("GET", "/v1/models/calories", (401, 401, 200, 403)),
        ("GET", "/v2/models/calories", (401, 401, 200, 403)),
        ("GET", "/models/calories/1/report", (401, 401, 200, 403)),
        ("GET", "/metrics", (401, 401, 200, 200)),
        ("GET", "/admin/status", (401, 401, 403, 200)),
        ("POST", "/admin/models/deep/rollback", (401, 401, 403, 404)),
    ],
)
def test_each_path_takes_its_key(
    secured: Secured, method: str, path: str, statuses: tuple[int, ...]
) -> None:
    asked = tuple(secured.ask(path, key, method).status_code for key in ("", WRONG, SHOP, OPS))
    assert asked == statuses


@pytest.mark.parametrize(
    ("method", "path", "content_type", "names"),
    [
        ("POST", "/predict", "application/problem+json", {"type", "title", "status", "detail"}),
        ("POST", "/v1/models/calories:predict", "application/json", {"error"}),
        ("POST", "/v2/models/calories/infer", "application/json", {"error"}),
    ],
)
def test_a_refusal_is_in_the_dialect_of_the_path(
    secured: Secured, method: str, path: str, content_type: str, names: set[str]
) -> None:
    for key, status in (("", 401), (WRONG, 401), (OPS, 403)):
        refused = secured.ask(path, key, method)
        assert (refused.status_code, refused.headers["Content-Type"]) == (status, content_type)
        assert refused.json().keys() == names


@pytest.mark.parametrize("path", ["/", "/docs", "/models/calories/1/report"])
def test_every_page_has_a_policy_and_is_not_sniffed(secured: Secured, path: str) -> None:
    page = secured.ask(path, SHOP)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_begins_with_1_2(secured: Secured) -> None:
    assert shake_hands(secured, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    # Which alert the server sends is its library's; uvloop closes before it sends one.
    with pytest.raises(ssl.SSLError, match=r"ALERT|EOF"):
        shake_hands(secured, ssl.TLSVersion.TLSv1_1)


def shake_hands(secured: Secured, version: ssl.TLSVersion) -> str | None:
    """The version agreed on with a client that speaks only this one."""
    context = ssl.create_default_context(cafile=str(secured.server.certificate))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL offers nothing below 1.2
    context.minimum_version = context.maximum_version = version
    address = ("127.0.0.1", secured.server.port)
    with (
        socket.create_connection(address, timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        return connection.version()


def test_a_key_is_rotated_without_a_restart(secured: Secured) -> None:
    before = secured.keys.read_text()
    made = run(SERVICE_PYTHON, "-m", "service.keys", "shop-2", "--append", secured.keys)
    key = made.stdout.strip()
    await_(lambda: accepted(secured, key), "the new key is taken")
    secured.keys.write_text("[[key]")
    assert accepted(secured, SHOP)
    secured.keys.write_text(before)
    await_(lambda: not accepted(secured, key, some=True), "the old key is not taken")
    assert accepted(secured, SHOP)


def accepted(secured: Secured, key: str, *, some: bool = False) -> bool:
    """Whether ten requests, each on its own connection, are answered (or some of them)."""
    answers = (secured.predict(key).status_code == 200 for _ in range(10))
    return any(answers) if some else all(answers)


def test_a_key_over_its_rate_waits_as_long_as_it_is_told(secured: Secured) -> None:
    answers: list[requests.Response] = []

    def both() -> bool:
        answers.append(secured.predict(SLOW))
        return [answer.status_code for answer in answers].count(200) == 2

    await_(both, "each of the two workers has let one through")
    answers.append(secured.predict(SLOW))
    assert {answer.status_code for answer in answers} == {200, 429}
    limited = [answer for answer in answers if answer.status_code == 429]
    assert 150 < int(limited[0].headers["Retry-After"]) <= 200
    client = Client(
        secured.server.url,
        headers={"X-API-Key": SLOW},
        retries=Retries(times=0),
        verify=secured.server.verify,
    )
    with pytest.raises(Refused, match="'slow' may send") as refused:
        client.predict(ROW)
    assert refused.value.status == 429


def test_a_label_that_is_put_reaches_every_worker(secured: Secured) -> None:
    def everywhere(version: int) -> bool:
        return {secured.predict(SHOP).json()["version"] for _ in range(10)} == {version}

    for version in (1, 2):
        put = secured.ask(STABLE, OPS, "PUT", json={"version": version})
        assert put.json()["labels"] == {"stable": version}
        await_(lambda version=version: everywhere(version), "all workers follow")  # type: ignore[misc]


def test_after_a_refused_body_the_next_request_is_answered(secured: Secured) -> None:
    with requests.Session() as session:
        for key, status in ((WRONG, 401), (SHOP, 400)):
            answer = session.post(
                f"{secured.server.url}/predict",
                data=b"x",
                headers={"X-API-Key": key, "content-type": "application/json"},
                timeout=PATIENCE,
                verify=secured.server.verify,
            )
            assert answer.status_code == status


def test_plain_http_is_not_answered(secured: Secured) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{secured.server.port}/healthz", timeout=PATIENCE)


def test_the_client_trusts_the_authority_that_it_is_told(
    secured: Secured, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", SHOP)
    asked = ["--url", secured.server.url, "5", "1", "2"]
    assert main([*asked, "--ca", str(secured.server.certificate)]) == 0
    assert main(asked) == 1
    assert "--ca FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("", "takes a key for predict"), (WRONG, "none that is known"), (OPS, "'ops' is for admin")],
)
def test_the_client_tells_what_is_wrong_with_a_key(
    secured: Secured, capsys: pytest.CaptureFixture[str], key: str, sentence: str
) -> None:
    url, ca = secured.server.url, str(secured.server.certificate)
    assert main(["--url", url, "--ca", ca, "--key", key, "5", "1", "2"]) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert ("the variable API_KEY" in told) == (key != OPS)
    assert WRONG not in told


@pytest.mark.parametrize(
    "given",
    [b"a\xc3\xa9", b"a" * 129, b"a b", b"a\r\n x-evil: 1", b"a\tb", b"<script>"],
    ids=["not ASCII", "long", "space", "folded", "tab", "markup"],
)
def test_a_request_id_that_is_none_is_never_echoed(secured: Secured, given: bytes) -> None:
    context = ssl.create_default_context(cafile=str(secured.server.certificate))
    connection = HTTPSConnection("127.0.0.1", secured.server.port, context=context)
    connection.connect()
    assert connection.sock
    connection.sock.sendall(
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: "
        + given
        + b"\r\n\r\n"
    )
    answer = b"".join(iter(lambda: connection.sock.recv(65536), b""))
    connection.close()
    status = int(answer.split()[1])
    assert status in {200, 400}
    assert given not in answer
    assert b"evil" not in answer
    if status == 200:
        assert re.search(rb"(?i)x-request-id: [0-9a-f]{12}-[0-9a-f]+\r\n", answer)


def test_no_secret_is_left_anywhere(secured: Secured) -> None:
    told = [
        secured.ask(path, key, method)
        for path in ("/predict", "/v1/models/calories:predict", "/nowhere", "/admin/status")
        for key in (SHOP, OPS, SLOW, WRONG)
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
    secrets = (SHOP, SLOW, OPS, WRONG)
    found = [(place, it) for place, text in places.items() for it in secrets if it in text]
    assert not found
    assert "shop (predict)" in places["the log"]  # what is searched holds something
    assert json.loads(places["/admin/status"])["models"]


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
MALFORMED = {
    "no colon": HEAD + b"X-API-Key KEY\r\n\r\n",
    "no colon, bearer": HEAD + b"Authorization Bearer KEY\r\n\r\n",
    "a space before the colon": HEAD + b"X-API-Key : KEY\r\n\r\n",
    "an equals sign": HEAD + b"X-API-Key=KEY: it\r\n\r\n",
    "two lines": HEAD + b"X-API-Key:\r\n KEY\r\n\r\n",
    "a control character": HEAD + b"X-API-Key: KEY\x01\r\n\r\n",
    "a bare LF": HEAD + b"X-API-Key: KEY\nA: b\r\n\r\n",
    "very long": HEAD + b"X-API-Key: " + b"KEY" * 9000 + b"\r\n\r\n",
    "an expectation": HEAD + b"Expect: KEY\r\n\r\n",
    "a coding": HEAD + b"Transfer-Encoding: KEY\r\n\r\n",
    "a length": HEAD + b"Content-Length: KEY\r\n\r\n",
    "a request line": b"X-API-Key: KEY\r\n\r\n",
    "a method": b"KEY /predict HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a version": b"GET /predict KEY\r\nHost: localhost\r\n\r\n",
    "a version and more": b"GET /predict HTTP/1.1 KEY\r\nHost: localhost\r\n\r\n",
    "the size of a chunk": CHUNKED + b"\r\nKEY\r\n\r\n",
    "the size of a chunk, with a key": CHUNKED + b"X-API-Key: KEY\r\n\r\nKEY\r\n\r\n",
    "behind the size of a chunk": CHUNKED + b'\r\n1;a="KEY\r\na\r\n0\r\n\r\n',
    "the end of a chunk": CHUNKED + b"\r\n1\r\naKEY\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"\r\n1\r\na\r\n0\r\nX-API-Key KEY\r\n\r\n",
    "the end of a connection": HEAD + b"X-API-Key: KEY",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_a_key_in_what_is_no_http_is_not_repeated(secured: Secured, sent: bytes) -> None:
    before = len(secured.server.output())
    told = exchanged(secured, sent.replace(b"KEY", SHOP.encode()))
    assert SHOP.encode() not in told
    assert SHOP not in secured.server.output()[before:]


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_http_is_answered_once_at_most(secured: Secured, sent: bytes) -> None:
    # A proxy takes a second answer for that to the next request on its connection.
    assert exchanged(secured, sent).count(b"HTTP/1.1 ") <= 1


def test_a_key_in_the_query_is_not_repeated(secured: Secured) -> None:
    refused = secured.ask(f"/predict?api_key={OPS}", SHOP, "POST", json=ROW)
    assert refused.status_code == 422
    assert OPS not in refused.text


def exchanged(secured: Secured, sent: bytes) -> bytes:
    """All that the server answers to these bytes, after which nothing comes."""
    context = ssl.create_default_context(cafile=str(secured.server.certificate))
    connection = HTTPSConnection(
        "127.0.0.1", secured.server.port, timeout=PATIENCE, context=context
    )
    connection.connect()
    assert connection.sock
    connection.sock.sendall(sent)
    socket.socket.shutdown(connection.sock, socket.SHUT_WR)  # TLS's own would no longer decrypt
    told = b""
    with closing(connection), suppress(ConnectionError, ssl.SSLError):  # it does not wait
        while more := connection.sock.recv(65536):
            told += more
    return told


Start = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a service that must not come up; gives what it says."""

    def refused(**settings: object) -> str:
        for name, value in {"port": free_port(), **settings}.items():
            monkeypatch.setenv(name.upper(), str(value))
        ended = run(SERVICE_PYTHON, "-m", "service", check=False, timeout=PATIENCE)
        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
        return ended.stderr

    return refused


@SERVERS
def test_the_service_does_not_start_beyond_loopback_without_keys(
    refused: Start, server: str
) -> None:
    [line] = refused(host=EVERYWHERE, server=server).splitlines()
    assert line.startswith("service: predicting takes a key here and there is none (HOST=0.0.0.0")
    assert line.endswith("or let anyone in with PREDICT_KEY_WAIVED=true.")


@SERVERS
def test_a_waiver_lets_anyone_in_and_is_warned_of_at_the_start(
    tmp_path: Path, registry: Registry, shipped: Registry, server: str
) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    waived = {"host": EVERYWHERE, "predict_key_waived": True, "admin_key_waived": True}
    settings = {"registry": registry.root, "workers": 1, "server": server, **waived}
    with running(tmp_path, SERVICE_PYTHON, **settings) as open_:
        assert open_.predict().status_code == 200
        moved = requests.post(f"{open_.url}/admin/models/calories/rollback", timeout=PATIENCE)
        assert moved.json()["labels"] == {"stable": 1}
        told = open_.output()
    assert told.count("service: warning: PREDICT_KEY_WAIVED=true: whoever reaches 0.0.0.0") == 1
    assert told.count("service: warning: ADMIN_KEY_WAIVED=true: WHOEVER REACHES 0.0.0.0") == 1


@pytest.mark.parametrize(("name", "file"), [("predict_keys", False), ("keys_file", True)])
def test_a_key_in_the_place_of_its_digest_is_refused_and_not_repeated(
    refused: Start, tmp_path: Path, name: str, file: bool
) -> None:
    (tmp_path / "keys.toml").write_text(entry("shop", "predict", "").replace("sha256 =", SHOP))
    told = refused(**{name: tmp_path / "keys.toml" if file else f"shop:{SHOP}"})
    assert told.startswith(f"service: {name.upper()}: ")
    assert SHOP not in told


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        ("certificate.pem", None, "TLS_CERTIFICATE and TLS_KEY belong together"),
        ("nowhere.pem", "key.pem", "TLS_CERTIFICATE: "),
        ("certificate.pem", "other.pem", "KEY_VALUES_MISMATCH"),
        ("key.pem", "key.pem", "are no certificate and its key"),
    ],
)
def test_a_certificate_that_cannot_be_served_with_is_one_sentence(
    refused: Start, tmp_path: Path, certificate: str, key: str | None, sentence: str
) -> None:
    (tmp_path / "other").mkdir()
    identity(tmp_path / "other").key.rename(tmp_path / "other.pem")
    identity(tmp_path)
    given = {"tls_certificate": certificate, "tls_key": key}
    [line] = refused(**{name: tmp_path / file for name, file in given.items() if file}).splitlines()
    assert sentence in line
